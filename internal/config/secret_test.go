package config

import (
	"bytes"
	"encoding/json"
	"fmt"
	"log/slog"
	"strings"
	"testing"
)

func TestNoWayOfPrintingShowsASecret(t *testing.T) {
	t.Parallel()
	secret := NewSecret("hunter2")
	cfg := mustLoad(t, "DATABASE_URL=postgres://u:hunter2@db/x", "ACTIVITY_WEBHOOK_SECRET=hunter2",
		"POSTHORN_ADMIN_EMAIL=ada@example.com", "POSTHORN_ADMIN_PASSWORD=hunter2hunter2x")
	values := []any{
		secret, &secret,
		[]Secret{secret},
		map[string]Secret{"s": secret},
		cfg, *cfg,
		struct{ S Secret }{secret},
		struct{ s Secret }{secret},
		&struct{ s Secret }{secret},
		IngestSecret{Secret: secret},
		struct{ c *Config }{cfg},
		struct{ c Config }{*cfg},
	}
	var out bytes.Buffer
	for _, value := range values {
		for _, verb := range []string{"%v", "%+v", "%#v", "%s", "%q", "%x", "%X", "%d", "%t", "%20s", "%T", "%!"} {
			fmt.Fprintf(&out, verb+"\n", value)
		}
		fmt.Fprintln(&out, value)
		for _, handler := range []slog.Handler{slog.NewTextHandler(&out, nil), slog.NewJSONHandler(&out, nil)} {
			slog.New(handler).Info("x", slog.Any("value", value))
		}
		text, err := json.MarshalIndent(value, "", " ")
		if err != nil {
			t.Fatalf("marshal %T: %v", value, err)
		}
		out.Write(text)
	}
	for _, leak := range []string{"hunter", "68756e74", "104 117 110", "0x68"} {
		if strings.Contains(strings.ToLower(out.String()), leak) {
			t.Errorf("shows the secret as %q:\n%s", leak, out.String())
		}
	}
}

func TestASecretPrintsAsRedactedInEveryForm(t *testing.T) {
	t.Parallel()
	secret := NewSecret("hunter2")
	for _, verb := range []string{"%v", "%+v", "%#v", "%s", "%q", "%x", "%d"} {
		if got := fmt.Sprintf(verb, secret); got != "[redacted]" {
			t.Errorf("%s: %s", verb, got)
		}
	}
	text, err := json.Marshal(map[string]any{"set": secret, "unset": Secret{}})
	if want := `{"set":"[redacted]","unset":""}`; err != nil || string(text) != want {
		t.Errorf("json: %s, %v; want %s", text, err, want)
	}
	var out bytes.Buffer
	slog.New(slog.NewJSONHandler(&out, nil)).Info("x", slog.Any("secret", secret))
	if !strings.Contains(out.String(), `"secret":"[redacted]"`) {
		t.Errorf("slog: %s", out.String())
	}
}

func TestASecretIsRevealedOnlyOnRequest(t *testing.T) {
	t.Parallel()
	set, unset := NewSecret("hunter2"), NewSecret("")
	if !set.IsSet() || set.Reveal() != "hunter2" || set.String() != "[redacted]" {
		t.Errorf("set: %v, %q, %q", set.IsSet(), set.Reveal(), set.String())
	}
	if unset.IsSet() || unset.Reveal() != "" || unset.String() != "" || unset != (Secret{}) {
		t.Errorf("unset: %v, %q, %q", unset.IsSet(), unset.Reveal(), unset.String())
	}
	if !set.Equal(NewSecret("hunter2")) || set.Equal(NewSecret("hunter3")) || set.Equal(unset) || !unset.Equal(Secret{}) {
		t.Error("Equal does not compare what is kept")
	}
}
