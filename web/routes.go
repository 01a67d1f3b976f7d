package web

import (
	"slices"

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
	// linked is whoever has the token in the path, signed in or not; the handler checks it.
	linked
	// person is signed in.
	person
	// admin is signed in as an owner or admin; to others the page does not exist.
	admin
	// owner is signed in as an owner; an admin is told so, to others the page does not exist.
	owner
	// apiRead, apiWrite and apiPublish are programs with an API key that has this scope.
	apiRead
	apiWrite
	apiPublish
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
	const get, post, put, del = fiber.MethodGet, fiber.MethodPost, fiber.MethodPut, fiber.MethodDelete
	list := []route{
		// Machines
		{post, path.IngestActivity, worker, s.ingestActivity},
		{get, path.Healthz, anyone, s.healthz},
		{get, path.Readyz, anyone, s.readyz},
		{get, path.Metrics, anyone, s.metrics},
		{get, path.Static + "*", anyone, s.static},

		// Programs
		{get, path.APIWebhooks, apiRead, s.apiListWebhooks},
		{put, path.APIWebhooks, apiWrite, s.apiPutWebhook},
		{get, path.APIWebhooks + "/:id", apiRead, s.apiGetWebhook},
		{del, path.APIWebhooks + "/:id", apiWrite, s.apiDeleteWebhook},
		{post, path.APIWebhooks + "/:id/rotate-secret", apiWrite, s.apiRotateSecret},
		{post, path.APIWebhooks + "/:id/test", apiWrite, s.apiTestWebhook},
		{post, path.APIWebhooks + "/:id/replay-missed", apiWrite, s.apiReplayMissed},
		{get, path.APIDeliveries, apiRead, s.apiListDeliveries},
		{get, path.APIDeliveries + "/:id", apiRead, s.apiGetDelivery},
		{post, path.APIDeliveries + "/:id/replay", apiWrite, s.apiReplayDelivery},
		{get, path.APIEvents, apiRead, s.apiListEvents},
		{post, path.APIEvents, apiPublish, s.apiPublishEvents},
		{get, path.APIEvents + "/:id", apiRead, s.apiGetEvent},
		{get, path.APIEventTypes, apiRead, s.apiListEventTypes},
		{put, path.APIEventTypes, apiWrite, s.apiPutEventType},

		// Signing in
		{get, path.Setup, guest, s.showSetup},
		{post, path.Setup, guest, s.setUp},
		{get, path.Login, guest, s.showLogin},
		{post, path.Login, guest, s.signIn},
		{post, path.Logout, person, s.signOut},
	}
	return slices.Concat(list, s.docsRoutes(), s.pageRoutes(), s.webhookRoutes(), s.resourceRoutes(), s.settingsRoutes())
}

// pageRoutes are those of the pages but for what webhooks send.
func (s *Server) pageRoutes() []route {
	const get, post = fiber.MethodGet, fiber.MethodPost
	return []route{
		{get, path.Home, person, s.showOverview},
		{get, path.Search, person, s.search},
		{get, path.Activity, person, s.showActivity},
		{get, path.ActivityNew, person, s.showActivityNews},
		{get, path.ActivityStream, person, s.streamActivity},
		{get, path.ActivityExportCSV, person, s.exportActivityCSV},
		{get, path.ActivityExportNDJSON, person, s.exportActivityNDJSON},
		{get, path.Activity + "/:id", person, s.showRecord},
		{get, path.Activity + "/:id/page", person, s.showRecordPage},
		{get, path.Credentials, admin, s.showCredentials},
		{get, path.APIKeys, admin, s.leadToCredentials},
		{post, path.APIKeys, owner, s.createAPIKey},
		{get, path.APIKeyNew, owner, s.showNewAPIKey},
		{get, path.APIKeys + "/:id/revoke", owner, s.askToRevokeAPIKey},
		{post, path.APIKeys + "/:id/revoke", owner, s.revokeAPIKey},
		{get, path.APISecretReveal, admin, s.leadToCredentials},
		{post, path.APISecretReveal, admin, s.revealAPISecret},
		{get, path.APISecretRotate, admin, s.showRotateAPISecret},
		{post, path.APISecretRotate, admin, s.rotateAPISecret},
		{post, path.APISecretRetireOld, admin, s.retireOldAPISecrets},
		{get, path.EventCatalogue, admin, s.showEventCatalogue},
		{post, path.EventCatalogue, admin, s.createEventType},
		{get, path.EventTypeNew, admin, s.showNewEventType},
		{get, path.EventCatalogue + "/:event", admin, s.showEventType},
		{get, path.EventCatalogue + "/:event/edit", admin, s.showEventTypeForm},
		{post, path.EventCatalogue + "/:event/edit", admin, s.updateEventType},
		{post, path.EventCatalogue + "/:event/enforcement", admin, s.updateEnforcement},
		{get, path.SettingsProfile, person, s.showProfile},
		{post, path.SettingsProfile, person, s.updateProfile},
		{post, path.SettingsPassword, person, s.changePassword},
		{post, path.SettingsPreferences, person, s.updatePreferences},
		{post, path.SignOutEverywhere, person, s.signOutEverywhere},
	}
}

