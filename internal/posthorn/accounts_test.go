package posthorn_test

import (
	"bytes"
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"posthorn/internal/posthorn"
)

func TestEmailIsOnePlainAddressKeptAsTyped(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		email string
		want  string // empty: refused
	}{
		"plain":               {"ada@example.com", "ada@example.com"},
		"case is kept":        {"Ada.L+x@Example.COM", "Ada.L+x@Example.COM"},
		"space around":        {"  ada@example.com\n", "ada@example.com"},
		"single label":        {"admin@localhost", "admin@localhost"},
		"beyond ASCII":        {"josé@example.com", "josé@example.com"},
		"empty":               {" ", ""},
		"no at":               {"example.com", ""},
		"no local part":       {"@example.com", ""},
		"no domain":           {"ada@", ""},
		"display name":        {"Ada <ada@example.com>", ""},
		"angle brackets":      {"<ada@example.com>", ""},
		"two addresses":       {"ada@example.com, bob@example.com", ""},
		"comment":             {"ada@example.com (Ada)", ""},
		"quoted local part":   {`"ada l"@example.com`, ""},
		"address literal":     {"ada@[192.0.2.1]", ""},
		"null character":      {"ada\x00@example.com", ""},
		"not UTF-8":           {"ada\xff@example.com", ""},
		"line break inside":   {"ada@exam\nple.com", ""},
		"longest":             {strings.Repeat("a", 242) + "@example.com", strings.Repeat("a", 242) + "@example.com"},
		"longer than allowed": {strings.Repeat("a", 243) + "@example.com", ""},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			f := newAccounts(t)
			owner := f.withOwner(t)
			u, err := f.CreateUser(t.Context(), posthorn.CommandLine(), posthorn.NewUser{
				TenantID: owner.Tenant.ID, Email: c.email, Name: "Ada", Role: posthorn.RoleMember, Password: goodPassword,
			})
			if c.want == "" {
				wantKind(t, err, posthorn.Invalid, posthorn.FieldEmail)
				return
			}
			if err != nil || u.Email != c.want {
				t.Errorf("email %q, error %v, want %q", u.Email, err, c.want)
			}
		})
	}
}

func TestNamesAreOneLineOfAtMost100Characters(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		name, want string // want empty: refused
	}{
		"plain":         {" Ada Lovelace ", "Ada Lovelace"},
		"spaces":        {"Ada  \u00a0 Lovelace", "Ada Lovelace"},
		"beyond ASCII":  {strings.Repeat("é", 100), strings.Repeat("é", 100)},
		"empty":         {" \t ", ""},
		"too long":      {strings.Repeat("é", 101), ""},
		"two lines":     {"Ada\nLovelace", ""},
		"null":          {"Ada\x00", ""},
		"other lines":   {"Ada\u2028Lovelace", ""},
		"bidirectional": {"Ada\u202eecalevoL", ""},
		"zero width":    {"Ada\u200bLovelace", ""},
		"invalid UTF-8": {"Ada\xff", ""},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			f := newAccounts(t)
			who := f.withOwner(t)
			err := f.UpdateProfile(t.Context(), who, c.name)
			if c.want == "" {
				wantKind(t, err, posthorn.Invalid, posthorn.FieldName)
				return
			}
			if got := f.store.users[0].User.Name; err != nil || got != c.want {
				t.Errorf("name %q, error %v, want %q", got, err, c.want)
			}
		})
	}
}

func TestEveryFaultOfAFormIsNamedAtOnce(t *testing.T) {
	t.Parallel()
	f := newAccounts(t)
	_, err := f.FirstOwner(t.Context(), posthorn.Actor{}, posthorn.NewTenant{
		OwnerEmail: "nobody", OwnerName: "two\nlines", OwnerPassword: "short",
	})
	wantKind(t, err, posthorn.Invalid, posthorn.FieldTenant, posthorn.FieldEmail, posthorn.FieldName, posthorn.FieldPassword)
	want := "Organisation must not be empty. Email must be one plain address, such as ana@example.com. " +
		"Name must be plain text in one line. Password must have at least 10 characters."
	if !strings.HasPrefix(err.Error(), want) {
		t.Errorf("message %q, want it to begin %q", err, want)
	}
	if len(f.store.foundings) != 0 {
		t.Error("a tenant was made all the same")
	}
}

