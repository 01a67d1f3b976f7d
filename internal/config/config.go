// Package config is how Posthorn is set up: one struct, read from the environment,
// checked once, with every fault reported together.
//
// [Load] is pure: it reads the variables it is given and nothing else. In
// development [Config.EnsureSecrets] then makes the secrets that are missing and
// keeps them in the data folder; in production their absence is a fault.
//
// The table behind [Variables] is the only place where names, defaults and meanings
// stand. Fields find their variable by the env tag, and a test holds the two together.
package config

import (
	"cmp"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"reflect"
	"slices"
	"strings"

	"github.com/caarlos0/env/v11"

	"posthorn/internal/secretbox"
)

// Environment says what kind of place the process runs in.
type Environment string

// The environments. Development makes do with what is missing; production insists.
const (
	Development Environment = "development"
	Production  Environment = "production"
)

// LogFormat is how log lines are written.
type LogFormat string

// The log formats: for people and for machines.
const (
	LogText LogFormat = "text"
	LogJSON LogFormat = "json"
)

// IngestSecret is a secret that workers may present to the activity ingest.
type IngestSecret struct {
	// Tenant is the id of the tenant that the records are written to, "tenant_…";
	// empty stands for the first tenant.
	Tenant string
	Secret Secret
}

// Config is the whole configuration. Every field is valid once Load returned it.
type Config struct {
	// Addr is where to listen, as net.Listen takes it.
	Addr string `env:"POSTHORN_ADDR"`
	// DatabaseURL is a PostgreSQL URL or keyword string; unset means the private
	// PostgreSQL in DataDir. It is a secret because it usually holds a password.
	DatabaseURL Secret `env:"DATABASE_URL"`
	// DataDir is the folder of the private PostgreSQL and of generated secrets.
	DataDir string `env:"POSTHORN_DATA_DIR"`
	// BaseURL is scheme and host of the dashboard as browsers reach it, without a
	// slash at the end.
	BaseURL string      `env:"POSTHORN_BASE_URL"`
	Env     Environment `env:"POSTHORN_ENV"`
	// SecretKey holds the keys as configured; EncryptionKeys parses them.
	SecretKey Secret `env:"POSTHORN_SECRET_KEY"`
	// IngestSecrets are the secrets of the activity ingest, all distinct.
	IngestSecrets []IngestSecret `env:"ACTIVITY_WEBHOOK_SECRET"`
	// TrustedProxies are the networks whose forwarded address and scheme are
	// believed. IPv4 networks are never in IPv6 form.
	TrustedProxies []netip.Prefix `env:"POSTHORN_TRUSTED_PROXIES"`
	// AllowHTTPTargets lets webhooks have plain http, AllowTargetCIDRs lets them lead to networks that are not public.
	AllowHTTPTargets bool           `env:"POSTHORN_ALLOW_HTTP_TARGETS"`
	AllowTargetCIDRs []netip.Prefix `env:"POSTHORN_ALLOW_TARGET_CIDRS"`
	// APIRate is how many requests a minute the programs of a tenant may make, APIBurst how many at once, where the tenant has
	// no limits of its own.
	APIRate  int `env:"POSTHORN_API_RATE"`
	APIBurst int `env:"POSTHORN_API_BURST"`
	// RetentionDays is for how many days deliveries and events are kept.
	RetentionDays int `env:"POSTHORN_RETENTION_DAYS"`
	// ActivityRetentionDays is for how many days activity is kept, 0 for ever.
	ActivityRetentionDays int `env:"POSTHORN_ACTIVITY_RETENTION_DAYS"`
	// AdminEmail and AdminPassword create the first owner. Both are set or neither.
	AdminEmail    string `env:"POSTHORN_ADMIN_EMAIL"`
	AdminPassword Secret `env:"POSTHORN_ADMIN_PASSWORD"`
	// MetricsToken lets others than this machine read /metrics.
	MetricsToken Secret    `env:"POSTHORN_METRICS_TOKEN"`
	LogFormat    LogFormat `env:"POSTHORN_LOG_FORMAT"`

	origins  map[string]origin // by variable
	warnings []string
}

