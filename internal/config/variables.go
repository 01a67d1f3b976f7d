package config

import (
	"cmp"
	"fmt"
	"net/url"
	"slices"
	"strings"
)

// Variable documents one environment variable.
type Variable struct {
	Name string
	// Default is what holds when the variable is unset, as a value or in words;
	// empty when nothing does.
	Default string
	// Expects says what a value must be, in words that follow "must be".
	Expects string
	// Meaning is one sentence for the documentation.
	Meaning string
	// Secret tells that the value must not be shown.
	Secret bool

	derived bool // Default is words, not a value
}

// Names of the variables that the code refers to.
const (
	varAddr                  = "POSTHORN_ADDR"
	varDatabaseURL           = "DATABASE_URL"
	varDataDir               = "POSTHORN_DATA_DIR"
	varBaseURL               = "POSTHORN_BASE_URL"
	varEnv                   = "POSTHORN_ENV"
	varSecretKey             = "POSTHORN_SECRET_KEY"
	varIngestSecret          = "ACTIVITY_WEBHOOK_SECRET"
	varTrustedProxies        = "POSTHORN_TRUSTED_PROXIES"
	varAllowHTTPTargets      = "POSTHORN_ALLOW_HTTP_TARGETS"
	varAllowTargetCIDRs      = "POSTHORN_ALLOW_TARGET_CIDRS"
	varAPIRate               = "POSTHORN_API_RATE"
	varAPIBurst              = "POSTHORN_API_BURST"
	varRetentionDays         = "POSTHORN_RETENTION_DAYS"
	varActivityRetentionDays = "POSTHORN_ACTIVITY_RETENTION_DAYS"
	varAdminEmail            = "POSTHORN_ADMIN_EMAIL"
	varAdminPassword         = "POSTHORN_ADMIN_PASSWORD" //nolint:gosec // G101: a name, not a password
	varMetricsToken          = "POSTHORN_METRICS_TOKEN"  //nolint:gosec // G101: a name, not a token
	varLogFormat             = "POSTHORN_LOG_FORMAT"

	ownPrefix = "POSTHORN_"
)

const (
	maxRetentionDays         = 3650
	maxActivityRetentionDays = 36500
	// maxRequests bounds the limits of the API.
	maxRequests = 1_000_000
)

const generatedDefault = "generated in development, required in production"

// variables is the single source of what can be configured.
var variables = []Variable{
	{
		Name: varAddr, Default: ":8090",
		Expects: "host:port or :port, as in :8090 or 127.0.0.1:8090",
		Meaning: "Where the server listens.",
	},
	{
		Name: varDatabaseURL, Default: "a private PostgreSQL in the data folder", derived: true, Secret: true,
		Expects: "a PostgreSQL URL, as in postgres://user@host:5432/name, or a keyword string, as in host=… dbname=…",
		Meaning: "The PostgreSQL to use.",
	},
	{
		Name: varDataDir, Default: "var",
		Expects: "a folder",
		Meaning: "Folder of the private PostgreSQL and of generated secrets.",
	},
	{
		Name: varBaseURL, Default: "http://localhost:<port of POSTHORN_ADDR>", derived: true,
		Expects: "scheme and host, as in https://posthorn.example.com",
		Meaning: "How browsers reach the dashboard; links are made with it.",
	},
	{
		Name: varEnv, Default: string(Development),
		Expects: "development or production",
		Meaning: "Development makes do with what is missing; production insists on secrets.",
	},
	{
		Name: varSecretKey, Default: generatedDefault, derived: true, Secret: true,
		Expects: "one or several base64 keys of 32 bytes, separated by commas (openssl rand -base64 32 makes one)",
		Meaning: "Keys that encrypt stored secrets and cookies; the first encrypts, all decrypt.",
	},
	{
		Name: varIngestSecret, Default: generatedDefault, derived: true, Secret: true,
		Expects: "one or several secrets, separated by commas, each plain or as tenant_…:secret (openssl rand -hex 32 makes one)",
		Meaning: "Shared secrets of the activity ingest; one without a tenant writes to the first tenant.",
	},
	{
		Name:    varTrustedProxies,
		Expects: "networks or addresses, separated by commas, as in 10.0.0.0/8, 192.0.2.7",
		Meaning: "Proxies whose forwarded address and scheme are believed.",
	},
	{
		Name: varAllowHTTPTargets, Default: "false",
		Expects: "true or false",
		Meaning: "Allow webhooks with plain http, for development.",
	},
	{
		Name:    varAllowTargetCIDRs,
		Expects: "networks or addresses, separated by commas, as in 10.0.0.0/8, 192.0.2.7",
		Meaning: "Networks that webhooks may lead to although they are not public.",
	},
	{
		Name: varAPIRate, Default: "100",
		Expects: fmt.Sprintf("a whole number of requests a minute from 1 to %d", maxRequests),
		Meaning: "Requests a minute that the programs of a tenant may make; publishing does not count.",
	},
	{
		Name: varAPIBurst, Default: "100",
		Expects: fmt.Sprintf("a whole number of requests from 1 to %d", maxRequests),
		Meaning: "Requests that the programs of a tenant may make at once.",
	},
	{
		Name: varRetentionDays, Default: "30",
		Expects: fmt.Sprintf("a whole number of days from 1 to %d", maxRetentionDays),
		Meaning: "Days for which deliveries and events are kept.",
	},
	{
		Name: varActivityRetentionDays, Default: "0",
		Expects: fmt.Sprintf("a whole number of days from 1 to %d, or 0 for ever", maxActivityRetentionDays),
		Meaning: "Days for which activity is kept; 0 keeps it for ever.",
	},
	{
		Name:    varAdminEmail,
		Expects: "an email address",
		Meaning: "Email address of the first owner, created at the first start.",
	},
	{
		Name: varAdminPassword, Secret: true,
		Expects: "a password",
		Meaning: "Password of the first owner.",
	},
	{
		Name: varMetricsToken, Secret: true,
		Expects: "a token",
		Meaning: "Bearer token with which others than this machine may read /metrics.",
	},
	{
		Name: varLogFormat, Default: "text in development, json in production", derived: true,
		Expects: "text or json",
		Meaning: "How log lines are written.",
	},
}

