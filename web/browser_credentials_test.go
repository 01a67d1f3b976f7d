package web_test

import (
	"strings"
	"testing"

	"posthorn/internal/browserkit"
	"posthorn/internal/posthorn"
	"posthorn/internal/sitekit"
	"posthorn/views/path"
)

// shownValue is where a key or secret is shown once.
const shownValue = "#shown-value"

// withCredentials runs a site with a key in every state, and an API secret that another one replaces.
func withCredentials(t *testing.T) (s *sitekit.Site, busy posthorn.MadeAPIKey) {
	t.Helper()
	s = sitekit.Start(t)
	revoked, soon, expired := makeKey(t, s, posthorn.ScopeRead), makeKey(t, s, posthorn.ScopeWrite), makeKey(t, s, posthorn.Scopes()...)
	busy = makeKey(t, s, posthorn.Scopes()...)
	if _, err := s.Accounts.RevokeAPIKey(t.Context(), posthorn.CommandLine(), s.Owner.TenantID, revoked.ID); err != nil {
		t.Fatal(err)
	}
	rotation := posthorn.SecretRotation{Overlap: posthorn.DefaultSecretOverlap}
	if _, err := s.Accounts.RotateAPISecret(t.Context(), posthorn.CommandLine(), s.Owner.TenantID, rotation); err != nil {
		t.Fatal(err)
	}
	for name, v := range map[string]struct {
		set string
		key posthorn.MadeAPIKey
	}{
		"Terraform": {"expires_at = now() + interval '8 days 1 hour', last_used_at = now() - interval '9 days'", soon},
		"A service with a name that is much longer than what fits into one line of a table on a phone": {"last_used_at = now() - interval '4 minutes'", busy},
		"Load test":                {"expires_at = now() - interval '1 hour'", expired},
		"An old key nobody misses": {"last_used_at = now() - interval '90 days'", revoked},
	} {
		selectRows[string](t, s, `UPDATE api_keys SET name = $2, `+v.set+` WHERE id = $1 RETURNING name`, v.key.ID.UUID(), name)
	}
	return s, busy
}

// askForKey fills in the form of a new key and sends it.
func askForKey(p *browserkit.Page, name string) {
	p.Goto(path.APIKeyNew)
	p.Fill(field(posthorn.FieldName), name)
	p.Click("input[value=read]")
	p.Click("main button", "Create API key")
}

func TestTheCredentialsAreAccessibleAndFit(t *testing.T) {
	t.Parallel()
	s, busy := withCredentials(t)
	p := person(t, s)
	p.Allow("POST /webhooks/credentials/(keys|secret/reveal|secret/rotate): (409|422)")
	examine(t, p,
		at("credentials", path.Credentials),
		at("api-key-new", path.APIKeyNew),
		at("api-key-revoke", path.APIKeyRevoke(busy.ID.String())),
		at("api-secret-rotate", path.APISecretRotate),
		view{name: "api-key-shown", open: func(p *browserkit.Page) {
			askForKey(p, "Risk dashboard")
			p.Visible("#shown-title", "API key “Risk dashboard” created")
		}},
		view{name: "api-key-error", open: func(p *browserkit.Page) {
			p.Goto(path.APIKeyNew)
			p.Fill(field(posthorn.FieldName), "Risk dashboard")
			p.Choose("#expires_at", "date")
			p.Click("main button", "Create API key")
			p.Visible("#expires_at-error")
		}},
		view{name: "api-secret-error", open: func(p *browserkit.Page) {
			p.Goto(path.APISecretRotate)
			p.Click("summary", "Use your own secret")
			p.Fill("#secret", "short")
			p.Click("main button", "Rotate secret")
			p.Visible("#secret-error")
		}},
	)
}

func TestAKeyIsCopiedStoredAndGone(t *testing.T) {
	t.Parallel()
	s := sitekit.Start(t)
	p := person(t, s)
	// What is shown once is in no cache: going back asks whether to send the form again, or finds the list.
	p.Allow("POST /webhooks/credentials/keys: net::ERR_CACHE_MISS")
	askForKey(p, "Risk dashboard")
	p.Focused("#shown-title")
	key := browserkit.Eval[string](p, `document.querySelector("`+shownValue+`").value`)
	copying(func() {
		p.Click("main button", "Copy")
		p.Visible("main button", "Copied")
		if copied := browserkit.Eval[string](p, `navigator.clipboard.readText()`); copied != key || !strings.HasPrefix(key, "ph_live_") {
			t.Errorf("copied %q, shown %q", copied, key)
		}
	})
	p.Click("main button", "Done") // the browser insists on the tick
	p.Visible(shownValue)
	p.Click("label", "I have stored this key")
	p.Click("main button", "Done")
	p.At(path.Credentials)
	p.Visible("#api-keys td", "Risk dashboard")
	p.Hidden(shownValue)
	p.Back()
	p.Hidden(shownValue)
}

func TestAKeyIsMadeAndRevokedWithoutScript(t *testing.T) {
	t.Parallel()
	s := sitekit.Start(t)
	p := person(t, s)
	p.DisableScript()
	p.Viewport(browserkit.Phone)
	askForKey(p, "Risk dashboard")
	p.Visible(shownValue)
	if p.Shows("main button", "Copy") {
		t.Error("a button that does nothing is shown")
	}
	p.Click("label", "I have stored this key")
	p.Click("main button", "Done")
	p.Click("#api-keys tbody tr:first-child a")
	p.Visible("h1", "Revoke Risk dashboard?")
	p.Click("main button", "Revoke key")
	p.Visible("#api-keys tbody tr:first-child", "Revoked")
}

func TestTheCredentialsAreWithinReachOnAPhone(t *testing.T) {
	t.Parallel()
	s, busy := withCredentials(t)
	p := person(t, s)
	p.Viewport(browserkit.Phone)
	p.Goto(path.Credentials)
	p.Tap("a[aria-label^='Revoke A service'], a[title^='Revoke A service']")
	p.At(path.APIKeyRevoke(busy.ID.String()))
	p.Tap("main a", "Keep key")
	p.At(path.Credentials)
	p.Tap("#api-secret button", "Use the new secret now")
	p.Hidden("#api-secret .callout")
}
