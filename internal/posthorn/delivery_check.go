package posthorn

import (
	"strings"
	"time"
)

// SignatureVerdict is what came of recomputing a signature.
type SignatureVerdict string

// The verdicts.
const (
	// SignatureMatches means that a live secret makes the signature that was sent.
	SignatureMatches SignatureVerdict = "matches"
	// SignatureReplaced means that none does, and that the secret is younger than the attempt.
	SignatureReplaced SignatureVerdict = "replaced"
	// SignatureDiffers means that none does, although the secret is as old as the attempt.
	SignatureDiffers SignatureVerdict = "differs"
	// SignatureOtherScheme means that the webhook signs in another way now.
	SignatureOtherScheme SignatureVerdict = "other_scheme"
	// SignatureNotSent means that it did not come to a request.
	SignatureNotSent SignatureVerdict = "not_sent"
	// SignatureUnknown means that something is missing that it takes: the webhook, the event, or a secret that opens.
	SignatureUnknown SignatureVerdict = "unknown"
)

// SignatureCheck is a signature recomputed. It holds no secret.
type SignatureCheck struct {
	Verdict SignatureVerdict
	// Header is the name of the header with the signature, Sent what was sent in it.
	Header, Sent string
	// Signed is what the signature was taken of: Before, what the scheme puts before the body, and the body. It is nil where
	// that is not known.
	Signed []byte
	Before string
	// Ends are the ends of the secrets that match, by which people know them.
	Ends []string
	// SecretSince is when the newest live secret was made.
	SecretSince time.Time
	// Missing says what it would have taken, as a sentence, for SignatureUnknown.
	Missing string
}

// Explain says what the check showed.
func (c *SignatureCheck) Explain() Explanation {
	switch c.Verdict {
	case SignatureMatches:
		text := "Recomputed from the body and the secret of the webhook, it is what was sent in " + c.Header + "."
		switch len(c.Ends) {
		case 0:
		case 1:
			text += " The secret ends in " + c.Ends[0] + "."
		default:
			text += " The secrets end in " + strings.Join(c.Ends, ", ") + "."
		}
		return Explanation{Tone: ToneGood, Title: "The signature matches.", Text: text + " If the endpoint refuses it, it has another secret, or does not verify the body byte for byte."}
	case SignatureReplaced:
		return Explanation{
			Tone: ToneWaiting, Title: "The secret was replaced since.",
			Text: "The secret that made this signature does not sign any more, so it cannot be recomputed. The next attempt is signed with the new one.",
		}
	case SignatureDiffers:
		return Explanation{
			Tone: ToneBad, Title: "The signature does not match.",
			Text: "No secret of the webhook makes what was sent in " + c.Header + ". The way in which it signs may have been changed since.",
		}
	case SignatureOtherScheme:
		return Explanation{
			Tone: ToneWaiting, Title: "The webhook signs in another way now.",
			Text: "This attempt has no header " + c.Header + ", which is what the webhook sends since its signature was changed.",
		}
	case SignatureNotSent:
		return Explanation{Tone: TonePlain, Title: "Nothing was sent, so there is no signature."}
	case SignatureUnknown:
	}
	return Explanation{Tone: TonePlain, Title: "The signature cannot be recomputed.", Text: c.Missing}
}

// checkSignature recomputes the signature of an attempt with the live secrets of its webhook, which is nil when it was deleted.
func checkSignature(e *LogEntry, a *Attempt, w *WebhookDetail, box SecretBox) SignatureCheck {
	if len(a.RequestHeaders) == 0 {
		return SignatureCheck{Verdict: SignatureNotSent}
	}
	unknown := func(missing string) SignatureCheck {
		return SignatureCheck{Verdict: SignatureUnknown, Missing: missing}
	}
	body := e.Body()
	switch {
	case w == nil:
		return unknown("The webhook was deleted, and its secrets with it.")
	case body == nil:
		return unknown("The event is past the retention, and the body with it.")
	}
	var endpoint Endpoint
	bare := *w
	bare.Headers = nil
	if err := bare.OpenInto(&endpoint, box); err != nil {
		return unknown("A secret of the webhook does not open with the keys of this server.")
	}
	s := w.Signature
	c := SignatureCheck{Header: s.signatureHeader()}
	if c.Sent = headerValue(a.RequestHeaders, c.Header); c.Sent == "" || c.Sent == HeaderMask {
		c.Sent, c.Verdict = "", SignatureOtherScheme
		return c
	}
	m := Message{ID: e.ID.String(), Event: e.Event, Timestamp: a.StartedAt, Body: body}
	if s.signsTime() {
		at, err := s.signedTime(func(name string) string { return headerValue(a.RequestHeaders, name) })
		if err != nil {
			c.Verdict = SignatureOtherScheme
			c.Header = s.timestampHeader()
			return c
		}
		m.Timestamp = at
	}
	c.Signed = s.SignedContent(m)
	c.Before = string(c.Signed[:len(c.Signed)-len(body)])
	c.Verdict = SignatureDiffers
	for i, secret := range endpoint.Secrets {
		if at := w.Secrets[i].CreatedAt; at.After(c.SecretSince) {
			c.SecretSince = at
		}
		if s.matches(c.Sent, m, []SigningSecret{secret.Secret}) {
			c.Verdict = SignatureMatches
			if end := w.Secrets[i].LastFour; end != "" {
				c.Ends = append(c.Ends, end)
			}
		}
	}
	if c.Verdict == SignatureDiffers && c.SecretSince.After(a.StartedAt) {
		c.Verdict = SignatureReplaced
	}
	return c
}
