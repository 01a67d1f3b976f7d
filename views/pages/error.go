package pages

import "posthorn/views/layout"

// ErrorProps is what went wrong, as it may be shown.
type ErrorProps struct {
	Page    layout.PageProps
	Status  int
	Message string
	// Target is the id of the element that a fragment goes into, as HX-Target names it; empty for pages.
	Target string
	// Reference is the request id, for faults of the server.
	Reference string
	// SignIn offers to sign in again, in a new tab so that typed text survives.
	SignIn bool
}
