package web

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"net/netip"
	"runtime/debug"
	"slices"
	"strings"
	"time"

	"github.com/gofiber/fiber/v2"
	"github.com/gofiber/fiber/v2/middleware/adaptor"
	"github.com/google/uuid"
	"github.com/gorilla/sessions"

	"posthorn/internal/posthorn"
	"posthorn/views/layout"
	"posthorn/views/path"
)

// request is what the server knows about the request in hand. It is made once, by open.
type request struct {
	id      string
	started time.Time
	// address is the caller's, behind proxies that are trusted.
	address netip.Addr
	// https says whether the caller used it, to this server or to a trusted proxy.
	https bool
	// http is the request as net/http knows it, converted once; its form is read from here.
	http *http.Request
	// session is nil until a session was read or made; signedIn is nil while nobody is signed in.
	session  *sessions.Session
	signedIn *posthorn.SignedIn
	// apiKey is the key that a program presented, nil until it was found to be good.
	apiKey *posthorn.APIKey
}

// requestKey is where open leaves the request in the locals of Fiber.
type requestKey struct{}

// requestOf returns the request that open has made.
func requestOf(c *fiber.Ctx) *request {
	r, _ := c.Locals(requestKey{}).(*request)
	return r
}

// open makes the request, and sets the headers that every answer has.
func (s *Server) open(c *fiber.Ctx) {
	r := &request{id: uuid.NewString(), started: time.Now()}
	r.address, r.https = s.caller(c)
	c.Locals(requestKey{}, r)
	c.Set(fiber.HeaderXRequestID, r.id)
	s.secureHeaders(c)
	if isAPI(c) {
		c.Set(fiber.HeaderCacheControl, "no-store")
	}
}

// begin opens the request with a context that has a deadline: Fiber's has none, and does not notice a client that leaves.
func (s *Server) begin(c *fiber.Ctx) error {
	s.open(c)
	limit := handlerTimeout
	if m := c.Method(); m == fiber.MethodGet || m == fiber.MethodHead {
		limit = lookTimeout
	}
	ctx, cancel := context.WithTimeout(context.Background(), limit)
	defer cancel()
	c.SetUserContext(ctx)
	return c.Next()
}

// caller finds the address and scheme of the caller: those of the connection, or what a trusted proxy says. The
// forwarded list is read from the right, because a caller can write anything at its left.
func (s *Server) caller(c *fiber.Ctx) (addr netip.Addr, https bool) {
	addr = peerOf(c)
	if !s.trusted(addr) {
		return addr, c.Context().IsTLS()
	}
	https = strings.EqualFold(c.Get(fiber.HeaderXForwardedProto), "https")
	for _, text := range slices.Backward(forwardedFor(c)) {
		hop, err := netip.ParseAddr(strings.TrimSpace(text))
		if err != nil {
			break
		}
		if addr = hop.Unmap(); !s.trusted(addr) {
			break
		}
	}
	return addr, https
}

// peerOf is the address at the other end of the connection.
func peerOf(c *fiber.Ctx) netip.Addr {
	peer, _ := netip.AddrFromSlice(c.Context().RemoteIP())
	return peer.Unmap()
}

// forwardedFor returns the forwarded list. A proxy may go on with it in the line that came or in one of its own.
func forwardedFor(c *fiber.Ctx) []string {
	var hops []string
	for _, line := range c.Request().Header.PeekAll(fiber.HeaderXForwardedFor) {
		hops = append(hops, strings.Split(string(line), ",")...)
	}
	return hops
}

func (s *Server) trusted(addr netip.Addr) bool {
	for _, p := range s.TrustedProxies {
		if p.Contains(addr) {
			return true
		}
	}
	return false
}

// logRequest writes one line a request, after it was answered. Errors are answered here, so that the line has the
// status that was sent.
func (s *Server) logRequest(c *fiber.Ctx) error {
	r := requestOf(c)
	err := c.Next()
	if err != nil {
		if failed := s.handleError(c, err); failed != nil {
			return failed
		}
	}
	attrs := []slog.Attr{
		slog.String("request_id", r.id), slog.String("method", c.Method()), slog.String("path", loggedPath(c)),
		slog.Int("status", c.Response().StatusCode()), slog.Duration("took", time.Since(r.started)),
		slog.String("address", r.address.String()),
	}
	if r.signedIn != nil {
		attrs = append(attrs, slog.String("user_id", r.signedIn.User.ID.String()), slog.String("tenant_id", r.signedIn.Tenant.ID.String()))
	}
	if r.apiKey != nil {
		attrs = append(attrs, slog.String("api_key_id", r.apiKey.ID.String()), slog.String("tenant_id", r.apiKey.TenantID.String()))
	}
	level := slog.LevelInfo
	if quiet(c) {
		level = slog.LevelDebug
	}
	if err != nil {
		attrs = append(attrs, slog.Any("error", loggedError(err)))
		if c.Response().StatusCode() >= http.StatusInternalServerError {
			level = slog.LevelError
		}
	}
	s.Log.LogAttrs(c.UserContext(), level, "request", attrs...)
	return nil
}

// quiet reports whether a request is too common to be logged: assets, the probes of an orchestrator, and scrapes.
func quiet(c *fiber.Ctx) bool {
	return strings.HasPrefix(c.Path(), path.Static) || c.Path() == path.Healthz || c.Path() == path.Readyz || c.Path() == path.Metrics
}

