package config

import (
	"bytes"
	"encoding/base64"
	"errors"
	"net/netip"
	"reflect"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
)

var (
	keyA = base64.StdEncoding.EncodeToString(bytes.Repeat([]byte{1}, 32))
	keyB = base64.RawURLEncoding.EncodeToString(bytes.Repeat([]byte{0xfb}, 32))
)

const (
	tenant = "tenant_0aZ0aZ0aZ0aZ0aZ0aZ0aZ0"
	strong = "quite a long phrase"
)

func mustLoad(tb testing.TB, environ ...string) *Config {
	tb.Helper()
	c, err := Load(environ)
	if err != nil {
		tb.Fatalf("Load: %v", err)
	}
	return c
}

func faultsOf(tb testing.TB, environ ...string) []string {
	tb.Helper()
	c, err := Load(environ)
	if err == nil {
		return nil
	}
	if c != nil {
		tb.Error("a config beside an error")
	}
	if _, ok := errors.AsType[*InvalidError](err); !ok {
		tb.Fatalf("Load = %v, want an InvalidError", err)
	}
	return strings.Split(err.Error(), "\n")
}

var ignoreInner = cmpopts.IgnoreUnexported(Config{})

func comparePrefixes(a, b netip.Prefix) bool { return a == b }

func TestAnEmptyEnvironmentIsDevelopmentWithDefaults(t *testing.T) {
	t.Parallel()
	want := &Config{
		Addr: ":8090", DataDir: "var", BaseURL: "http://localhost:8090", Env: Development,
		APIRate: 100, APIBurst: 100, RetentionDays: 30, LogFormat: LogText,
	}
	for name, environ := range map[string][]string{
		"unset":                 nil,
		"blank counts as unset": {"POSTHORN_ADDR=", "POSTHORN_ENV= ", "POSTHORN_RETENTION_DAYS=", "ACTIVITY_WEBHOOK_SECRET= ", "DATABASE_URL=", "POSTHORN_ADMIN_PASSWORD="},
	} {
		c := mustLoad(t, environ...)
		if diff := cmp.Diff(want, c, ignoreInner); diff != "" {
			t.Errorf("%s: %s", name, diff)
		}
		if w := c.Warnings(); len(w) != 0 {
			t.Errorf("%s: warnings %q", name, w)
		}
	}
}

func TestEveryVariableIsRead(t *testing.T) {
	t.Parallel()
	c := mustLoad(t,
		"POSTHORN_ADDR=10.1.2.3:9000", "DATABASE_URL=postgres://u:p@db/posthorn", "POSTHORN_DATA_DIR=/srv/posthorn",
		"POSTHORN_BASE_URL=https://Hooks.Example.com/", "POSTHORN_ENV=production", "POSTHORN_SECRET_KEY="+keyA+", "+keyB,
		"ACTIVITY_WEBHOOK_SECRET=first-secret-of-all , "+tenant+":second:with:colons", "POSTHORN_TRUSTED_PROXIES=10.0.0.0/8,192.0.2.7",
		"POSTHORN_RETENTION_DAYS=7", "POSTHORN_ACTIVITY_RETENTION_DAYS=36500", "POSTHORN_ADMIN_EMAIL=ada@example.com",
		"POSTHORN_ADMIN_PASSWORD= "+strong+" ", "POSTHORN_LOG_FORMAT=text", "HOME=/root", "POSTHORN_API_RATE=5", "POSTHORN_API_BURST=1000000",
	)
	want := &Config{
		Addr: "10.1.2.3:9000", DatabaseURL: NewSecret("postgres://u:p@db/posthorn"), DataDir: "/srv/posthorn",
		BaseURL: "https://hooks.example.com", Env: Production, SecretKey: NewSecret(keyA + ", " + keyB),
		IngestSecrets:  []IngestSecret{{Secret: NewSecret("first-secret-of-all")}, {Tenant: tenant, Secret: NewSecret("second:with:colons")}},
		TrustedProxies: []netip.Prefix{netip.MustParsePrefix("10.0.0.0/8"), netip.MustParsePrefix("192.0.2.7/32")},
		APIRate:        5, APIBurst: 1_000_000, RetentionDays: 7, ActivityRetentionDays: 36500, AdminEmail: "ada@example.com",
		AdminPassword: NewSecret(" " + strong + " "), LogFormat: LogText,
	}
	if diff := cmp.Diff(want, c, ignoreInner, cmp.Comparer(comparePrefixes)); diff != "" {
		t.Error(diff)
	}
	keys, err := c.EncryptionKeys()
	if err != nil || len(keys) != 2 || keys[0][0] != 1 || keys[1][0] != 0xfb {
		t.Errorf("EncryptionKeys = %d keys, %v", len(keys), err)
	}
}