// Variables returns the documentation of every variable, in the order in which they
// are shown.
func Variables() []Variable { return slices.Clone(variables) }

// position returns the index of a variable in the table, which has to have it.
func position(name string) int {
	i := slices.IndexFunc(variables, func(v Variable) bool { return v.Name == name })
	if i < 0 {
		panic("config: no variable " + name)
	}
	return i
}

func expects(name string) string { return variables[position(name)].Expects }

// warnings looks for what is allowed and yet probably a mistake.
func warnings(c *Config, all map[string]string) []string {
	var found []string
	for name := range all {
		if strings.HasPrefix(name, ownPrefix) && !slices.Contains(names(), name) {
			found = append(found, unknown(name))
		}
	}
	slices.Sort(found)
	if c.Env != Production {
		return found
	}
	base, err := url.Parse(c.BaseURL)
	if err == nil && base.Scheme != "https" {
		found = append(found, fmt.Sprintf("%s is %s: in production browsers should reach the dashboard over https", varBaseURL, c.BaseURL))
	}
	for i, s := range c.IngestSecrets {
		if len(s.Secret.Reveal()) < minIngestSecret {
			found = append(found, fmt.Sprintf("%s: secret %d has fewer than %d characters and can be guessed", varIngestSecret, i+1, minIngestSecret))
		}
	}
	return found
}

// minIngestSecret is the length in bytes below which a shared secret is worth a
// warning in production.
const minIngestSecret = 16

// names returns every name that is known.
func names() []string {
	var known []string
	for _, v := range variables {
		known = append(known, v.Name)
	}
	return known
}

// unknown says that nothing reads the variable, and which one may have been meant.
func unknown(name string) string {
	line := name + " is not a variable of Posthorn"
	known := names()
	// DATABASE_URL and its like have no prefix, and are easily given one.
	if bare := strings.TrimPrefix(name, ownPrefix); slices.Contains(known, bare) {
		return line + ", did you mean " + bare + "?"
	}
	nearest := slices.MinFunc(known, func(a, b string) int {
		return cmp.Or(cmp.Compare(distance(name, a), distance(name, b)), cmp.Compare(a, b))
	})
	// Further away than a third of the name it is another word.
	if distance(name, nearest) <= max(2, (len(name)-len(ownPrefix))/3) {
		return line + ", did you mean " + nearest + "?"
	}
	return line
}

// distance is the Levenshtein distance: how many bytes to insert, delete or replace.
func distance(a, b string) int {
	row := make([]int, len(b)+1)
	for j := range row {
		row[j] = j
	}
	for i := range len(a) {
		diagonal := row[0]
		row[0] = i + 1
		for j := range len(b) {
			replace := diagonal
			if a[i] != b[j] {
				replace++
			}
			diagonal = row[j+1]
			row[j+1] = min(replace, row[j]+1, row[j+1]+1)
		}
	}
	return row[len(b)]
}
