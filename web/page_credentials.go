package web

import (
	"context"
	"errors"
	"net/http"
	"strconv"
	"time"

	"github.com/gofiber/fiber/v2"

	"posthorn/internal/posthorn"
	"posthorn/views/layout"
	"posthorn/views/pages"
	"posthorn/views/path"
)

// Credentials is what the pages do with API keys and the API secret. Implemented by posthorn.Accounts.
type Credentials interface {
	ListAPIKeys(ctx context.Context, tenant posthorn.TenantID) ([]posthorn.APIKey, error)
	APIKey(ctx context.Context, tenant posthorn.TenantID, id posthorn.APIKeyID) (posthorn.APIKey, error)
	CreateAPIKey(ctx context.Context, actor posthorn.Actor, tenant posthorn.TenantID, in posthorn.NewAPIKey) (posthorn.MadeAPIKey, error)
	RevokeAPIKey(ctx context.Context, actor posthorn.Actor, tenant posthorn.TenantID, id posthorn.APIKeyID) (posthorn.APIKey, error)

	APISecret(ctx context.Context, tenant posthorn.TenantID) (posthorn.APISecret, error)
	RevealAPISecret(ctx context.Context, actor posthorn.Actor, tenant posthorn.TenantID) (string, error)
	RotateAPISecret(ctx context.Context, actor posthorn.Actor, tenant posthorn.TenantID, r posthorn.SecretRotation) (posthorn.RotatedSecret, error)
	RetireOldAPISecrets(ctx context.Context, actor posthorn.Actor, tenant posthorn.TenantID) (int, error)
}

// What the forms of this page make, as their keys tell it.
const (
	formAPIKey    = "api_key"
	formAPISecret = "api_secret"
)

// Titles of the pages.
const (
	credentialsTitle = "API credentials"
	newAPIKeyTitle   = "New API key" //nolint:gosec // G101: a title, not a key
)

// webActor is the reader as the audit log names them, from the address of this request.
func (s *Server) webActor(c *fiber.Ctx) posthorn.Actor {
	who := s.actingAs(c)
	return who.User.Actor(who.Session.Address)
}

// credentials is what the reader sees of the tenant's API keys and API secret.
func (s *Server) credentials(c *fiber.Ctx) (pages.CredentialsProps, error) {
	who := requestOf(c).signedIn
	p := pages.CredentialsProps{Owner: who.User.Role == posthorn.RoleOwner, Now: time.Now(), Location: who.User.Location()}
	var err error
	if p.Keys, err = s.Credentials.ListAPIKeys(c.UserContext(), who.Tenant.ID); err != nil {
		return p, err
	}
	p.Secret, err = s.Credentials.APISecret(c.UserContext(), who.Tenant.ID)
	return p, err
}

// credentialsFrame is the frame of a page below the credentials, empty for themselves.
func (s *Server) credentialsFrame(c *fiber.Ctx, below string) (layout.PageProps, error) {
	p, err := s.page(c, credentialsTitle, layout.NavWebhooks)
	p.Crumbs = []layout.Crumb{{Label: "Webhooks", URL: path.Webhooks}, {Label: credentialsTitle}}
	if below != "" {
		p.Title = below
		p.Crumbs = []layout.Crumb{p.Crumbs[0], {Label: credentialsTitle, URL: path.Credentials}, {Label: below}}
	}
	return p, err
}

func (s *Server) showCredentials(c *fiber.Ctx) error {
	return s.renderCredentials(c, http.StatusOK, pages.CredentialsPageProps{})
}

// leadToCredentials answers who asks again for the address of a form that has shown a secret.
func (s *Server) leadToCredentials(c *fiber.Ctx) error { return s.redirect(c, path.Credentials) }

func (s *Server) renderCredentials(c *fiber.Ctx, status int, p pages.CredentialsPageProps) error {
	var err error
	if p.Credentials, err = s.credentials(c); err != nil {
		return err
	}
	if p.Page, err = s.credentialsFrame(c, ""); err != nil {
		return err
	}
	return s.render(c, status, pages.CredentialsPage(p))
}

// showOnce answers a form with what it made. It is in this answer alone.
func (s *Server) showOnce(c *fiber.Ctx, shown pages.ShownOnceProps) error {
	shown.DoneURL = path.Credentials
	return s.renderCredentials(c, http.StatusOK, pages.CredentialsPageProps{Shown: &shown})
}

func (s *Server) showNewAPIKey(c *fiber.Ctx) error {
	return s.renderNewAPIKey(c, http.StatusOK, pages.APIKeyFormProps{FormKey: newFormKey()})
}