func TestProductionLogsJSONUnlessToldOtherwise(t *testing.T) {
	t.Parallel()
	production := []string{"POSTHORN_ENV=production", "POSTHORN_SECRET_KEY=" + keyA, "ACTIVITY_WEBHOOK_SECRET=x"}
	if got := mustLoad(t, production...).LogFormat; got != LogJSON {
		t.Errorf("production: %s", got)
	}
	if got := mustLoad(t, append(production, "POSTHORN_LOG_FORMAT=text")...).LogFormat; got != LogText {
		t.Errorf("production with text: %s", got)
	}
	if got := mustLoad(t, "POSTHORN_LOG_FORMAT=json").LogFormat; got != LogJSON {
		t.Errorf("development with json: %s", got)
	}
}

func TestTheBaseURLFollowsTheAddress(t *testing.T) {
	t.Parallel()
	for addr, want := range map[string]string{
		":8090": "http://localhost:8090", "0.0.0.0:81": "http://localhost:81", "[::]:81": "http://localhost:81",
		"127.0.0.1:9000": "http://localhost:9000", "[::1]:9000": "http://localhost:9000", "localhost:9000": "http://localhost:9000",
		":80": "http://localhost", "10.0.0.5:9000": "http://10.0.0.5:9000", "[fd00::5]:9000": "http://[fd00::5]:9000",
		"[fd00::5]:80": "http://[fd00::5]", "posthorn.internal:80": "http://posthorn.internal",
	} {
		if got := mustLoad(t, "POSTHORN_ADDR="+addr).BaseURL; got != want {
			t.Errorf("%s: %s, want %s", addr, got, want)
		}
	}
}

func TestTrustedProxiesAreNetworksInTheirShortestForm(t *testing.T) {
	t.Parallel()
	for in, want := range map[string]string{
		"10.1.2.3/8": "10.0.0.0/8", "192.0.2.7": "192.0.2.7/32", "::1": "::1/128", "fd00::1/8": "fd00::/8",
		"::ffff:10.0.0.1": "10.0.0.1/32", "::ffff:10.0.0.0/104": "10.0.0.0/8", "fe80::1%eth0": "fe80::1/128", "::/0": "::/0",
	} {
		got := mustLoad(t, "POSTHORN_TRUSTED_PROXIES="+in).TrustedProxies
		if len(got) != 1 || got[0].String() != want {
			t.Errorf("%s: %v, want %s", in, got, want)
		}
	}
}

