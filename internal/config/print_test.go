package config

import (
	"errors"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func printed(t *testing.T, c *Config) string {
	t.Helper()
	var out strings.Builder
	if err := c.Print(&out); err != nil {
		t.Fatalf("Print: %v", err)
	}
	return out.String()
}

func TestPrintShowsValuesAndWhereTheyCameFrom(t *testing.T) {
	t.Parallel()
	c := mustLoad(t, "POSTHORN_ADDR=:9000", "DATABASE_URL=postgres://posthorn:hunter2@db:5432/posthorn?sslpassword=hunter2",
		"POSTHORN_SECRET_KEY="+keyA+","+keyB, "ACTIVITY_WEBHOOK_SECRET=hunter2,"+tenant+":hunter3",
		"POSTHORN_TRUSTED_PROXIES=10.0.0.0/8,::1", "POSTHORN_ADMIN_EMAIL=ada@example.com", "POSTHORN_ADMIN_PASSWORD="+strong,
		"POSTHORN_ALLOW_HTTP_TARGETS=true", "POSTHORN_ALLOW_TARGET_CIDRS=10.1.2.3/16", "POSTHORN_METRICS_TOKEN=hunter4")
	want := strings.TrimLeft(`
VARIABLE                          VALUE                                                        FROM
POSTHORN_ADDR                     :9000                                                        environment
DATABASE_URL                      postgres://posthorn:[redacted]@db:5432/posthorn              environment
POSTHORN_DATA_DIR                 var                                                          default
POSTHORN_BASE_URL                 http://localhost:9000                                        default
POSTHORN_ENV                      development                                                  default
POSTHORN_SECRET_KEY               [redacted] (2 keys)                                          environment
ACTIVITY_WEBHOOK_SECRET           [redacted],tenant_0aZ0aZ0aZ0aZ0aZ0aZ0aZ0:[redacted]          environment
POSTHORN_TRUSTED_PROXIES          10.0.0.0/8,::1/128                                           environment
POSTHORN_ALLOW_HTTP_TARGETS       true                                                         environment
POSTHORN_ALLOW_TARGET_CIDRS       10.1.0.0/16                                                  environment
POSTHORN_API_RATE                 100                                                          default
POSTHORN_API_BURST                100                                                          default
POSTHORN_RETENTION_DAYS           30                                                           default
POSTHORN_ACTIVITY_RETENTION_DAYS  0                                                            default
POSTHORN_ADMIN_EMAIL              ada@example.com                                              environment
POSTHORN_ADMIN_PASSWORD           [redacted]                                                   environment
POSTHORN_METRICS_TOKEN            [redacted]                                                   environment
POSTHORN_LOG_FORMAT               text                                                         default
`, "\n")
	if diff := cmp.Diff(columns(want), columns(printed(t, c))); diff != "" {
		t.Error(diff)
	}
}

// columns makes the width of columns irrelevant.
func columns(table string) [][]string {
	var rows [][]string
	for line := range strings.Lines(table) {
		rows = append(rows, strings.Fields(line))
	}
	return rows
}

func TestPrintSaysWhatIsGenerated(t *testing.T) {
	t.Parallel()
	c := mustLoad(t, "POSTHORN_DATA_DIR="+t.TempDir())
	before := printed(t, c)
	for _, want := range []string{
		"DATABASE_URL (a private PostgreSQL in the data folder) default", "POSTHORN_ADMIN_EMAIL (none) default",
		"POSTHORN_SECRET_KEY (generated at the first start) generated", "ACTIVITY_WEBHOOK_SECRET (generated at the first start) generated",
	} {
		if !containsRow(before, want) {
			t.Errorf("no row %q in\n%s", want, before)
		}
	}
	if err := c.EnsureSecrets(); err != nil {
		t.Fatal(err)
	}
	after := printed(t, c)
	for _, want := range []string{"POSTHORN_SECRET_KEY [redacted] generated", "ACTIVITY_WEBHOOK_SECRET [redacted] generated"} {
		if !containsRow(after, want) {
			t.Errorf("no row %q in\n%s", want, after)
		}
	}
}

func containsRow(table, row string) bool {
	for _, fields := range columns(table) {
		if strings.Join(fields, " ") == row {
			return true
		}
	}
	return false
}

func TestPrintKeepsOfADatabaseOnlyWhatIsNoSecret(t *testing.T) {
	t.Parallel()
	for url, want := range map[string]string{
		"postgres://db/posthorn":                     "postgres://db/posthorn",
		"postgresql://ada@db/posthorn":               "postgresql://ada@db/posthorn",
		"postgres://ada:hunter2@db":                  "postgres://ada:[redacted]@db",
		"postgres:///posthorn?password=hunter2":      "[redacted]",
		"host=db user=ada password=hunter2 dbname=x": "[redacted]",
	} {
		if got := mustLoad(t, "DATABASE_URL="+url).shownDatabase(); got != want {
			t.Errorf("%s: %s, want %s", url, got, want)
		}
	}
}

type brokenWriter struct{}

var errBroken = errors.New("broken pipe")

func (brokenWriter) Write([]byte) (int, error) { return 0, errBroken }

func TestPrintReportsAFailedWrite(t *testing.T) {
	t.Parallel()
	if err := mustLoad(t).Print(brokenWriter{}); !errors.Is(err, errBroken) {
		t.Errorf("Print = %v, want the writer's error", err)
	}
}