// Fault is one thing that is wrong with one variable.
type Fault struct {
	Variable string
	// Problem says what is wrong and what is expected instead, beginning with a
	// verb: "must be …". It never holds a secret.
	Problem string
}

func (f Fault) String() string { return f.Variable + " " + f.Problem }

// InvalidError is every fault of a configuration, in the order of [Variables].
type InvalidError struct {
	Faults []Fault
}

// Error returns one line for each fault.
func (e *InvalidError) Error() string {
	lines := make([]string, len(e.Faults))
	for i, f := range e.Faults {
		lines[i] = f.String()
	}
	return strings.Join(lines, "\n")
}

// Load reads the configuration from variables of the form "NAME=value", as
// os.Environ returns them. A variable that is set to nothing counts as unset. When
// anything is wrong the error is an [*InvalidError] with all of it.
func Load(environ []string) (*Config, error) {
	all := env.ToMap(environ)
	c := &Config{origins: map[string]origin{}}
	l := loader{config: c, values: map[string]string{}}
	l.collect(all)
	l.parse()
	l.check()
	if len(l.faults) > 0 {
		slices.SortStableFunc(l.faults, func(a, b Fault) int {
			return cmp.Compare(position(a.Variable), position(b.Variable))
		})
		return nil, &InvalidError{Faults: l.faults}
	}
	c.warnings = warnings(c, all)
	return c, nil
}

// EncryptionKeys returns the keys of SecretKey, the first of which encrypts. It
// fails only while there is none yet, before [Config.EnsureSecrets].
func (c *Config) EncryptionKeys() ([][]byte, error) {
	keys, err := secretbox.ParseKeys(c.SecretKey.Reveal())
	if err != nil {
		return nil, fmt.Errorf("parse %s: %w", varSecretKey, err)
	}
	return keys, nil
}

// Warnings returns what is not wrong but probably not meant, one line each.
func (c *Config) Warnings() []string { return slices.Clone(c.warnings) }

// loader turns variables into a Config and collects what is wrong on the way.
type loader struct {
	config *Config
	values map[string]string // what is set or has a plain default
	faults []Fault
}

// collect picks the known variables out of the environment and fills in defaults.
func (l *loader) collect(all map[string]string) {
	for _, v := range variables {
		value := all[v.Name]
		if v.Name != varAdminPassword {
			value = strings.TrimSpace(value)
		}
		l.config.origins[v.Name] = fromEnvironment
		if value == "" {
			l.config.origins[v.Name] = fromDefault
			if v.derived {
				continue
			}
			value = v.Default
		}
		if value != "" {
			l.values[v.Name] = value
		}
	}
}

// parse fills the fields, and turns what the library reports about a field into a
// fault of its variable.
func (l *loader) parse() {
	err := env.ParseWithOptions(l.config, env.Options{Environment: l.values, FuncMap: parsers()})
	if err == nil {
		return
	}
	aggregate, ok := errors.AsType[env.AggregateError](err)
	if !ok {
		panic(fmt.Sprintf("config: the struct cannot be parsed into: %v", err))
	}
	for _, e := range aggregate.Errors {
		parse, ok := errors.AsType[env.ParseError](e)
		if !ok {
			panic(fmt.Sprintf("config: the struct cannot be parsed into: %v", e))
		}
		name := variableOf(parse.Name)
		if p, ok := errors.AsType[problemError](parse.Err); ok {
			l.fault(name, string(p))
			continue
		}
		// Only numbers and truth values are left to the library, and its own words would not say
		// which are allowed.
		l.faultExpects(name)
	}
}

