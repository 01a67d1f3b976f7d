package pages

import (
	"time"

	"posthorn/internal/posthorn"
	"posthorn/views/layout"
)

// LoginProps is the sign-in form.
type LoginProps struct {
	Auth layout.AuthProps
	// Email is what was typed before; a password never comes back.
	Email    string
	Remember bool
	// Next is the path that follows, empty for the start page.
	Next string
	// Error is the sentence above the form, empty for none.
	Error string
	// Notice is good news above the form ("You are signed out."), empty for none.
	Notice string
}

// SetupProps is the form that makes the first tenant and its owner.
type SetupProps struct {
	Auth layout.AuthProps
	// Tenant, Name and Email are what was typed before.
	Tenant, Name, Email string
	Error               string
	// Fields says what is wrong with which field.
	Fields map[string]string
}

// ProfileProps is the reader's own settings.
type ProfileProps struct {
	Page layout.PageProps
	User posthorn.User
	// Name, Theme and TimeZone are what the forms show: the stored values, or what was typed before.
	Name     string
	Theme    posthorn.Theme
	TimeZone string
	// Zones are the time zones that are offered.
	Zones []string
	// Fields says what is wrong with which field.
	Fields   map[string]string
	Location *time.Location
}

// SearchProps is the page of the find field.
type SearchProps struct {
	Page  layout.PageProps
	Query string
}