func (s *Server) renderNewAPIKey(c *fiber.Ctx, status int, p pages.APIKeyFormProps) error {
	var err error
	if p.Page, err = s.credentialsFrame(c, newAPIKeyTitle); err != nil {
		return err
	}
	return s.render(c, status, pages.APIKeyForm(p))
}

func (s *Server) createAPIKey(c *fiber.Ctx) error {
	p := pages.APIKeyFormProps{
		FormKey: postedFormKey(c), Name: formValue(c, posthorn.FieldName), Expiry: formValue(c, posthorn.FieldExpiresAt),
		ExpiresOn: formValue(c, pages.FieldExpiresOn),
	}
	for _, scope := range c.Request().PostArgs().PeekMulti(posthorn.FieldScopes) {
		p.Scopes = append(p.Scopes, posthorn.Scope(scope))
	}
	who := requestOf(c).signedIn
	expires, rule := keyExpiry(p.Expiry, p.ExpiresOn, time.Now().In(who.User.Location()))
	if rule != "" {
		p.Fields = map[string]string{posthorn.FieldExpiresAt: rule}
		return s.renderNewAPIKey(c, http.StatusUnprocessableEntity, p)
	}
	made, err := s.Credentials.CreateAPIKey(c.UserContext(), s.webActor(c), who.Tenant.ID, posthorn.NewAPIKey{
		Name: p.Name, Scopes: p.Scopes, ExpiresAt: expires, Form: formKey(c, formAPIKey),
	})
	switch f := describe(err); {
	case err != nil && f.fields != nil:
		p.Fields = f.fields
		return s.renderNewAPIKey(c, f.status, p)
	case err != nil:
		return err
	case made.Repeated:
		return s.backTo(c, path.Credentials, made.Name+" was created already, its key was shown once.")
	}
	return s.showOnce(c, pages.ShownOnceProps{
		Title: "API key “" + made.Name + "” created", Text: "Copy the key now. It is stored as a hash and cannot be shown again.",
		Label: "API key", What: "key", Value: made.Plain,
	})
}

// maxExpiryDays bounds the number of days that a form may ask for.
const maxExpiryDays = 3650

// keyExpiry reads when a key ends: never, so many days from now, or at the end of a day where the reader is. rule says what
// is wrong with the choice, empty for nothing.
func keyExpiry(choice, day string, now time.Time) (expires time.Time, rule string) {
	switch choice {
	case "":
		return time.Time{}, ""
	case pages.ExpiryOnDate:
		date, err := time.ParseInLocation(time.DateOnly, day, now.Location())
		if err != nil || date.Year() > now.Year()+maxExpiryDays/365 {
			return time.Time{}, "must be a date within ten years, such as " + now.AddDate(1, 0, 0).Format(time.DateOnly)
		}
		return date.AddDate(0, 0, 1).UTC(), ""
	}
	days, err := strconv.Atoi(choice)
	if err != nil || days < 1 || days > maxExpiryDays {
		return time.Time{}, "must be one of the choices"
	}
	return now.AddDate(0, 0, days).UTC().Truncate(time.Second), ""
}

// confirmUsedWithin is how recent the last use of a key is for its name to be asked before it is revoked.
const confirmUsedWithin = 24 * time.Hour

// revocation is the key that the path names, as a question.
func (s *Server) revocation(c *fiber.Ctx) (pages.APIKeyRevokeProps, error) {
	var p pages.APIKeyRevokeProps
	id, err := posthorn.ParseAPIKeyID(c.Params("id"))
	if err != nil {
		return p, posthorn.Because(posthorn.NotFound, pageMissing, err)
	}
	p.Key, err = s.Credentials.APIKey(c.UserContext(), requestOf(c).signedIn.Tenant.ID, id)
	p.Confirm = time.Since(p.Key.LastUsedAt) < confirmUsedWithin
	return p, err
}

func (s *Server) askToRevokeAPIKey(c *fiber.Ctx) error {
	p, err := s.revocation(c)
	switch {
	case err != nil:
		return err
	case !p.Key.RevokedAt.IsZero():
		return s.backTo(c, path.Credentials, p.Key.Name+" is revoked already.")
	}
	return s.renderRevokeAPIKey(c, http.StatusOK, p)
}

func (s *Server) renderRevokeAPIKey(c *fiber.Ctx, status int, p pages.APIKeyRevokeProps) error {
	var err error
	if p.Page, err = s.credentialsFrame(c, "Revoke "+p.Key.Name); err != nil {
		return err
	}
	return s.render(c, status, pages.APIKeyRevoke(p))
}

