package deliver

import (
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"
	"unicode"
)

// maxNames is how many names of a certificate a sentence lists.
const maxNames = 3

// tlsFailure says why there is no TLS connection, empty when TLS is not the reason.
func tlsFailure(a *attempt, err error) (sentence string) {
	if invalid, ok := errors.AsType[x509.CertificateInvalidError](err); ok {
		return invalidCertificate(invalid)
	}
	if host, ok := errors.AsType[x509.HostnameError](err); ok {
		return wrongName(host)
	}
	if unknown, ok := errors.AsType[x509.UnknownAuthorityError](err); ok {
		return unknownAuthority(unknown)
	}
	if _, ok := errors.AsType[x509.SystemRootsError](err); ok {
		return "The certificate cannot be checked: Posthorn's own server has no list of certificate authorities."
	}
	if _, ok := errors.AsType[tls.RecordHeaderError](err); ok {
		return a.endpoint() + " does not speak TLS."
	}
	alert, text := alertText(err), err.Error()
	switch {
	case strings.Contains(text, "unsupported protocol version"), alert == "protocol version not supported":
		return a.endpoint() + " offers no TLS version that is safe: Posthorn needs 1.2 or 1.3."
	case alert == "certificate required", alert != "" && a.isAskedForCertificate():
		return a.endpoint() + " asks for a client certificate, and Posthorn has none."
	case alert == "unrecognized name":
		return fmt.Sprintf("The server knows no host of the name %s.", a.target.Hostname())
	case alert != "":
		return fmt.Sprintf("%s refused the TLS connection: %s.", a.endpoint(), alert)
	case a.reached() == handshaking && !isBroken(err):
		return "The TLS handshake with " + a.endpoint() + " failed."
	}
	return ""
}

func invalidCertificate(invalid x509.CertificateInvalidError) string {
	const day = "2 Jan 2006"
	if cert := invalid.Cert; invalid.Reason == x509.Expired && cert != nil {
		if time.Now().Before(cert.NotBefore) {
			return "The certificate is not valid before " + cert.NotBefore.UTC().Format(day) + "."
		}
		return "The certificate expired on " + cert.NotAfter.UTC().Format(day) + "."
	}
	return "The certificate is not one for servers."
}

func wrongName(wrong x509.HostnameError) string {
	var names []string
	if cert := wrong.Certificate; cert != nil {
		names = slices.Clone(cert.DNSNames)
		for _, ip := range cert.IPAddresses {
			names = append(names, ip.String())
		}
	}
	if len(names) == 0 {
		return fmt.Sprintf("The certificate is not for %s: it names no host.", wrong.Host)
	}
	more := ""
	if len(names) > maxNames {
		names, more = names[:maxNames], " and others"
	}
	return plain(fmt.Sprintf("The certificate is for %s%s, not for %s.", strings.Join(names, ", "), more, wrong.Host))
}

func unknownAuthority(unknown x509.UnknownAuthorityError) string {
	cert := unknown.Cert
	switch {
	case cert == nil:
		return "The certificate comes from an authority that is not known here."
	case string(cert.RawIssuer) == string(cert.RawSubject):
		return "The certificate is self-signed."
	case cert.Issuer.CommonName == "":
		return "The certificate comes from an authority that is not known here, or the intermediate certificate is missing."
	}
	return plain(fmt.Sprintf("The certificate comes from %s, an authority that is not known here, or the intermediate certificate is missing.",
		cert.Issuer.CommonName))
}

// plain makes text of strangers fit for one line: no control characters, and no more than a few hundred bytes.
func plain(text string) string {
	const most = 500
	text = strings.Map(func(r rune) rune {
		if unicode.IsControl(r) || !unicode.IsPrint(r) && r != ' ' {
			return '�'
		}
		return r
	}, text)
	if len(text) > most {
		text = strings.ToValidUTF8(text[:most], "") + "…"
	}
	return text
}
