package posthorn

import "slices"

// Scheme says how deliveries are signed and what shape their payload has.
type Scheme string

// The schemes.
const (
	// SchemeStandard is that of Standard Webhooks: any library for these, or for Svix, verifies it.
	SchemeStandard Scheme = "standard"
	// SchemeSmartKYC is that of Smart KYC: the tenant's API secret signs the body.
	SchemeSmartKYC Scheme = "smartkyc"
	// SchemeKryptos is that of Kryptos: the body is signed, headers repeat event and delivery, and data.uid is always there.
	SchemeKryptos Scheme = "kryptos"
	// SchemeArkyc is that of Arkyc: time and body are signed, and the payload is flat.
	SchemeArkyc Scheme = "arkyc"
	// SchemeCustom has headers of the integrator's choice.
	SchemeCustom Scheme = "custom"
)

// Schemes lists the schemes in the order in which they are offered, the default first.
func Schemes() []Scheme {
	return []Scheme{SchemeStandard, SchemeSmartKYC, SchemeKryptos, SchemeArkyc, SchemeCustom}
}

// Valid reports whether the scheme is one of Schemes.
func (s Scheme) Valid() bool { return slices.Contains(Schemes(), s) }

// Label returns the scheme's name for people.
func (s Scheme) Label() string {
	switch s {
	case SchemeStandard:
		return "Standard Webhooks"
	case SchemeSmartKYC:
		return "Smart KYC"
	case SchemeKryptos:
		return "Kryptos"
	case SchemeArkyc:
		return "Arkyc"
	case SchemeCustom:
		return "Custom"
	}
	return string(s)
}

// SigningKey says whose secret signs under the scheme smartkyc. The empty key is KeyTenant.
type SigningKey string

// The owners of a secret.
const (
	// KeyTenant is the tenant's API secret.
	KeyTenant SigningKey = "tenant"
	// KeyWebhook is the webhook's own secret.
	KeyWebhook SigningKey = "webhook"
)

// Encoding says how the scheme custom writes a signature. The empty encoding is EncodingHex.
type Encoding string

// The encodings.
const (
	// EncodingHex is lower case hexadecimal.
	EncodingHex Encoding = "hex"
	// EncodingBase64 is standard base64 with padding.
	EncodingBase64 Encoding = "base64"
)

// SignedPart says what the scheme custom signs. The empty part is OverBody.
type SignedPart string

// The signed parts.
const (
	// OverBody signs the body alone.
	OverBody SignedPart = "body"
	// OverTimestampBody signs the time in Unix seconds, a full stop, and the body.
	OverTimestampBody SignedPart = "timestamp.body"
)

// Signature is a scheme with its options. Options of other schemes are empty. It is comparable: signatures in the form that
// Normal returns are equal when they sign alike.
type Signature struct {
	Scheme Scheme
	// Key is an option of smartkyc.
	Key SigningKey
	// Header, TimestampHeader, Encoding and Over are options of custom. TimestampHeader may be empty where the time is not
	// signed; then none is sent.
	Header, TimestampHeader string
	Encoding                Encoding
	Over                    SignedPart
}

// Normal returns the signature with its defaults in the one spelling that ParseSignature returns.
func (s Signature) Normal() Signature {
	if s.Scheme == SchemeSmartKYC && s.Key == KeyTenant {
		s.Key = ""
	}
	if s.Scheme == SchemeCustom {
		s.Encoding, s.Over = s.encoding(), s.over()
	}
	return s
}

// UsesTenantSecret reports whether the tenant's API secret signs and not the webhook's own.
func (s Signature) UsesTenantSecret() bool { return s.Scheme == SchemeSmartKYC && s.Key != KeyWebhook }

// SignsWithEverySecret reports whether a delivery carries a signature for each live secret. The other schemes have room for
// one, which the oldest live secret makes: during a rotation they go on as before until the old secret ends.
func (s Signature) SignsWithEverySecret() bool { return s.Scheme == SchemeStandard }

// The headers that more than one scheme knows.
const (
	headerID                = "webhook-id"
	headerStandardTimestamp = "webhook-timestamp"
	headerStandardSignature = "webhook-signature"
	headerKryptosEvent      = "X-Webhook-Event"
	headerKryptosDelivery   = "X-Webhook-Delivery"
)

// HeaderNames returns the names of all headers that Sign returns, in its order.
func (s Signature) HeaderNames() []string {
	names := []string{headerID}
	for _, name := range []string{s.timestampHeader(), s.signatureHeader()} {
		if name != "" {
			names = append(names, name)
		}
	}
	if s.Scheme == SchemeKryptos {
		names = append(names, headerKryptosEvent, headerKryptosDelivery)
	}
	return names
}

// signatureHeader is the header that carries the signature.
func (s Signature) signatureHeader() string {
	switch s.Scheme {
	case SchemeStandard:
		return headerStandardSignature
	case SchemeSmartKYC:
		return "X-SmartKYC-Signature"
	case SchemeKryptos:
		return "X-Webhook-Signature"
	case SchemeArkyc:
		return "X-Arkyc-Signature"
	case SchemeCustom:
		return s.Header
	}
	return ""
}

// timestampHeader is the header that carries the time, empty where none is sent.
func (s Signature) timestampHeader() string {
	switch s.Scheme {
	case SchemeStandard:
		return headerStandardTimestamp
	case SchemeArkyc:
		return "X-Arkyc-Timestamp"
	case SchemeCustom:
		return s.TimestampHeader
	default:
		return ""
	}
}

// signsTime reports whether the signature covers the time, so that a receiver can refuse old deliveries.
func (s Signature) signsTime() bool {
	switch s.Scheme {
	case SchemeStandard, SchemeArkyc:
		return true
	case SchemeCustom:
		return s.over() == OverTimestampBody
	default:
		return false
	}
}

func (s Signature) over() SignedPart {
	if s.Over == "" {
		return OverBody
	}
	return s.Over
}

// encoding is how the signature is written under any scheme.
func (s Signature) encoding() Encoding {
	switch {
	case s.Scheme == SchemeStandard:
		return EncodingBase64
	case s.Encoding == "":
		return EncodingHex
	default:
		return s.Encoding
	}
}