func TestAWrongValueIsOneLineThatSaysWhatIsExpected(t *testing.T) {
	t.Parallel()
	const (
		addr      = "POSTHORN_ADDR must be host:port or :port, as in :8090 or 127.0.0.1:8090"
		base      = "POSTHORN_BASE_URL must be scheme and host, as in https://posthorn.example.com"
		ingest    = "ACTIVITY_WEBHOOK_SECRET must be one or several secrets, separated by commas, each plain or as tenant_…:secret (openssl rand -hex 32 makes one): "
		key       = "POSTHORN_SECRET_KEY must be one or several base64 keys of 32 bytes, separated by commas (openssl rand -base64 32 makes one): "
		proxies   = "POSTHORN_TRUSTED_PROXIES must be networks or addresses, separated by commas, as in 10.0.0.0/8, 192.0.2.7: "
		retention = "POSTHORN_RETENTION_DAYS must be a whole number of days from 1 to 3650; it is "
		activity  = "POSTHORN_ACTIVITY_RETENTION_DAYS must be a whole number of days from 1 to 36500, or 0 for ever; it is "
		rate      = "POSTHORN_API_RATE must be a whole number of requests a minute from 1 to 1000000; it is "
		burst     = "POSTHORN_API_BURST must be a whole number of requests from 1 to 1000000; it is "
		database  = "DATABASE_URL must be a PostgreSQL URL, as in postgres://user@host:5432/name, or a keyword string, as in host=… dbname=…"
	)
	tests := map[string]string{
		"POSTHORN_ADDR=8090":                                            addr + `; it is "8090"`,
		"POSTHORN_ADDR=localhost":                                       addr + `; it is "localhost"`,
		"POSTHORN_ADDR=:http":                                           addr + `; it is ":http"`,
		"POSTHORN_ADDR=:65536":                                          addr + `; it is ":65536"`,
		"POSTHORN_ADDR=:-1":                                             addr + `; it is ":-1"`,
		"POSTHORN_ADDR=http://x:80":                                     addr + `; it is "http://x:80"`,
		"POSTHORN_ADDR=//x:80":                                          addr + `; it is "//x:80"`,
		"POSTHORN_BASE_URL=example.com":                                 base,
		"POSTHORN_BASE_URL=https://":                                    base,
		"POSTHORN_BASE_URL=https://:8090":                               base,
		"POSTHORN_BASE_URL=http://[x":                                   base,
		"POSTHORN_BASE_URL=ftp://x":                                     base + ": the scheme is neither http nor https",
		"POSTHORN_BASE_URL=https://u:pw@x":                              base + ", without a user or password",
		"POSTHORN_BASE_URL=https://x/y":                                 base + ", without a path, query or fragment",
		"POSTHORN_BASE_URL=https://x/?":                                 base + ", without a path, query or fragment",
		"POSTHORN_BASE_URL=https://x?y":                                 base + ", without a path, query or fragment",
		"POSTHORN_BASE_URL=https://x#y":                                 base + ", without a path, query or fragment",
		"POSTHORN_ENV=prod":                                             `POSTHORN_ENV must be development or production; it is "prod"`,
		"POSTHORN_LOG_FORMAT=JSON":                                      `POSTHORN_LOG_FORMAT must be text or json; it is "JSON"`,
		"POSTHORN_API_RATE=0":                                           rate + `"0"`,
		"POSTHORN_API_RATE=100/m":                                       rate + `"100/m"`,
		"POSTHORN_API_BURST=-1":                                         burst + `"-1"`,
		"POSTHORN_API_BURST=1000001":                                    burst + `"1000001"`,
		"POSTHORN_RETENTION_DAYS=0":                                     retention + `"0"`,
		"POSTHORN_RETENTION_DAYS=3651":                                  retention + `"3651"`,
		"POSTHORN_RETENTION_DAYS=30d":                                   retention + `"30d"`,
		"POSTHORN_RETENTION_DAYS=99999999999999999999":                  retention + `"99999999999999999999"`,
		"POSTHORN_ACTIVITY_RETENTION_DAYS=-1":                           activity + `"-1"`,
		"POSTHORN_ACTIVITY_RETENTION_DAYS=36501":                        activity + `"36501"`,
		"POSTHORN_ACTIVITY_RETENTION_DAYS=1.5":                          activity + `"1.5"`,
		"POSTHORN_TRUSTED_PROXIES=10.0.0.0/33,::1,x":                    proxies + `"10.0.0.0/33" is neither, "x" is neither`,
		"POSTHORN_TRUSTED_PROXIES=10.0.0.1,":                            proxies + `"" is neither`,
		"DATABASE_URL=mysql://root:hunter2@db/x":                        database,
		"DATABASE_URL=hunter2":                                          database,
		"DATABASE_URL==hunter2":                                         database,
		"DATABASE_URL=postgres://u:hunter2%zz@db":                       database,
		"POSTHORN_SECRET_KEY=hunter2":                                   key + "key 1 is not base64",
		"POSTHORN_SECRET_KEY=" + keyA + ",aHVudGVyMg==":                 key + "key 2 has 7 bytes, not 32",
		"POSTHORN_SECRET_KEY=" + keyA + "," + keyA:                      key + "key 2 repeats key 1",
		"ACTIVITY_WEBHOOK_SECRET=a,,b":                                  ingest + "secret 2 is empty",
		"ACTIVITY_WEBHOOK_SECRET=a,b,a":                                 ingest + "secret 3 repeats secret 1",
		"ACTIVITY_WEBHOOK_SECRET=a," + tenant + ":a":                    ingest + "secret 2 repeats secret 1",
		"ACTIVITY_WEBHOOK_SECRET=" + tenant:                             ingest + "secret 1 starts like a tenant's id but has no secret after a colon",
		"ACTIVITY_WEBHOOK_SECRET=" + tenant + ": ":                      ingest + "secret 1 is empty",
		"ACTIVITY_WEBHOOK_SECRET=" + tenant + "x:hunter2":               ingest + "secret 1 has no tenant id (tenant_ and 22 letters or digits) before the colon",
		"ACTIVITY_WEBHOOK_SECRET=tenant_0aZ0aZ0aZ-aZ0aZ0aZ0aZ0:hunter2": ingest + "secret 1 has no tenant id (tenant_ and 22 letters or digits) before the colon",
		"ACTIVITY_WEBHOOK_SECRET=hünter2":                               ingest + "secret 1 has a character that is not printable ASCII",
		"ACTIVITY_WEBHOOK_SECRET=hunter\x002,x\ty,z\x7fz":               ingest + "secret 1 has a character that is not printable ASCII; secret 2 has a character that is not printable ASCII; secret 3 has a character that is not printable ASCII",
		"POSTHORN_ADMIN_EMAIL=ada@example.com":                          "POSTHORN_ADMIN_PASSWORD must be set together with POSTHORN_ADMIN_EMAIL",
		"POSTHORN_ADMIN_PASSWORD=hunter2":                               "POSTHORN_ADMIN_EMAIL must be set together with POSTHORN_ADMIN_PASSWORD",
	}
	for set, want := range tests {
		t.Run(set, func(t *testing.T) {
			t.Parallel()
			if diff := cmp.Diff([]string{want}, faultsOf(t, set)); diff != "" {
				t.Error(diff)
			}
		})
	}
}