func TestCreateUserRefusesWhatIsNoRoleAndNoTenant(t *testing.T) {
	t.Parallel()
	f := newAccounts(t)
	who := f.withOwner(t)
	n := posthorn.NewUser{TenantID: who.Tenant.ID, Email: "bob@example.com", Role: "king", ExternalID: strings.Repeat("x", 513), Password: goodPassword}
	_, err := f.CreateUser(t.Context(), posthorn.CommandLine(), n)
	wantKind(t, err, posthorn.Invalid, posthorn.FieldRole, posthorn.FieldExternalID)
	n.TenantID = posthorn.NewTenantID()
	_, err = f.CreateUser(t.Context(), posthorn.CommandLine(), n)
	wantKind(t, err, posthorn.NotFound)
}

func TestAUserWithoutANameIsCalledByTheirAddress(t *testing.T) {
	t.Parallel()
	f := newAccounts(t)
	who := f.withOwner(t)
	u, err := f.CreateUser(t.Context(), posthorn.CommandLine(), posthorn.NewUser{
		TenantID: who.Tenant.ID, Email: "grace@example.com", Role: posthorn.RoleAdmin, Password: goodPassword,
	})
	if err != nil || u.Name != "grace" {
		t.Errorf("name %q, error %v", u.Name, err)
	}
}

func TestSetUpIsTrueFromTheFirstTenantOn(t *testing.T) {
	t.Parallel()
	f := newAccounts(t)
	if done, err := f.SetUp(t.Context()); done || err != nil {
		t.Errorf("without a tenant: %v, %v", done, err)
	}
	f.withOwner(t)
	if done, err := f.SetUp(t.Context()); !done || err != nil {
		t.Errorf("with a tenant: %v, %v", done, err)
	}
	_, err := f.FirstOwner(t.Context(), posthorn.Actor{}, posthorn.NewTenant{})
	wantKind(t, err, posthorn.Conflict)
}

func TestBootstrapIsTheDocumentedJSON(t *testing.T) {
	t.Parallel()
	f := newAccounts(t)
	made, err := f.CreateTenant(t.Context(), posthorn.CommandLine(), posthorn.NewTenant{
		Name: "Acme", OwnerEmail: "ada@example.com", OwnerPassword: goodPassword, WithCredentials: true,
	})
	if err != nil {
		t.Fatal(err)
	}
	got, err := json.Marshal(made)
	if err != nil {
		t.Fatal(err)
	}
	want := fmt.Sprintf(`{"tenantId":%q,"userId":%q,"email":"ada@example.com","password":%q,"apiKey":%q,"apiSecret":%q}`,
		made.TenantID, made.UserID, goodPassword, plainAPIKey, plainAPISecret)
	if string(got) != want {
		t.Errorf("got  %s\nwant %s", got, want)
	}
}

func TestCredentialsOfATenantAreHandedOutOnlyWhenAskedFor(t *testing.T) {
	t.Parallel()
	for _, asked := range []bool{true, false} {
		t.Run(fmt.Sprint(asked), func(t *testing.T) {
			t.Parallel()
			f := newAccounts(t)
			made, err := f.FirstOwner(t.Context(), posthorn.Actor{Address: "192.0.2.7"}, posthorn.NewTenant{
				Name: "Acme", OwnerEmail: "ada@example.com", OwnerPassword: goodPassword, WithCredentials: asked,
			})
			if err != nil {
				t.Fatal(err)
			}
			founding := f.store.foundings[0]
			if got := made.APIKey != "" && made.APISecret != ""; got != asked {
				t.Errorf("handed out: %v", got)
			}
			if got := founding.APIKey != nil && slices.Equal(founding.APIKey.Scopes, posthorn.Scopes()); got != asked {
				t.Errorf("key with all scopes stored: %v", got)
			}
			if got := !founding.APISecret.RevealedAt.IsZero(); got != asked {
				t.Errorf("secret marked as revealed: %v", got)
			}
			if want := "sealed " + made.TenantID.String() + "/api_secret " + plainAPISecret; string(founding.APISecret.Sealed) != want {
				t.Errorf("sealed secret %q, want %q", founding.APISecret.Sealed, want)
			}
			if a := founding.Audit[0].Actor; a.UserID != made.UserID || a.Address != "192.0.2.7" {
				t.Errorf("a nameless actor became %+v, want the owner", a)
			}
		})
	}
}

