package config

import (
	"errors"
	"fmt"
	"net"
	"net/mail"
	"net/netip"
	"net/url"
	"reflect"
	"strconv"
	"strings"

	"github.com/caarlos0/env/v11"

	"posthorn/internal/auth"
)

// problemError is the Problem of a [Fault], on its way through the library.
type problemError string

func (p problemError) Error() string { return string(p) }

// parsers returns the parsers of the fields that are neither text nor numbers.
func parsers() map[reflect.Type]env.ParserFunc {
	return map[reflect.Type]env.ParserFunc{
		reflect.TypeFor[Environment](): func(s string) (any, error) {
			return oneOf(varEnv, s, Development, Production)
		},
		reflect.TypeFor[LogFormat](): func(s string) (any, error) {
			return oneOf(varLogFormat, s, LogText, LogJSON)
		},
		reflect.TypeFor[[]IngestSecret](): func(s string) (any, error) { return parseIngestSecrets(s) },
		reflect.TypeFor[[]netip.Prefix](): func(s string) (any, error) { return parsePrefixes(s) },
	}
}

func oneOf[T ~string](variable, s string, allowed ...T) (T, error) {
	for _, a := range allowed {
		if s == string(a) {
			return a, nil
		}
	}
	return "", problemError(fmt.Sprintf("must be %s; it is %.60q", expects(variable), s))
}

// parseIngestSecrets reads "secret,tenant_…:secret". Its error names entries by
// their position and shows nothing of them.
func parseIngestSecrets(s string) ([]IngestSecret, error) {
	var secrets []IngestSecret
	var faults []string
	for i, entry := range strings.Split(s, ",") {
		secret, fault := parseIngestSecret(strings.TrimSpace(entry))
		for j, earlier := range secrets {
			// Two tenants with one secret: whose record it is could not be told.
			if fault == "" && earlier.Secret.Equal(secret.Secret) {
				fault = fmt.Sprintf("repeats secret %d", j+1)
			}
		}
		if fault != "" {
			faults = append(faults, fmt.Sprintf("secret %d %s", i+1, fault))
		}
		secrets = append(secrets, secret)
	}
	if len(faults) > 0 {
		return nil, problemError("must be " + expects(varIngestSecret) + ": " + strings.Join(faults, "; "))
	}
	return secrets, nil
}

// parseIngestSecret returns one secret, or what is wrong with it.
func parseIngestSecret(entry string) (secret IngestSecret, fault string) {
	value := entry
	if strings.HasPrefix(entry, "tenant_") {
		tenant, bound, found := strings.Cut(entry, ":")
		if !found {
			return IngestSecret{}, "starts like a tenant's id but has no secret after a colon"
		}
		if !looksLikeTenantID(tenant) {
			return IngestSecret{}, "has no tenant id (tenant_ and 22 letters or digits) before the colon"
		}
		secret.Tenant, value = tenant, strings.TrimSpace(bound)
	}
	if value == "" {
		return IngestSecret{}, "is empty"
	}
	for _, r := range value {
		// Nothing else arrives unchanged in an HTTP header.
		if r < ' ' || r > '~' {
			return IngestSecret{}, "has a character that is not printable ASCII"
		}
	}
	secret.Secret = NewSecret(value)
	return secret, ""
}

// looksLikeTenantID checks the form only; whether there is such a tenant, the
// database knows.
func looksLikeTenantID(s string) bool {
	id, found := strings.CutPrefix(s, "tenant_")
	if !found || len(id) != 22 {
		return false
	}
	for _, r := range id {
		if (r < '0' || r > '9') && (r < 'A' || r > 'Z') && (r < 'a' || r > 'z') {
			return false
		}
	}
	return true
}

// parsePrefixes reads networks and single addresses.
func parsePrefixes(s string) ([]netip.Prefix, error) {
	var prefixes []netip.Prefix
	var faults []string
	for entry := range strings.SplitSeq(s, ",") {
		entry = strings.TrimSpace(entry)
		prefix, err := parsePrefix(entry)
		if err != nil {
			faults = append(faults, fmt.Sprintf("%.60q is neither", entry))
			continue
		}
		prefixes = append(prefixes, prefix)
	}
	if len(faults) > 0 {
		return nil, problemError("must be " + expects(varTrustedProxies) + ": " + strings.Join(faults, ", "))
	}
	return prefixes, nil
}

func parsePrefix(s string) (netip.Prefix, error) {
	if addr, err := netip.ParseAddr(s); err == nil {
		// A zone names an interface of this machine, and never matches a peer's.
		addr = addr.Unmap().WithZone("")
		return addr.Prefix(addr.BitLen())
	}
	prefix, err := netip.ParsePrefix(s)
	if err != nil {
		return netip.Prefix{}, fmt.Errorf("parse network: %w", err)
	}
	// The IPv6 form of an IPv4 network would match no IPv4 address.
	if addr := prefix.Addr(); addr.Is4In6() && prefix.Bits() >= 96 {
		prefix = netip.PrefixFrom(addr.Unmap(), prefix.Bits()-96)
	}
	return prefix.Masked(), nil
}

// splitAddr reads what net.Listen is given: a host or none, and a port in digits.
func splitAddr(s string) (host, port string, err error) {
	host, port, err = net.SplitHostPort(s)
	if err != nil {
		return "", "", fmt.Errorf("split address: %w", err)
	}
	if _, err := strconv.ParseUint(port, 10, 16); err != nil {
		return "", "", fmt.Errorf("parse port: %w", err)
	}
	if strings.ContainsAny(host, " /@") {
		return "", "", errors.New("not a host")
	}
	return host, port, nil
}

// normalBaseURL returns scheme and host alone, or what is wrong. A problem does not
// show the URL, in which somebody may have left a password.
func normalBaseURL(s string) (base, problem string) {
	u, err := url.Parse(s)
	must := "must be " + expects(varBaseURL)
	switch {
	case err != nil || u.Hostname() == "":
		return "", must
	case u.Scheme != "http" && u.Scheme != "https":
		return "", must + ": the scheme is neither http nor https"
	case u.User != nil:
		return "", must + ", without a user or password"
	case u.Path != "" && u.Path != "/" || u.RawQuery != "" || u.ForceQuery || u.Fragment != "":
		return "", must + ", without a path, query or fragment"
	}
	return u.Scheme + "://" + strings.ToLower(u.Host), ""
}

// looksLikeDatabaseURL tells a URL or keyword string from anything else; the driver
// reads the details.
func looksLikeDatabaseURL(s string) bool {
	if strings.HasPrefix(s, "postgres://") || strings.HasPrefix(s, "postgresql://") {
		_, err := url.Parse(s)
		return err == nil
	}
	keyword, _, found := strings.Cut(s, "=")
	keyword = strings.TrimSpace(keyword)
	return found && keyword != "" && strings.Trim(keyword, "abcdefghijklmnopqrstuvwxyz_") == ""
}

func isEmail(s string) bool {
	parsed, err := mail.ParseAddress(s)
	return err == nil && parsed.Name == "" && parsed.Address == s
}

func checkPassword(password Secret, email string) error {
	return auth.CheckPassword(password.Reveal(), email)
}