func TestTheFirstOwnersAddressAndPasswordAreChecked(t *testing.T) {
	t.Parallel()
	tests := map[string]struct{ email, password, want string }{
		"fine":            {"ada@example.com", strong, ""},
		"no address":      {"ada", strong, `POSTHORN_ADMIN_EMAIL must be an email address; it is "ada"`},
		"a name with it":  {"Ada <ada@example.com>", strong, `POSTHORN_ADMIN_EMAIL must be an email address; it is "Ada <ada@example.com>"`},
		"short":           {"ada@example.com", "hunter2", "POSTHORN_ADMIN_PASSWORD must have at least 8 characters"},
		"common":          {"ada@example.com", "password123", "POSTHORN_ADMIN_PASSWORD is one of the most common passwords, choose another"},
		"the address too": {"ada@example.com", "ada@example.com", "POSTHORN_ADMIN_PASSWORD must not be the email address"},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			got := strings.Join(faultsOf(t, "POSTHORN_ADMIN_EMAIL="+tt.email, "POSTHORN_ADMIN_PASSWORD="+tt.password), "\n")
			if diff := cmp.Diff(tt.want, got); diff != "" {
				t.Error(diff)
			}
		})
	}
}

func TestEveryFaultIsReportedAtOnceInTheOrderOfTheTable(t *testing.T) {
	t.Parallel()
	got := faultsOf(t,
		"POSTHORN_LOG_FORMAT=xml", "POSTHORN_ADMIN_PASSWORD=hunter2", "POSTHORN_RETENTION_DAYS=x", "POSTHORN_TRUSTED_PROXIES=x",
		"POSTHORN_ENV=production", "POSTHORN_BASE_URL=x", "DATABASE_URL=hunter2", "POSTHORN_ADDR=x",
		"POSTHORN_ACTIVITY_RETENTION_DAYS=x", "POSTHORN_API_BURST=x", "POSTHORN_API_RATE=x",
	)
	var names []string
	for _, line := range got {
		name, _, _ := strings.Cut(line, " ")
		names = append(names, name)
	}
	want := []string{
		"POSTHORN_ADDR", "DATABASE_URL", "POSTHORN_BASE_URL", "POSTHORN_SECRET_KEY", "ACTIVITY_WEBHOOK_SECRET",
		"POSTHORN_TRUSTED_PROXIES", "POSTHORN_API_RATE", "POSTHORN_API_BURST", "POSTHORN_RETENTION_DAYS", "POSTHORN_ACTIVITY_RETENTION_DAYS", "POSTHORN_ADMIN_EMAIL", "POSTHORN_LOG_FORMAT",
	}
	if diff := cmp.Diff(want, names); diff != "" {
		t.Error(diff)
	}
}

