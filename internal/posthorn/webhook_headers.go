package posthorn

import (
	"crypto/subtle"
	"slices"
	"strings"
)

// headerField is the field of one custom header, named by it: what is wrong with it is said there.
func headerField(name string) string { return FieldHeaders + "." + name }

// headers replaces the custom headers, keeping the values that are given as the mask or as they are stored.
func (f *webhookFaults) headers(w *Webhook, given []HeaderInput) {
	if len(given) > MaxHeaders {
		f.add(FieldHeaders, "must be at most 20")
		return
	}
	headers := make([]CustomHeader, 0, len(given))
	for _, h := range given {
		h.Name, h.Value = strings.TrimSpace(h.Name), strings.Trim(h.Value, " \t")
		stored, known := w.header(h.Name)
		repeated := slices.ContainsFunc(headers, func(other CustomHeader) bool { return strings.EqualFold(other.Name, h.Name) })
		if rule := headerRule(h, known, repeated); rule != "" {
			f.add(headerField(h.Name), rule)
		}
		place := WebhookHeaderPlace(w.ID, h.Name)
		kept := h.Value == HeaderMask || known && opensTo(f.config.Sealer, stored.Sealed, place, h.Value)
		if !kept {
			stored.Sealed = f.config.Sealer.Seal([]byte(h.Value), place)
		}
		headers = append(headers, CustomHeader{Name: h.Name, Sealed: stored.Sealed})
	}
	w.Headers = headers
}

// opensTo reports whether what is sealed is a text. What does not open is another.
func opensTo(box SecretBox, sealed, place []byte, text string) bool {
	known, err := box.Open(sealed, place)
	return err == nil && subtle.ConstantTimeCompare(known, []byte(text)) == 1
}

// headerRule says what is wrong with one header, empty for nothing.
func headerRule(h HeaderInput, stored, repeated bool) string {
	switch {
	case h.Name == "":
		return "must have a name"
	case len(h.Name) > MaxHeaderName:
		return "must have a name of at most 128 characters"
	case !isToken(h.Name):
		return "must have a name of letters, digits and hyphens, such as X-Api-Key"
	case repeated:
		return "is given twice"
	case h.Value == HeaderMask && !stored:
		return "has no stored value to keep: type the value"
	case h.Value == HeaderMask:
		return ""
	case h.Value == "":
		return "must have a value"
	case len(h.Value) > MaxHeaderValue:
		return "must have a value of at most 4 KiB"
	case strings.ContainsFunc(h.Value, func(r rune) bool { return r != '\t' && (r < ' ' || r > '~') }):
		return "must have a value of printable ASCII characters in one line"
	}
	return ""
}

// isToken reports whether text is a token, which is what a header's name must be (RFC 9110, section 5.6.2).
func isToken(text string) bool {
	return text != "" && !strings.ContainsFunc(text, func(r rune) bool {
		return r <= ' ' || r >= 0x7f || strings.ContainsRune(`"(),/:;<=>?@[\]{}`, r)
	})
}

// reservedHeaders refuses names that mean something to the connection, to Posthorn or to the signature scheme.
func (f *webhookFaults) reservedHeaders(w *Webhook) {
	own := w.Signature.HeaderNames()
	for _, h := range w.Headers {
		if rule := reservedHeader(strings.ToLower(h.Name), own); rule != "" {
			f.add(headerField(h.Name), rule)
		}
	}
}

// reservedNames says of each name that cannot be a custom header's what it is taken for.
var reservedNames = map[string]string{
	"host":                "is reserved: it follows from the URL",
	"content-length":      "is reserved: it follows from the body",
	"content-type":        "is reserved: deliveries are always application/json",
	"content-encoding":    "is reserved: bodies are sent as they are signed",
	"user-agent":          "is reserved: it names Posthorn and its version",
	"accept-encoding":     "is reserved: Posthorn decides which answers it can read",
	"connection":          "is reserved: it belongs to the connection",
	"keep-alive":          "is reserved: it belongs to the connection",
	"transfer-encoding":   "is reserved: it belongs to the connection",
	"te":                  "is reserved: it belongs to the connection",
	"trailer":             "is reserved: it belongs to the connection",
	"upgrade":             "is reserved: it belongs to the connection",
	"expect":              "is reserved: it belongs to the connection",
	"proxy-authorization": "is reserved: it is for proxies, and Posthorn uses none",
	"proxy-connection":    "is reserved: it is for proxies, and Posthorn uses none",
	"proxy-authenticate":  "is reserved: it is for proxies, and Posthorn uses none",
}

func reservedHeader(lower string, own []string) string {
	if slices.ContainsFunc(own, func(name string) bool { return strings.EqualFold(name, lower) }) {
		return "is set by Posthorn: the signature scheme sends it. Use another name"
	}
	if strings.HasPrefix(lower, "webhook-") {
		return "is set by Posthorn: names that begin with webhook- are its own. Use another name"
	}
	return reservedNames[lower]
}

// sameHeaders reports whether two lists have the same names and the same stored values.
func sameHeaders(a, b []CustomHeader) bool {
	return slices.EqualFunc(a, b, func(x, y CustomHeader) bool {
		return x.Name == y.Name && slices.Equal(x.Sealed, y.Sealed)
	})
}