func TestEveryChangeIsAuditedWithoutSecrets(t *testing.T) {
	t.Parallel()
	f := newAccounts(t)
	ctx := t.Context()
	cli := posthorn.CommandLine()
	_, err := f.CreateTenant(ctx, cli, posthorn.NewTenant{
		Name: "Acme", OwnerEmail: "ada@example.com", OwnerName: "Ada", OwnerPassword: goodPassword, WithCredentials: true,
	})
	if err != nil {
		t.Fatal(err)
	}
	who := posthorn.SignedIn{User: f.store.users[0].User, Tenant: f.store.tenants[0]}
	for _, step := range []error{
		f.UpdateProfile(ctx, who, "Ada L"),
		f.UpdatePreferences(ctx, who, posthorn.ThemeDark, "Europe/Madrid"),
		f.ChangePassword(ctx, who, goodPassword, newPassword),
		f.ResetPassword(ctx, cli, "ada@example.com", goodPassword),
		second(f.DeleteUserSessions(ctx, who.User.Actor("192.0.2.1"), who.User, nil)),
		second(f.CreateUser(ctx, cli, posthorn.NewUser{
			TenantID: who.Tenant.ID, Email: "bob@example.com", Role: posthorn.RoleMember, ExternalID: "user_2x", Password: goodPassword,
		})),
	} {
		if step != nil {
			t.Fatal(step)
		}
	}
	k, err := f.CreateAPIKey(ctx, cli, who.Tenant.ID, posthorn.NewAPIKey{Name: "CI", Scopes: posthorn.Scopes()})
	if err != nil {
		t.Fatal(err)
	}
	for _, step := range []error{
		second(f.RevokeAPIKey(ctx, cli, who.Tenant.ID, k.ID)),
		second(f.RotateAPISecret(ctx, cli, who.Tenant.ID, posthorn.SecretRotation{Overlap: time.Hour, Own: integratorSecret})),
		second(f.RetireOldAPISecrets(ctx, cli, who.Tenant.ID)),
	} {
		if step != nil {
			t.Fatal(step)
		}
	}
	var actions []posthorn.Action
	for _, e := range f.store.audit {
		actions = append(actions, e.Action)
		raw, err := json.Marshal(e)
		if err != nil {
			t.Fatal(err)
		}
		for _, secret := range []string{goodPassword, newPassword, "new:", plainAPIKey, plainAPISecret, integratorSecret, "sealed"} {
			if bytes.Contains(raw, []byte(secret)) {
				t.Errorf("the entry of %s holds %q: %s", e.Action, secret, raw)
			}
		}
		if e.ID.IsZero() || e.TenantID != who.Tenant.ID || e.Subject == "" || e.Actor.Name == "" {
			t.Errorf("the entry of %s lacks something: %+v", e.Action, e)
		}
	}
	want := []posthorn.Action{
		"tenant.created", "user.created", "api_key.created", "api_secret.revealed", "user.profile_updated", "user.preferences_updated",
		"user.password_changed", "user.password_reset", "session.signed_out_everywhere", "user.created", "api_key.created",
		"api_key.revoked", "api_secret.rotated", "api_secret.retired",
	}
	if diff := cmp.Diff(want, actions); diff != "" {
		t.Errorf("actions (-want +got):\n%s", diff)
	}
}

func second[T any](_ T, err error) error { return err }