func TestProductionInsistsOnSecrets(t *testing.T) {
	t.Parallel()
	want := []string{
		"POSTHORN_SECRET_KEY must be set in production, to one or several base64 keys of 32 bytes, separated by commas (openssl rand -base64 32 makes one)",
		"ACTIVITY_WEBHOOK_SECRET must be set in production, to one or several secrets, separated by commas, each plain or as tenant_…:secret (openssl rand -hex 32 makes one)",
	}
	if diff := cmp.Diff(want, faultsOf(t, "POSTHORN_ENV=production")); diff != "" {
		t.Error(diff)
	}
	if diff := cmp.Diff(want[1:], faultsOf(t, "POSTHORN_ENV=production", "POSTHORN_SECRET_KEY="+keyA)); diff != "" {
		t.Error(diff)
	}
}

func TestNoFaultShowsASecret(t *testing.T) {
	t.Parallel()
	for _, v := range Variables() {
		if !v.Secret {
			continue
		}
		for _, value := range []string{"hunter2", "hunter2\x00,hunter2", "postgres://u:hunter2%zz@h", "tenant_hunter2:hunter2"} {
			if got := strings.Join(faultsOf(t, v.Name+"="+value, "POSTHORN_ENV=production"), "\n"); strings.Contains(got, "hunter2") {
				t.Errorf("%s=%q: %s", v.Name, value, got)
			}
		}
	}
	if got := strings.Join(faultsOf(t, "POSTHORN_BASE_URL=ftp://u:hunter2@h/%zz"), "\n"); strings.Contains(got, "hunter2") {
		t.Error(got)
	}
}

func TestTheTableAndTheStructNameTheSameVariables(t *testing.T) {
	t.Parallel()
	var inStruct, inTable []string
	for field := range reflect.TypeFor[Config]().Fields() {
		if name := field.Tag.Get("env"); name != "" {
			inStruct = append(inStruct, name)
		}
		if _, has := field.Tag.Lookup("envDefault"); has {
			t.Errorf("%s has a default outside of the table", field.Name)
		}
	}
	for _, v := range Variables() {
		inTable = append(inTable, v.Name)
		if v.Meaning == "" || v.Expects == "" || !strings.HasSuffix(v.Meaning, ".") {
			t.Errorf("%s is not documented: %+v", v.Name, v)
		}
		isSecret := false
		for field := range reflect.TypeFor[Config]().Fields() {
			if field.Tag.Get("env") == v.Name {
				isSecret = field.Type == reflect.TypeFor[Secret]() || field.Type == reflect.TypeFor[[]IngestSecret]()
			}
		}
		if isSecret != v.Secret {
			t.Errorf("%s: secret in the struct %v, in the table %v", v.Name, isSecret, v.Secret)
		}
	}
	if diff := cmp.Diff(inTable, inStruct); diff != "" {
		t.Error(diff)
	}
	Variables()[0].Name = "changed"
	if Variables()[0].Name != "POSTHORN_ADDR" {
		t.Error("a caller can change the table")
	}
}

