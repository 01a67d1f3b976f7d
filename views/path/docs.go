package path

import "net/url"

// URLs of the documentation of the API.
const (
	// Docs introduces the API to people.
	Docs = "/docs"
	// OpenAPI is the document of the API, for programs.
	OpenAPI = "/openapi.json"
	// APIDocs leads to Docs.
	APIDocs = API + "docs"
	// APIOpenAPI is OpenAPI among the other addresses of the API.
	APIOpenAPI = API + "openapi.json"
)

// DocsGroup is the page about the operations of a group, such as "webhooks".
func DocsGroup(slug string) string { return Docs + "/" + url.PathEscape(slug) }