// recoverPanic turns a panic of a handler into an error, with its stack for the log.
func (s *Server) recoverPanic(c *fiber.Ctx) (err error) {
	defer func() {
		if p := recover(); p != nil {
			err = fmt.Errorf("panic: %v\n%s", p, debug.Stack())
		}
	}()
	return c.Next()
}

// contentSecurityPolicy allows what the server itself serves and nothing else: no inline script, no inline style, no
// foreign host.
const contentSecurityPolicy = "default-src 'none'; script-src 'self'; style-src 'self'; font-src 'self'; img-src 'self'; " +
	"connect-src 'self'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'"

func (s *Server) secureHeaders(c *fiber.Ctx) {
	c.Set(fiber.HeaderContentSecurityPolicy, contentSecurityPolicy)
	c.Set(fiber.HeaderXContentTypeOptions, "nosniff")
	c.Set(fiber.HeaderXFrameOptions, "DENY")
	c.Set(fiber.HeaderReferrerPolicy, "same-origin")
	c.Set("Cross-Origin-Opener-Policy", "same-origin")
	if requestOf(c).https {
		c.Set(fiber.HeaderStrictTransportSecurity, "max-age=31536000")
	}
}

// errCrossOrigin is the answer to a form that another site sent.
var errCrossOrigin = posthorn.Errorf(posthorn.Forbidden, "This form was sent from another site, so nothing was changed.")

// checkOrigin refuses unsafe requests that a browser sends for another site. Machines prove themselves by a header that
// no browser adds by itself, so they are not asked.
func (s *Server) checkOrigin(c *fiber.Ctx) error {
	if isMachine(c) || strings.HasPrefix(c.Path(), path.Static) {
		return c.Next()
	}
	if _, err := readBody(c, maxForm); err != nil {
		return err
	}
	converted, err := adaptor.ConvertRequest(c, true)
	if err != nil {
		return posthorn.Because(posthorn.Invalid, "The request could not be read.", err)
	}
	requestOf(c).http = converted.WithContext(c.UserContext())
	if err := s.crossSite.Check(converted); err != nil {
		return &posthorn.Error{Kind: errCrossOrigin.Kind, Message: errCrossOrigin.Message, Err: err}
	}
	return c.Next()
}

// isMachine reports whether a path is for programs: they get JSON and no session.
func isMachine(c *fiber.Ctx) bool { return strings.HasPrefix(c.Path(), "/api/") }

// guard lets those in whom the route is for.
func (s *Server) guard(a access) fiber.Handler {
	return func(c *fiber.Ctx) error {
		if a == anyone || a == worker {
			return c.Next()
		}
		if scope, ok := apiScopes[a]; ok {
			return s.guardAPI(c, scope)
		}
		keepPrivate(c)
		r := requestOf(c)
		if err := s.readSession(c, r); err != nil {
			return err
		}
		switch {
		case a == guest && r.signedIn != nil && !sends(c):
			return c.Redirect(nextPath(c.Query(layout.FieldNext)), fiber.StatusSeeOther)
		case a == guest || a == linked:
			return c.Next()
		case r.signedIn == nil:
			return s.askToSignIn(c)
		case (a == admin || a == owner) && !r.signedIn.User.Role.Administers():
			return posthorn.Errorf(posthorn.NotFound, "%s", pageMissing)
		case a == owner && r.signedIn.User.Role != posthorn.RoleOwner:
			return errOwnersOnly
		}
		return c.Next()
	}
}

// errOwnersOnly is the answer to an admin who asks for what only owners do.
var errOwnersOnly = posthorn.Errorf(posthorn.Forbidden, "Only owners of the organisation can do this. Ask one of them.")

// keepPrivate keeps an answer that depends on who asks, and how, out of caches.
func keepPrivate(c *fiber.Ctx) {
	c.Set(fiber.HeaderCacheControl, "no-store")
	c.Vary("HX-Request", fiber.HeaderCookie)
}

// sends reports whether a request does more than ask.
func sends(c *fiber.Ctx) bool { return c.Method() != fiber.MethodGet && c.Method() != fiber.MethodHead }

// errSignedOut is the answer to a fragment or stream that needs someone signed in.
var errSignedOut = posthorn.Errorf(posthorn.Unauthorized, "You were signed out. Sign in again to go on.")

// askToSignIn sends a person to the sign-in page, or to the setup while there is nobody who could sign in. A fragment
// cannot be redirected: it says so instead.
func (s *Server) askToSignIn(c *fiber.Ctx) error {
	if isFragment(c) || sends(c) || strings.Contains(c.Get(fiber.HeaderAccept), "text/event-stream") {
		return errSignedOut
	}
	ready, err := s.Accounts.SetUp(c.UserContext())
	if err != nil {
		return err
	}
	if !ready {
		return c.Redirect(path.Setup, fiber.StatusSeeOther)
	}
	return c.Redirect(path.LoginThen(c.OriginalURL()), fiber.StatusSeeOther)
}

// isFragment reports whether htmx asks for a part of a page. A page restored from history is a whole one.
func isFragment(c *fiber.Ctx) bool {
	return c.Get("HX-Request") == "true" && c.Get("HX-History-Restore-Request") != "true" && c.Get("HX-Boosted") != "true"
}

// kindIs reports whether an error is a posthorn.Error of a kind.
func kindIs(err error, kind posthorn.Kind) bool {
	e, ok := errors.AsType[*posthorn.Error](err)
	return ok && e.Kind == kind
}