func (s *Server) revokeAPIKey(c *fiber.Ctx) error {
	p, err := s.revocation(c)
	if err != nil {
		return err
	}
	p.Typed = formValue(c, posthorn.FieldConfirm)
	if p.Confirm && p.Key.RevokedAt.IsZero() && !posthorn.SameName(p.Typed, p.Key.Name) {
		p.Fields = map[string]string{posthorn.FieldConfirm: "must be the name of the key: " + p.Key.Name}
		return s.renderRevokeAPIKey(c, http.StatusUnprocessableEntity, p)
	}
	if _, err := s.Credentials.RevokeAPIKey(c.UserContext(), s.webActor(c), p.Key.TenantID, p.Key.ID); err != nil {
		return err
	}
	return s.backTo(c, path.Credentials, p.Key.Name+" is revoked. Calls with it fail from now on.")
}

func (s *Server) revealAPISecret(c *fiber.Ctx) error {
	plain, err := s.Credentials.RevealAPISecret(c.UserContext(), s.webActor(c), requestOf(c).signedIn.Tenant.ID)
	switch {
	case errors.Is(err, posthorn.ErrSecretShown):
		return s.renderCredentials(c, http.StatusConflict, pages.CredentialsPageProps{Error: describe(err).message})
	case err != nil:
		return err
	}
	return s.showOnce(c, pages.ShownOnceProps{
		Title: "This is the API secret", Text: "Copy it now. This is the only time it is shown.", Label: "API secret", What: "secret", Value: plain,
	})
}

func (s *Server) showRotateAPISecret(c *fiber.Ctx) error {
	return s.renderRotateAPISecret(c, http.StatusOK, pages.APISecretRotateProps{FormKey: newFormKey(), Overlap: posthorn.DefaultSecretOverlap})
}

func (s *Server) renderRotateAPISecret(c *fiber.Ctx, status int, p pages.APISecretRotateProps) error {
	var err error
	if p.Page, err = s.credentialsFrame(c, "Rotate the API secret"); err != nil {
		return err
	}
	p.Location = requestOf(c).signedIn.User.Location()
	return s.render(c, status, pages.APISecretRotate(p))
}

func (s *Server) rotateAPISecret(c *fiber.Ctx) error {
	p := pages.APISecretRotateProps{FormKey: postedFormKey(c), Overlap: postedOverlap(c), Own: formValue(c, posthorn.FieldSecret)}
	made, err := s.Credentials.RotateAPISecret(c.UserContext(), s.webActor(c), requestOf(c).signedIn.Tenant.ID, posthorn.SecretRotation{
		Overlap: p.Overlap, Own: p.Own, Form: formKey(c, formAPISecret),
	})
	switch f := describe(err); {
	case err != nil && (f.fields != nil || f.status == http.StatusConflict):
		if p.Fields = f.fields; p.Fields == nil {
			p.Error = f.message
		}
		return s.renderRotateAPISecret(c, f.status, p)
	case err != nil:
		return err
	case made.Repeated:
		return s.backTo(c, path.Credentials, "The API secret was rotated already, the new one was shown once.")
	}
	text := "Copy it now. This is the only time it is shown. "
	if made.OldExpires.IsZero() {
		text += "The old one has ended."
	} else {
		text += "The old one is valid until " + made.OldExpires.In(requestOf(c).signedIn.User.Location()).Format("2 Jan 2006, 15:04 MST") + "."
	}
	return s.showOnce(c, pages.ShownOnceProps{Title: "The API secret was rotated", Text: text, Label: "API secret", What: "secret", Value: made.Plain})
}

// postedOverlap reads for how long an old secret signs on, in seconds; what is no number is an overlap that nothing allows.
func postedOverlap(c *fiber.Ctx) time.Duration {
	const longest = 1 << 31 // seconds, so that no number is too long for a Duration
	seconds, err := strconv.Atoi(formValue(c, posthorn.FieldOverlap))
	if err != nil || seconds < 0 || seconds > longest {
		return -1
	}
	return time.Duration(seconds) * time.Second
}

func (s *Server) retireOldAPISecrets(c *fiber.Ctx) error {
	n, err := s.Credentials.RetireOldAPISecrets(c.UserContext(), s.webActor(c), requestOf(c).signedIn.Tenant.ID)
	if err != nil {
		return err
	}
	news := "There was no old secret any more."
	if n > 0 {
		news = "Deliveries are signed with the new secret from now on."
	}
	return s.backTo(c, path.Credentials, news)
}