func TestUnknownVariablesAreNamedWithWhatWasProbablyMeant(t *testing.T) {
	t.Parallel()
	tests := map[string][]string{
		"POSTHORN_ADRR=:1":                       {"POSTHORN_ADRR is not a variable of Posthorn, did you mean POSTHORN_ADDR?"},
		"POSTHORN_SECRET_KEYS=hunter2":           {"POSTHORN_SECRET_KEYS is not a variable of Posthorn, did you mean POSTHORN_SECRET_KEY?"},
		"POSTHORN_SECRETKEY=hunter2":             {"POSTHORN_SECRETKEY is not a variable of Posthorn, did you mean POSTHORN_SECRET_KEY?"},
		"POSTHORN_DATABASE_URL=x":                {"POSTHORN_DATABASE_URL is not a variable of Posthorn, did you mean DATABASE_URL?"},
		"POSTHORN_ACTIVITY_WEBHOOK_SECRET=x":     {"POSTHORN_ACTIVITY_WEBHOOK_SECRET is not a variable of Posthorn, did you mean ACTIVITY_WEBHOOK_SECRET?"},
		"POSTHORN_METRIC_TOKEN=x":                {"POSTHORN_METRIC_TOKEN is not a variable of Posthorn, did you mean POSTHORN_METRICS_TOKEN?"},
		"POSTHORN_SOMETHING_ELSE_ALTOGETHER=x":   {"POSTHORN_SOMETHING_ELSE_ALTOGETHER is not a variable of Posthorn"},
		"POSTHORN_=x":                            {"POSTHORN_ is not a variable of Posthorn"},
		"SOMETHING_ELSE=x":                       nil,
		"POSTHORN_ALLOW_HTTP_TARGETS=true":       nil,
		"POSTHORN_ALLOW_TARGET_CIDRS=10.0.0.0/8": nil,
		"POSTHORN_API_RATE=1":                    nil,
		"POSTHORN_API_BURST=1":                   nil,
		"POSTHORN_METRICS_TOKEN=x":               nil,
		"POSTHORN_BASE_URL=http://plain.example": nil,
		"ACTIVITY_WEBHOOK_SECRET=short":          nil,
		"POSTHORN_ADMIN_EMAIL=":                  nil,
	}
	for set, want := range tests {
		if diff := cmp.Diff(want, mustLoad(t, set).Warnings()); diff != "" {
			t.Errorf("%s: %s", set, diff)
		}
	}
}

func TestProductionWarnsOfPlainHTTPAndGuessableSecrets(t *testing.T) {
	t.Parallel()
	c := mustLoad(t, "POSTHORN_ENV=production", "POSTHORN_SECRET_KEY="+keyA, "ACTIVITY_WEBHOOK_SECRET=sixteen-is-enough,hunter2", "POSTHORN_ZZZ=1")
	want := []string{
		"POSTHORN_ZZZ is not a variable of Posthorn",
		"POSTHORN_BASE_URL is http://localhost:8090: in production browsers should reach the dashboard over https",
		"ACTIVITY_WEBHOOK_SECRET: secret 2 has fewer than 16 characters and can be guessed",
	}
	if diff := cmp.Diff(want, c.Warnings()); diff != "" {
		t.Error(diff)
	}
}

func TestDistanceCountsEdits(t *testing.T) {
	t.Parallel()
	for pair, want := range map[[2]string]int{
		{"", ""}: 0, {"", "abc"}: 3, {"abc", ""}: 3, {"abc", "abc"}: 0, {"kitten", "sitting"}: 3, {"flaw", "lawn"}: 2,
	} {
		if got := distance(pair[0], pair[1]); got != want {
			t.Errorf("%q: %d, want %d", pair, got, want)
		}
	}
}

func FuzzLoadReportsOneLineForEachVariable(f *testing.F) {
	f.Add(":8090", "https://x", keyA, "a,"+tenant+":b", "10.0.0.0/8", "postgres://h", "30")
	f.Add("x\n", "%", ",", "\n", "1/2", "=", "-")
	f.Fuzz(func(t *testing.T, addr, base, key, ingest, proxies, database, days string) {
		_, err := Load([]string{
			"POSTHORN_ADDR=" + addr, "POSTHORN_BASE_URL=" + base, "POSTHORN_SECRET_KEY=" + key, "ACTIVITY_WEBHOOK_SECRET=" + ingest,
			"POSTHORN_TRUSTED_PROXIES=" + proxies, "DATABASE_URL=" + database, "POSTHORN_RETENTION_DAYS=" + days,
		})
		if err == nil {
			return
		}
		invalid, ok := errors.AsType[*InvalidError](err)
		if !ok {
			t.Fatal(err)
		}
		seen := map[string]bool{}
		for _, fault := range invalid.Faults {
			if seen[fault.Variable] || strings.ContainsAny(fault.String(), "\n\r") {
				t.Fatalf("not one line for each variable:\n%v", err)
			}
			seen[fault.Variable] = true
		}
	})
}