// check looks at what the types alone cannot say, and at fields that depend on
// each other.
func (l *loader) check() {
	c := l.config
	host, port, err := splitAddr(c.Addr)
	if err != nil {
		l.faultExpects(varAddr)
	}
	switch base, problem := normalBaseURL(c.BaseURL); {
	case c.BaseURL == "":
		c.BaseURL = derivedBaseURL(host, port)
	case problem != "":
		l.fault(varBaseURL, problem)
	default:
		c.BaseURL = base
	}
	if c.DatabaseURL.IsSet() && !looksLikeDatabaseURL(c.DatabaseURL.Reveal()) {
		l.faultExpects(varDatabaseURL)
	}
	for name, n := range map[string]int{varAPIRate: c.APIRate, varAPIBurst: c.APIBurst} {
		if n < 1 || n > maxRequests {
			l.faultExpects(name)
		}
	}
	if c.RetentionDays < 1 || c.RetentionDays > maxRetentionDays {
		l.faultExpects(varRetentionDays)
	}
	if c.ActivityRetentionDays < 0 || c.ActivityRetentionDays > maxActivityRetentionDays {
		l.faultExpects(varActivityRetentionDays)
	}
	if c.LogFormat == "" {
		c.LogFormat = LogText
		if c.Env == Production {
			c.LogFormat = LogJSON
		}
	}
	l.checkSecrets()
	l.checkAdmin()
}

func (l *loader) checkSecrets() {
	c := l.config
	if c.SecretKey.IsSet() {
		if _, err := secretbox.ParseKeys(c.SecretKey.Reveal()); err != nil {
			l.fault(varSecretKey, "must be "+expects(varSecretKey)+": "+err.Error())
		}
	}
	for name, set := range map[string]bool{
		varSecretKey:    c.SecretKey.IsSet(),
		varIngestSecret: l.values[varIngestSecret] != "",
	} {
		switch {
		case set:
		case c.Env == Production:
			l.fault(name, "must be set in production, to "+expects(name))
		default:
			c.origins[name] = fromGenerated
		}
	}
}

func (l *loader) checkAdmin() {
	c := l.config
	if c.AdminEmail != "" && !isEmail(c.AdminEmail) {
		l.faultExpects(varAdminEmail)
	}
	switch {
	case c.AdminEmail == "" && !c.AdminPassword.IsSet():
	case c.AdminEmail == "":
		l.fault(varAdminEmail, "must be set together with "+varAdminPassword)
	case !c.AdminPassword.IsSet():
		l.fault(varAdminPassword, "must be set together with "+varAdminEmail)
	default:
		if err := checkPassword(c.AdminPassword, c.AdminEmail); err != nil {
			l.fault(varAdminPassword, err.Error())
		}
	}
}

// fault adds a fault, unless the variable has one already: a value that did not
// parse left its field empty, and what is said about that would mislead.
func (l *loader) fault(variable, problem string) {
	if slices.ContainsFunc(l.faults, func(f Fault) bool { return f.Variable == variable }) {
		return
	}
	l.faults = append(l.faults, Fault{Variable: variable, Problem: problem})
}

// faultExpects adds a fault that says what is expected, and what was found where
// that is no secret.
func (l *loader) faultExpects(variable string) {
	problem := "must be " + expects(variable)
	if v := variables[position(variable)]; !v.Secret {
		problem += fmt.Sprintf("; it is %.60q", l.values[variable])
	}
	l.fault(variable, problem)
}

// variableOf returns the variable of a field of Config.
func variableOf(field string) string {
	f, ok := reflect.TypeFor[Config]().FieldByName(field)
	if !ok {
		panic("config: no field " + field)
	}
	return f.Tag.Get("env")
}

// derivedBaseURL is how a browser on this machine reaches the listener.
func derivedBaseURL(host, port string) string {
	if addr, err := netip.ParseAddr(host); host == "" || err == nil && (addr.IsUnspecified() || addr.IsLoopback()) {
		host = "localhost"
	}
	if port == "80" {
		return "http://" + strings.TrimSuffix(net.JoinHostPort(host, ""), ":")
	}
	return "http://" + net.JoinHostPort(host, port)
}
