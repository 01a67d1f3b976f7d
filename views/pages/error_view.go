package pages

import (
	"net/http"
	"net/url"

	"github.com/a-h/templ"

	"posthorn/views/layout"
	"posthorn/views/path"
)

// Ids of the elements that fragments go into, as HX-Target names them.
const (
	intoResults = "results"
	intoDrawer  = "drawer-slot"
	intoPill    = "new-pill"
)

// errorTitleID ties the name of a drawer to its sentence.
const errorTitleID = "error-title"

// heading names the fault in a few words; the message says the rest.
func (p ErrorProps) heading() string {
	switch p.Status {
	case http.StatusUnauthorized:
		return "Sign in again"
	case http.StatusForbidden:
		return "Not allowed"
	case http.StatusNotFound:
		return "Not found"
	case http.StatusConflict:
		return "Not saved"
	case http.StatusRequestEntityTooLarge, http.StatusRequestHeaderFieldsTooLarge:
		return "Too large"
	case http.StatusTooManyRequests:
		return "Too many requests"
	case http.StatusServiceUnavailable:
		return "Not available right now"
	}
	if p.Status >= http.StatusInternalServerError {
		return "Server error"
	}
	return "This did not work"
}

// page is the error as the layout shows it.
func (p ErrorProps) page() layout.ErrorProps {
	e := layout.ErrorProps{Page: p.Page, Heading: p.heading(), Text: p.Message, Reference: p.Reference}
	if p.SignIn {
		e.ActionURL, e.ActionLabel, e.NewTab = path.Login, "Sign in", true
	}
	return e
}

// retries says whether asking again may help: not for what is gone or forbidden.
func (p ErrorProps) retries() bool {
	return p.Status >= http.StatusInternalServerError || p.Status == http.StatusTooManyRequests || p.Status == http.StatusRequestTimeout
}

// retryAttrs make a retry fill the place that the fragment was meant for.
func (p ErrorProps) retryAttrs() templ.Attributes {
	switch p.Target {
	case intoResults:
		return templ.Attributes{"hx-get": p.Page.Path, "hx-target": "#" + intoResults, "hx-swap": "outerHTML"}
	case intoDrawer:
		return templ.Attributes{"hx-get": p.Page.Path, "hx-target": "#" + intoDrawer}
	default:
		return nil
	}
}

// titleID names a drawer after its sentence.
func (p ErrorProps) titleID() string {
	if p.Target == intoDrawer {
		return errorTitleID
	}
	return ""
}

// listURL is the feed behind a drawer, with the filters that the drawer's address carries.
func (p ErrorProps) listURL() string {
	address, err := url.Parse(p.Page.Path)
	if err != nil {
		return path.Activity
	}
	return path.With(path.Activity, address.Query())
}

// signInURL leads back to the page that the fragment belongs to, where its address is one of a page.
func (p ErrorProps) signInURL() string {
	if p.Target == intoResults || p.Target == intoDrawer {
		return path.LoginThen(p.Page.Path)
	}
	return path.Login
}