func TestPreferencesTakeKnownThemesAndTimeZonesOnly(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		theme posthorn.Theme
		zone  string
		bad   []string
	}{
		"both known":           {posthorn.ThemeLight, "America/New_York", nil},
		"UTC":                  {posthorn.ThemeDark, "UTC", nil},
		"theme unknown":        {"pink", "UTC", []string{posthorn.FieldTheme}},
		"zone unknown":         {posthorn.ThemeDark, "Mars/Olympus", []string{posthorn.FieldTimeZone}},
		"zone empty":           {posthorn.ThemeDark, "", []string{posthorn.FieldTimeZone}},
		"zone of the server":   {posthorn.ThemeDark, "Local", []string{posthorn.FieldTimeZone}},
		"zone that is a path":  {posthorn.ThemeDark, "../../etc/passwd", []string{posthorn.FieldTimeZone}},
		"theme and zone wrong": {"", "nowhere", []string{posthorn.FieldTheme, posthorn.FieldTimeZone}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			f := newAccounts(t)
			who := f.withOwner(t)
			err := f.UpdatePreferences(t.Context(), who, c.theme, c.zone)
			if c.bad != nil {
				wantKind(t, err, posthorn.Invalid, c.bad...)
				return
			}
			if u := f.store.users[0].User; err != nil || u.Theme != c.theme || u.TimeZone != c.zone {
				t.Errorf("stored %s, %s, error %v", u.Theme, u.TimeZone, err)
			}
		})
	}
}

func TestWhatDoesNotChangeIsNotAudited(t *testing.T) {
	t.Parallel()
	f := newAccounts(t)
	who := f.withOwner(t)
	before := len(f.store.audit)
	if err := f.UpdateProfile(t.Context(), who, who.User.Name); err != nil {
		t.Fatal(err)
	}
	if err := f.UpdatePreferences(t.Context(), who, who.User.Theme, who.User.TimeZone); err != nil {
		t.Fatal(err)
	}
	if n := len(f.store.audit) - before; n != 0 {
		t.Errorf("%d entries were written", n)
	}
}

func TestAPIKeysHaveKnownScopesOnceAndAFutureExpiry(t *testing.T) {
	t.Parallel()
	future := time.Now().Add(time.Hour)
	for name, c := range map[string]struct {
		name    string
		scopes  []posthorn.Scope
		expires time.Time
		want    []posthorn.Scope
		bad     []string
	}{
		"one scope":         {"CI", []posthorn.Scope{"publish"}, time.Time{}, []posthorn.Scope{"publish"}, nil},
		"twice and mixed":   {"CI", []posthorn.Scope{"write", "read", "write"}, future, []posthorn.Scope{"read", "write"}, nil},
		"no scope":          {"CI", nil, future, nil, []string{posthorn.FieldScopes}},
		"unknown scope":     {"CI", []posthorn.Scope{"read", "admin"}, future, nil, []string{posthorn.FieldScopes}},
		"expired at birth":  {"CI", []posthorn.Scope{"read"}, time.Now(), nil, []string{posthorn.FieldExpiresAt}},
		"nothing but wrong": {"", nil, time.Now(), nil, []string{posthorn.FieldName, posthorn.FieldScopes, posthorn.FieldExpiresAt}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			f := newAccounts(t)
			who := f.withOwner(t)
			k, err := f.CreateAPIKey(t.Context(), who.User.Actor(""), who.Tenant.ID, posthorn.NewAPIKey{
				Name: c.name, Scopes: c.scopes, ExpiresAt: c.expires,
			})
			if c.bad != nil {
				wantKind(t, err, posthorn.Invalid, c.bad...)
				return
			}
			if err != nil || k.Plain != plainAPIKey || !slices.Equal(k.Scopes, c.want) || !k.ExpiresAt.Equal(c.expires) || k.CreatedBy != who.User.ID {
				t.Errorf("key %+v, error %v", k, err)
			}
			if diff := cmp.Diff(f.store.keys[0], k.APIKey); diff != "" {
				t.Errorf("stored and returned differ: %s", diff)
			}
		})
	}
	f := newAccounts(t)
	_, err := f.CreateAPIKey(t.Context(), posthorn.CommandLine(), posthorn.NewTenantID(), posthorn.NewAPIKey{Name: "CI", Scopes: posthorn.Scopes()})
	wantKind(t, err, posthorn.NotFound)
}
