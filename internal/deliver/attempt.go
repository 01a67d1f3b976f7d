package deliver

import (
	"context"
	"errors"
	"net"
	"net/http/httptrace"
	"net/textproto"
	"net/url"
	"slices"
	"strings"
	"sync"
	"time"

	"posthorn/internal/posthorn"
)

// phase is how far an attempt has come.
type phase int

const (
	resolving phase = iota
	connecting
	handshaking
	waiting // for the answer, the request being sent
	reading
)

// attempt is what is known of an attempt while it runs. The transport dials and writes in goroutines of its own, which may
// outlive the attempt, so everything they touch is behind the mutex.
type attempt struct {
	target   *url.URL
	timeout  time.Duration
	deadline time.Time
	// stopped reports whether Posthorn itself ended the attempt.
	stopped func() bool
	// onStop calls a function when that happens, unless the returned one was called before.
	onStop func(func()) func() bool

	mu            sync.Mutex
	phase         phase
	hasConn       bool
	reused        bool // the connection is from an earlier attempt
	timings       posthorn.Timings
	remote        string
	headers       []posthorn.Header
	gotConn       time.Time
	informational int
	// wantsCertificate means that the receiver asked for a client certificate.
	wantsCertificate bool
}

// attemptKey finds the attempt in the contexts that the transport hands to the dialer.
type attemptKey struct{}

func attemptOf(ctx context.Context) *attempt {
	a, _ := ctx.Value(attemptKey{}).(*attempt)
	return a
}

func newAttempt(ctx context.Context, target *url.URL, deadline time.Time, timeout time.Duration) *attempt {
	return &attempt{
		target: target, timeout: timeout, deadline: deadline,
		stopped: func() bool { return ctx.Err() != nil },
		onStop:  func(f func()) func() bool { return context.AfterFunc(ctx, f) },
	}
}

// dialContext ends when the attempt does. The context that the transport dials with ends later: it would go on connecting for
// a request that may come.
func (a *attempt) dialContext(ctx context.Context) (context.Context, func()) {
	ctx, cancel := context.WithDeadline(ctx, a.deadline)
	forget := a.onStop(cancel)
	return ctx, func() {
		forget()
		cancel()
	}
}

// endpoint is host and port as people read them.
func (a *attempt) endpoint() string {
	port := a.target.Port()
	if port == "" {
		port = map[string]string{"http": "80", "https": "443"}[a.target.Scheme]
	}
	return net.JoinHostPort(a.target.Hostname(), port)
}

// update changes what is known.
func (a *attempt) update(change func()) {
	a.mu.Lock()
	defer a.mu.Unlock()
	change()
}

// dialled changes what is known, from the goroutine that dials: as soon as the attempt has a connection, which can be another
// one that became free, dialling is no longer its business.
func (a *attempt) dialled(change func()) {
	a.update(func() {
		if !a.hasConn {
			change()
		}
	})
}

func (a *attempt) reached() phase {
	a.mu.Lock()
	defer a.mu.Unlock()
	return a.phase
}

// wasStale reports whether an attempt failed because its connection, from an earlier attempt, was closed before anything came
// back.
func (a *attempt) wasStale(err error) bool {
	if a.stopped() || !time.Now().Before(a.deadline) || !isClosed(err) {
		return false
	}
	a.mu.Lock()
	defer a.mu.Unlock()
	return a.reused && a.timings.FirstByte == 0
}

// isFlooded reports whether there were more informational responses than there may be.
func (a *attempt) isFlooded() bool {
	a.mu.Lock()
	defer a.mu.Unlock()
	return a.informational > maxInformational
}

// isAskedForCertificate reports whether the receiver asked for a client certificate.
func (a *attempt) isAskedForCertificate() bool {
	a.mu.Lock()
	defer a.mu.Unlock()
	return a.wantsCertificate
}

var errInformational = errors.New("too many informational responses")

// trace notes what the transport does.
func (a *attempt) trace() *httptrace.ClientTrace {
	return &httptrace.ClientTrace{
		// A request that the transport moves to another connection, because the first was closed before anything was written,
		// begins again here.
		GetConn: func(string) {
			a.update(func() {
				a.phase, a.hasConn, a.remote, a.timings = resolving, false, "", posthorn.Timings{}
				a.headers, a.informational = nil, 0
			})
		},
		GotConn: func(info httptrace.GotConnInfo) {
			a.update(func() {
				a.phase, a.hasConn, a.gotConn, a.reused = waiting, true, time.Now(), info.Reused
				a.remote = info.Conn.RemoteAddr().String()
				if info.Reused {
					a.timings = posthorn.Timings{}
				}
			})
		},
		WroteHeaderField: func(name string, values []string) {
			a.update(func() { a.wroteHeader(name, values) })
		},
		GotFirstResponseByte: func() {
			a.update(func() { a.timings.FirstByte = time.Since(a.gotConn) })
		},
		Got1xxResponse: func(int, textproto.MIMEHeader) error {
			a.mu.Lock()
			defer a.mu.Unlock()
			if a.informational++; a.informational > maxInformational {
				return errInformational
			}
			return nil
		},
	}
}

// wroteHeader notes a header that was sent. In HTTP/2 the host is one among others with a colon, which say what the URL says.
func (a *attempt) wroteHeader(name string, values []string) {
	if name == ":authority" {
		name = "host"
	}
	if strings.HasPrefix(name, ":") {
		return
	}
	for _, v := range values {
		a.headers = append(a.headers, posthorn.Header{Name: name, Value: v})
	}
}

// record puts what was noted into the outcome.
func (a *attempt) record(out *posthorn.Outcome) {
	a.mu.Lock()
	defer a.mu.Unlock()
	out.Timings = a.timings
	out.RemoteAddress = a.remote
	out.RequestHeaders = slices.Clone(a.headers)
}
