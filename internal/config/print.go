package config

import (
	"fmt"
	"io"
	"net/url"
	"strconv"
	"strings"
	"text/tabwriter"
)

// origin is where an effective value came from.
type origin string

const (
	fromEnvironment origin = "environment"
	fromDefault     origin = "default"
	fromGenerated   origin = "generated"
)

// Print writes a table of every variable, its effective value, and where that came
// from: the environment, the default, or secrets generated in the data folder.
// Secrets are redacted.
func (c *Config) Print(w io.Writer) error {
	table := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	var text strings.Builder
	text.WriteString("VARIABLE\tVALUE\tFROM\n")
	for _, v := range variables {
		value := c.shown(v.Name)
		if value == "" {
			value = "(none)"
		}
		fmt.Fprintf(&text, "%s\t%s\t%s\n", v.Name, value, c.origins[v.Name])
	}
	if _, err := io.WriteString(table, text.String()); err != nil {
		return fmt.Errorf("print configuration: %w", err)
	}
	if err := table.Flush(); err != nil {
		return fmt.Errorf("print configuration: %w", err)
	}
	return nil
}

// shown returns the effective value of a variable as it may be seen.
func (c *Config) shown(variable string) string {
	switch variable {
	case varAddr:
		return c.Addr
	case varDatabaseURL:
		return c.shownDatabase()
	case varDataDir:
		return c.DataDir
	case varBaseURL:
		return c.BaseURL
	case varEnv:
		return string(c.Env)
	case varSecretKey:
		return c.shownKeys()
	case varIngestSecret:
		return c.shownIngestSecrets()
	case varTrustedProxies:
		return join(c.TrustedProxies)
	case varAllowHTTPTargets:
		return strconv.FormatBool(c.AllowHTTPTargets)
	case varAllowTargetCIDRs:
		return join(c.AllowTargetCIDRs)
	case varAPIRate:
		return strconv.Itoa(c.APIRate)
	case varAPIBurst:
		return strconv.Itoa(c.APIBurst)
	case varRetentionDays:
		return strconv.Itoa(c.RetentionDays)
	case varActivityRetentionDays:
		return strconv.Itoa(c.ActivityRetentionDays)
	case varAdminEmail:
		return c.AdminEmail
	case varAdminPassword:
		return c.AdminPassword.String()
	case varMetricsToken:
		return c.MetricsToken.String()
	case varLogFormat:
		return string(c.LogFormat)
	}
	panic("config: no way to show " + variable)
}

// shownDatabase keeps of a URL what tells one database from another. A keyword
// string and a URL's options may hold a password anywhere.
func (c *Config) shownDatabase() string {
	if !c.DatabaseURL.IsSet() {
		return "(" + variables[position(varDatabaseURL)].Default + ")"
	}
	u, err := url.Parse(c.DatabaseURL.Reveal())
	if err != nil || u.Host == "" {
		return redacted
	}
	user := ""
	if u.User != nil {
		user = u.User.Username() + "@"
		if _, has := u.User.Password(); has {
			user = u.User.Username() + ":" + redacted + "@"
		}
	}
	return u.Scheme + "://" + user + u.Host + u.Path
}

func (c *Config) shownKeys() string {
	keys, err := c.EncryptionKeys()
	switch {
	case err != nil:
		return "(generated at the first start)"
	case len(keys) > 1:
		return fmt.Sprintf("%s (%d keys)", redacted, len(keys))
	}
	return redacted
}

func (c *Config) shownIngestSecrets() string {
	if len(c.IngestSecrets) == 0 {
		return "(generated at the first start)"
	}
	entries := make([]string, len(c.IngestSecrets))
	for i, s := range c.IngestSecrets {
		entries[i] = s.Secret.String()
		if s.Tenant != "" {
			entries[i] = s.Tenant + ":" + entries[i]
		}
	}
	return strings.Join(entries, ",")
}

func join[T fmt.Stringer](items []T) string {
	texts := make([]string, len(items))
	for i, item := range items {
		texts[i] = item.String()
	}
	return strings.Join(texts, ",")
}
