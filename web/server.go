package web

import (
	"context"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"net/netip"
	"net/url"
	"regexp"
	"slices"
	"sync"
	"time"

	"github.com/gofiber/fiber/v2"
	"github.com/valyala/fasthttp"

	"posthorn/internal/live"
	"posthorn/internal/posthorn"
)

// Limits of every connection.
const (
	// maxHeader bounds the request line and headers together, in bytes.
	maxHeader   = 16 << 10
	readTimeout = 30 * time.Second
	idleTimeout = 75 * time.Second
	// handlerTimeout is the deadline of the context that a handler passes on. It is longer than the ingest takes to
	// learn the outcome of a commit that was cut off.
	handlerTimeout = 30 * time.Second
	// lookTimeout is that deadline for requests that only read: who looks at a page is told soon that the database hangs.
	lookTimeout = 10 * time.Second
	// readyTimeout is for how long a probe is kept waiting.
	readyTimeout = 3 * time.Second
)

// Readiness says whether the server can do its work.
type Readiness interface {
	// Ready returns notes on what is wrong although the server can do its work, or an error whose message says what is
	// missing. Anybody may read both.
	Ready(ctx context.Context) (notes []string, err error)
}

// Options is what a Server is made of.
type Options struct {
	Log      *slog.Logger
	Accounts Accounts
	Sessions Sessions
	// APIKeys and Credentials are usually the same as Accounts.
	APIKeys     APIKeys
	Credentials Credentials
	// Members is usually the same, too.
	Members      Members
	Applications Applications
	Audit        AuditLog
	Limits       Limits
	// RateLimits count the requests of programs.
	RateLimits RateLimiter
	Ingest     *posthorn.Ingest
	Activity   posthorn.ActivityReader
	Webhooks   Webhooks
	// EventTypes is the event catalogue.
	EventTypes EventTypes
	Publisher  EventPublisher
	// ManualEvents publishes what a person puts together.
	ManualEvents ManualEvents
	Events       EventLog
	Deliveries   Deliveries
	// Resources are those that fire events.
	Resources Resources
	// DeliveryStats says how sending fares.
	DeliveryStats DeliveryStats
	// Replays are the bulk replays.
	Replays   Replays
	Inspector DeliveryInspector
	// DeliveryFeed is the delivery log as its page shows it.
	DeliveryFeed DeliveryFeed
	// Live announces new activity. Shutdown closes it, which ends the event streams.
	Live *live.Hub[posthorn.ActivityNotice]
	// LiveDeliveries announces what becomes of deliveries. Shutdown closes it, too.
	LiveDeliveries *live.Hub[posthorn.DeliveryNotice]
	Ready          Readiness
	// Metrics answers scrapes, from this machine and from those who have MetricsToken, which is empty for nobody.
	Metrics      http.Handler
	MetricsToken string
	// BaseURL is where people reach the server; an https scheme makes cookies Secure.
	BaseURL *url.URL
	// TrustedProxies are the peers whose forwarded address and scheme are believed.
	TrustedProxies []netip.Prefix
	// CookieKeys are pairs of a signing and an encryption key; the first pair makes cookies, all pairs read them.
	CookieKeys [][]byte
	// Version is shown on the sign-in page.
	Version string
}

// Server answers HTTP.
type Server struct {
	Options
	app       *fiber.App
	sessions  *sessionStore
	crossSite *http.CrossOriginProtection

	mu       sync.Mutex // guards what follows
	listener net.Listener
	stopped  bool
}

// New makes a server; it does not listen yet.
func New(o Options) *Server {
	s := &Server{
		Options: o, crossSite: http.NewCrossOriginProtection(), sessions: newSessionStore(o.Sessions, o.CookieKeys),
	}
	s.app = fiber.New(fiber.Config{
		AppName:               "Posthorn",
		Immutable:             true,
		CaseSensitive:         true,
		StrictRouting:         true,
		UnescapePath:          true,
		DisableStartupMessage: true,
		StreamRequestBody:     true,
		// Forms with files would be read whole, and written to disk, before anybody asked whose they are.
		DisablePreParseMultipartForm: true,
		ReadBufferSize:               maxHeader,
		ReadTimeout:                  readTimeout,
		IdleTimeout:                  idleTimeout,
		ErrorHandler:                 s.handleError,
	})
	s.app.Use(s.begin, s.logRequest, s.recoverPanic, s.checkOrigin, s.countMissed)
	for _, r := range s.routes() {
		s.app.Add(r.method, r.path, s.guard(r.access), r.handle)
		if r.method == fiber.MethodGet {
			s.app.Add(fiber.MethodHead, r.path, s.guard(r.access), r.handle)
		}
	}
	s.guardConnections()
	return s
}

// guardConnections puts itself around all that Fiber does with a request. Fiber answers a method that it does not know
// without a handler, and what is left of a body has to be dealt with then, too.
func (s *Server) guardConnections() {
	server := s.app.Server()
	// What cannot be parsed may hold a secret or a cookie, and the error of it goes to the log.
	server.SecureErrorLogMessage = true
	handle := server.Handler
	server.Handler = func(ctx *fasthttp.RequestCtx) {
		if slices.Contains(fiber.DefaultMethods, string(ctx.Method())) {
			handle(ctx)
		} else {
			server.ErrorHandler(ctx, errUnknownMethod)
		}
		if endsTwice(&ctx.Request.Header) {
			ctx.SetConnectionClose()
		}
		discardBody(ctx)
	}
}

// endsTwice reports whether a request says by its length and by chunks where it ends. A proxy in front may have believed
// the other one, so what follows on the connection cannot be trusted to be a request (RFC 9112, section 6.1).
func endsTwice(h *fasthttp.RequestHeader) bool {
	return h.ContentLength() == -1 && lengthLine.Match(h.RawHeaders())
}

var lengthLine = regexp.MustCompile(`(?im)^content-length[ \t]*:`)

// Serve answers on a listener until Shutdown; it then returns nil, also when Shutdown came first.
func (s *Server) Serve(ln net.Listener) error {
	if !s.serves(ln) {
		return nil
	}
	if err := s.app.Listener(ln); err != nil {
		return fmt.Errorf("serve on %s: %w", ln.Addr(), err)
	}
	return nil
}

// serves notes the listener for Shutdown, or closes it when that has been called.
func (s *Server) serves(ln net.Listener) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.stopped {
		_ = ln.Close()
		return false
	}
	s.listener = ln
	return true
}

// Shutdown ends the event streams, refuses new connections and waits for the requests in hand, as long as ctx allows.
func (s *Server) Shutdown(ctx context.Context) error {
	s.Live.Close()
	if s.LiveDeliveries != nil {
		s.LiveDeliveries.Close()
	}
	err := s.app.ShutdownWithContext(ctx)
	s.mu.Lock()
	s.stopped = true
	if s.listener != nil {
		_ = s.listener.Close() // as Fiber has done, unless it had not begun with it
	}
	s.mu.Unlock()
	if err != nil {
		return fmt.Errorf("shut the server down: %w", err)
	}
	return nil
}
