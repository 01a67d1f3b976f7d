package pages

import (
	"testing"
	"time"

	"posthorn/internal/posthorn"
	"posthorn/views/path"
)

func TestTheStatusOfAKeySaysWhatComesNext(t *testing.T) {
	t.Parallel()

	now := time.Date(2026, 11, 20, 14, 37, 30, 0, time.UTC)
	const day = 24 * time.Hour
	for name, v := range map[string]struct {
		key            posthorn.APIKey
		status, expiry string
	}{
		"for ever":            {posthorn.APIKey{}, "Active", "Never"},
		"for long":            {posthorn.APIKey{ExpiresAt: now.Add(15 * day)}, "Active", "5 Dec 2026"},
		"for a few days":      {posthorn.APIKey{ExpiresAt: now.Add(8*day + time.Hour)}, "Expires in 8 days", "28 Nov 2026"},
		"for hours":           {posthorn.APIKey{ExpiresAt: now.Add(20*time.Hour + time.Minute)}, "Expires in 21 hours", "21 Nov 2026"},
		"for less":            {posthorn.APIKey{ExpiresAt: now.Add(time.Minute)}, "Expires in 1 hour", "20 Nov 2026"},
		"over":                {posthorn.APIKey{ExpiresAt: now}, "Expired", "20 Nov 2026"},
		"revoked":             {posthorn.APIKey{RevokedAt: now.Add(-day)}, "Revoked", "Revoked 19 Nov 2026"},
		"revoked before over": {posthorn.APIKey{ExpiresAt: now.Add(day), RevokedAt: now.Add(-day)}, "Revoked", "Revoked 19 Nov 2026"},
	} {
		p := CredentialsProps{Now: now}
		if got := p.status(&v.key).Label; got != v.status {
			t.Errorf("%s: %q, want %q", name, got, v.status)
		}
		if got := p.expiry(&v.key); got != v.expiry {
			t.Errorf("%s: %q, want %q", name, got, v.expiry)
		}
	}
}

func TestADayIsOneOfTheReadersZone(t *testing.T) {
	t.Parallel()

	tokyo, err := time.LoadLocation("Asia/Tokyo")
	if err != nil {
		t.Fatal(err)
	}
	at := time.Date(2026, 11, 20, 18, 0, 0, 0, time.UTC)
	p := CredentialsProps{Now: at.Add(-time.Hour), Location: tokyo}
	if got := p.expiry(&posthorn.APIKey{ExpiresAt: at}); got != "21 Nov 2026" {
		t.Error(got)
	}
	if got := until(at, tokyo); got != "21 Nov 2026, 03:00 JST" {
		t.Error(got)
	}
}

func TestTheLastUseIsNamedBeforeAKeyIsRevoked(t *testing.T) {
	t.Parallel()

	for ago, want := range map[time.Duration]string{
		0:                          "Never used. Calls with this key fail at once.",
		30 * time.Second:           "Last used just now. Calls with this key fail at once.",
		time.Minute:                "Last used 1 minute ago. Calls with this key fail at once.",
		59 * time.Minute:           "Last used 59 minutes ago. Calls with this key fail at once.",
		26 * time.Hour:             "Last used 1 day ago. Calls with this key fail at once.",
		8*24*time.Hour + time.Hour: "Last used 8 days ago. Calls with this key fail at once.",
	} {
		p := APIKeyRevokeProps{Page: ownerPage("Revoke")}
		if ago > 0 {
			p.Key.LastUsedAt = p.Page.Now.Add(-ago)
		}
		if got := p.consequence(); got != want {
			t.Errorf("%s: %q, want %q", ago, got, want)
		}
	}
}

func TestAnOrganisationWithoutKeysIsToldWhatTheyAreFor(t *testing.T) {
	t.Parallel()

	for _, owner := range []bool{true, false} {
		doc := parsed(t, Credentials(CredentialsProps{Owner: owner}))
		wantText(t, the(t, doc.Selection, "#api-keys h2:not(#api-keys-title)"), "No API keys yet")
		if got := doc.Find("#api-keys a[href='"+path.APIKeyNew+"']").Length() == 1; got != owner {
			t.Errorf("owner %v is offered a new key: %v", owner, got)
		}
		the(t, doc.Selection, "#api-secret form[method=post][action='"+path.APISecretReveal+"']")
	}
}

func TestAnOwnSecretStaysInAFormThatComesBackOutOfSight(t *testing.T) {
	t.Parallel()

	doc := parsed(t, APISecretRotate(APISecretRotateProps{
		Page: ownerPage("Rotate"), FormKey: "KEY", Overlap: time.Hour, Own: "short", Fields: map[string]string{posthorn.FieldSecret: "must be 24 to 64 bytes"},
	}))
	form := the(t, doc.Selection, `form[method=post][action="`+path.APISecretRotate+`"]`)
	wantAttr(t, the(t, form, "details[open] input[name=secret][type=password][aria-invalid=true][autofocus]"), "value", "short")
	wantAttr(t, the(t, form, "input[name=form_key][type=hidden]"), "value", "KEY")
	wantAttr(t, the(t, form, "select[name=overlapSeconds] option[selected]"), "value", "3600")
	wantText(t, the(t, form, "option[selected]"), "1 hour, until 20 Nov 2026, 15:37 UTC")
}