// webhookRoutes are those of the pages about webhooks and what they send.
func (s *Server) webhookRoutes() []route {
	const get, post = fiber.MethodGet, fiber.MethodPost
	return []route{
		{get, path.Webhooks, admin, s.showWebhooks},
		{post, path.Webhooks, admin, s.createWebhook},
		{get, path.WebhookNew, admin, s.showNewWebhook},
		{post, path.WebhookNewHeaders, admin, s.changeNewHeaders},
		{get, path.DeliveryLogReplay, admin, s.showReplayQuestion},
		{post, path.DeliveryLogReplay, admin, s.startReplay},
		{get, path.Attention, admin, s.showAttention},
		{get, path.Replays, admin, s.showReplays},
		{get, path.Replay(":id"), admin, s.showReplay},
		{post, path.ReplayCancel(":id"), admin, s.cancelReplay},
		{get, path.WebhookMissed(":id"), admin, s.showMissed},
		{post, path.WebhookMissed(":id"), admin, s.replayMissed},
		{get, path.DeliveryLog, admin, s.showDeliveries},
		{get, path.DeliveryLogNew, admin, s.showDeliveryNews},
		{get, path.DeliveryLogRows, admin, s.showDeliveryRows},
		{get, path.DeliveryLogStream, admin, s.streamDeliveries},
		{get, path.DeliveryLogExportCSV, admin, s.exportDeliveriesCSV},
		{get, path.DeliveryLogExportNDJSON, admin, s.exportDeliveriesNDJSON},
		{get, path.Webhooks + "/:id", admin, s.showWebhook},
		{get, path.Webhooks + "/:id/logs", admin, s.showWebhookLog},
		{get, path.Webhooks + "/:id/settings", admin, s.showWebhookSettings},
		{post, path.Webhooks + "/:id/settings", admin, s.updateWebhook},
		{post, path.Webhooks + "/:id/settings/headers", admin, s.changeStoredHeaders},
		{post, path.Webhooks + "/:id/activate", admin, s.activateWebhook},
		{get, path.Webhooks + "/:id/deactivate", admin, s.showDeactivateWebhook},
		{post, path.Webhooks + "/:id/deactivate", admin, s.deactivateWebhook},
		{post, path.Webhooks + "/:id/duplicate", admin, s.duplicateWebhook},
		{get, path.Webhooks + "/:id/delete", admin, s.showDeleteWebhook},
		{post, path.Webhooks + "/:id/delete", admin, s.deleteWebhook},
		{get, path.Webhooks + "/:id/secret/rotate", admin, s.showRotateWebhookSecret},
		{post, path.Webhooks + "/:id/secret/rotate", admin, s.rotateWebhookSecret},
		{post, path.Webhooks + "/:id/secret/retire-old", admin, s.retireWebhookSecrets},
		{get, path.WebhookTest(":id"), admin, s.showWebhookTest},
		{post, path.WebhookTest(":id"), admin, s.sendWebhookTest},
		{get, path.Events, admin, s.showEvents},
		{post, path.Events, admin, s.publishEvent},
		{get, path.EventNew, admin, s.showNewEvent},
		{get, path.EventNews, admin, s.showEventNews},
		{get, path.EventStream, admin, s.streamEvents},
		{get, path.Event(":id"), admin, s.showEvent},
		{get, path.Delivery(":id"), admin, s.showDelivery},
		{get, path.DeliveryNews(":id"), admin, s.showWhatBecame},
		{get, path.DeliveryBody(":id"), admin, s.downloadDeliveryBody},
		{get, path.DeliveryReplay(":id"), admin, s.askToReplayDelivery},
		{post, path.DeliveryReplay(":id"), admin, s.replayDelivery},
		{get, path.DeliveryStop(":id"), admin, s.askToStopDelivery},
		{post, path.DeliveryStop(":id"), admin, s.stopDelivery},
	}
}
