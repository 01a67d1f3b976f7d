package path

import "net/url"

// APIActivity is the feed of activity for programs.
const APIActivity = API + "activity"

// Resources lists the resources of a kind, which is named in the plural, "submissions", here and below.
func Resources(kind string) string { return "/" + kind }

// Resource is one resource. The id is the public one, "sub_…".
func Resource(kind, id string) string { return Resources(kind) + "/" + url.PathEscape(id) }

// APIResources lists the resources of a kind for programs, and takes new ones (POST).
func APIResources(kind string) string { return API + kind }

// APIScreenings takes AML screenings of a submission (POST).
func APIScreenings(id string) string {
	return APIResources("submissions") + "/" + url.PathEscape(id) + "/aml"
}
