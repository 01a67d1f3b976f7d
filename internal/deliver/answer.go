package deliver

import (
	"bytes"
	"compress/gzip"
	"io"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"time"

	"posthorn/internal/posthorn"
)

// body is what was read of an answer's body.
type body struct {
	bytes     []byte
	truncated bool
	// err is why reading ended early, nil when all was read that is kept.
	err error
}

// readBody reads at most posthorn.MaxResponseBytes, and as many after gzip is undone. The limit counts compressed bytes too,
// so that neither endless nor tightly packed ones cost more.
func readBody(response *http.Response) body {
	// One byte more tells whether the body goes on.
	read, err := io.ReadAll(io.LimitReader(response.Body, posthorn.MaxResponseBytes+1))
	b := body{bytes: read, truncated: err != nil, err: err}
	if len(b.bytes) > posthorn.MaxResponseBytes {
		b.bytes, b.truncated = b.bytes[:posthorn.MaxResponseBytes], true
	}
	switch strings.ToLower(response.Header.Get("Content-Encoding")) {
	case "gzip", "x-gzip":
		b.inflate()
	}
	return b
}

// inflate undoes gzip as far as it goes. Bytes that are no gzip stay as they came.
func (b *body) inflate() {
	reader, err := gzip.NewReader(bytes.NewReader(b.bytes))
	if err != nil {
		return
	}
	inflated, err := io.ReadAll(io.LimitReader(reader, posthorn.MaxResponseBytes+1))
	if err != nil && len(inflated) == 0 {
		return
	}
	b.bytes, b.truncated = inflated, b.truncated || err != nil
	if len(b.bytes) > posthorn.MaxResponseBytes {
		b.bytes, b.truncated = b.bytes[:posthorn.MaxResponseBytes], true
	}
}

// responseHeaders returns what is kept of the headers. net/http refuses control characters in them, not bytes of other
// encodings.
func responseHeaders(header http.Header) []posthorn.Header {
	headers := make([]posthorn.Header, 0, len(header))
	for name, values := range header {
		for _, v := range values {
			headers = append(headers, posthorn.Header{Name: name, Value: strings.ToValidUTF8(v, "�")})
		}
	}
	slices.SortStableFunc(headers, func(a, b posthorn.Header) int { return strings.Compare(a.Name, b.Name) })
	return headers[:min(len(headers), posthorn.MaxResponseHeaders)]
}

// maxRetryAfter keeps what a receiver asks for within what a time.Duration and a calendar hold.
const maxRetryAfter = 365 * 24 * time.Hour

// retryAfter reads a Retry-After header, in seconds or as a date, 0 when there is nothing to wait for.
func retryAfter(value string, now time.Time) time.Duration {
	value = strings.TrimSpace(value)
	if value != "" && strings.Trim(value, "0123456789") == "" {
		n, err := strconv.ParseInt(value, 10, 64)
		if err != nil || n > int64(maxRetryAfter/time.Second) {
			return maxRetryAfter
		}
		return time.Duration(n) * time.Second
	}
	at, err := http.ParseTime(value)
	if err != nil || at.Before(now) {
		return 0
	}
	return min(at.Sub(now), maxRetryAfter)
}
