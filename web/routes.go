package web

import (
	"github.com/gofiber/fiber/v2"

	"posthorn/views/path"
)

// access says who may call a route.
type access int

const (
	// anyone needs no proof.
	anyone access = iota
	// worker proves itself with the shared secret; the handler checks it before it looks at the body.
	worker
	// guest is a person who is not signed in; one who is goes home.
	guest
	// person is signed in.
	person
	// admin is signed in as an owner or admin; to others the page does not exist.
	admin
)

// route is one row of what the outside can do.
type route struct {
	method string
	path   string
	access access
	handle fiber.Handler
}

// routes lists everything that the server answers.
func (s *Server) routes() []route {
	const get, post = fiber.MethodGet, fiber.MethodPost
	return []route{
		// Machines
		{post, path.IngestActivity, worker, s.ingestActivity},
		{get, path.Healthz, anyone, s.healthz},
		{get, path.Readyz, anyone, s.readyz},
		{get, path.Static + "*", anyone, s.static},

		// Signing in
		{get, path.Setup, guest, s.showSetup},
		{post, path.Setup, guest, s.setUp},
		{get, path.Login, guest, s.showLogin},
		{post, path.Login, guest, s.signIn},
		{post, path.Logout, person, s.signOut},

		// Pages
		{get, path.Home, person, s.showOverview},
		{get, path.Search, person, s.search},
		{get, path.Activity, person, s.showActivity},
		{get, path.ActivityNew, person, s.showActivityNews},
		{get, path.ActivityStream, person, s.streamActivity},
		{get, path.ActivityExportCSV, person, s.exportActivityCSV},
		{get, path.ActivityExportNDJSON, person, s.exportActivityNDJSON},
		{get, path.Activity + "/:id", person, s.showRecord},
		{get, path.Activity + "/:id/page", person, s.showRecordPage},
		{get, path.SettingsProfile, person, s.showProfile},
		{post, path.SettingsProfile, person, s.updateProfile},
		{post, path.SettingsPassword, person, s.changePassword},
		{post, path.SettingsPreferences, person, s.updatePreferences},
		{post, path.SignOutEverywhere, person, s.signOutEverywhere},
	}
}
