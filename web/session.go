package web

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"time"

	"github.com/gofiber/fiber/v2"
	"github.com/gorilla/securecookie"
	"github.com/gorilla/sessions"

	"posthorn/internal/auth"
	"posthorn/internal/posthorn"
)

// How long a sign-in lasts without being used.
const (
	sessionIdle     = 12 * time.Hour
	sessionRemember = 30 * 24 * time.Hour
	// sessionTouch is how old the note of last use may grow before it is renewed.
	sessionTouch = time.Minute
)

// sessionName is the name of the cookie.
const sessionName = "posthorn_session"

// Keys of the values of a session.
const (
	valueSignedIn = "signed_in"
	valueFlash    = "flash"
)

// Sessions keeps the signed-in browsers. Implemented by package postgres.
type Sessions interface {
	CreateSession(ctx context.Context, s posthorn.Session) error
	// Session returns a live session with its user and tenant; NotFound when it ended or never was.
	Session(ctx context.Context, tokenHash [32]byte) (posthorn.SignedIn, error)
	SaveSessionData(ctx context.Context, tokenHash [32]byte, data []byte) error
	TouchSession(ctx context.Context, tokenHash [32]byte, seen, expires time.Time) error
	DeleteSession(ctx context.Context, tokenHash [32]byte) error
}

// sessionStore is a store of gorilla/sessions with its rows in the database. The cookie, signed and encrypted, carries a
// random token and nothing else; the row is found by the token's hash. Ending the row ends the session everywhere.
type sessionStore struct {
	rows   Sessions
	codecs []securecookie.Codec
}

func newSessionStore(rows Sessions, keys [][]byte) *sessionStore {
	codecs := securecookie.CodecsFromPairs(keys...)
	for _, codec := range codecs {
		if sc, ok := codec.(*securecookie.SecureCookie); ok {
			sc.MaxAge(int(sessionRemember.Seconds()))
		}
	}
	return &sessionStore{rows: rows, codecs: codecs}
}

// Get returns the session of a request, read once and kept with it.
func (st *sessionStore) Get(r *http.Request, name string) (*sessions.Session, error) {
	return sessions.GetRegistry(r).Get(st, name)
}

// New reads the session that a request's cookie names; without a live one it is new and empty.
func (st *sessionStore) New(r *http.Request, name string) (*sessions.Session, error) {
	session := sessions.NewSession(st, name)
	session.Options = &sessions.Options{Path: "/", HttpOnly: true, SameSite: http.SameSiteLaxMode}
	session.IsNew = true
	cookie, err := r.Cookie(name)
	if err != nil {
		return session, nil //nolint:nilerr // no cookie is no session
	}
	var token string
	if securecookie.DecodeMulti(name, cookie.Value, &token, st.codecs...) != nil {
		return session, nil //nolint:nilerr // a cookie of other keys, or of somebody's making, is no session
	}
	signedIn, err := st.rows.Session(r.Context(), auth.HashToken(token))
	if kindIs(err, posthorn.NotFound) {
		return session, nil
	}
	if err != nil {
		return session, fmt.Errorf("read the session: %w", err)
	}
	session.IsNew = false
	session.ID = token
	session.Values[valueSignedIn] = &signedIn
	if len(signedIn.Session.Data) > 0 {
		var kept sessionData
		if err := json.Unmarshal(signedIn.Session.Data, &kept); err != nil {
			return session, fmt.Errorf("read the data of a session of %s: %w", signedIn.User.ID, err)
		}
		for _, f := range kept.Flash {
			session.AddFlash(f, valueFlash)
		}
	}
	return session, nil
}

// sessionData is what a session keeps in its row between requests.
type sessionData struct {
	Flash []string `json:"flash,omitempty"`
}

// Save writes the row, and the cookie where it changes. A session that has no id yet is created for the user in its
// values; one with a negative MaxAge is ended.
func (st *sessionStore) Save(r *http.Request, w http.ResponseWriter, session *sessions.Session) error {
	signedIn, ok := session.Values[valueSignedIn].(*posthorn.SignedIn)
	if !ok {
		return nil
	}
	if session.Options.MaxAge < 0 {
		http.SetCookie(w, sessions.NewCookie(session.Name(), "", session.Options))
		return st.rows.DeleteSession(r.Context(), auth.HashToken(session.ID))
	}
	data, err := json.Marshal(dataOf(session))
	if err != nil {
		return fmt.Errorf("write the data of a session of %s: %w", signedIn.User.ID, err)
	}
	if !session.IsNew {
		return st.rows.SaveSessionData(r.Context(), signedIn.Session.TokenHash, data)
	}
	session.ID, signedIn.Session.TokenHash = auth.NewToken()
	signedIn.Session.Data = data
	if err := st.rows.CreateSession(r.Context(), signedIn.Session); err != nil {
		return err
	}
	value, err := securecookie.EncodeMulti(session.Name(), session.ID, st.codecs...)
	if err != nil {
		return fmt.Errorf("encode the session cookie: %w", err)
	}
	http.SetCookie(w, sessions.NewCookie(session.Name(), value, session.Options))
	return nil
}

func dataOf(session *sessions.Session) sessionData {
	var d sessionData
	kept, _ := session.Values[valueFlash].([]any)
	for _, f := range kept {
		if s, ok := f.(string); ok {
			d.Flash = append(d.Flash, s)
		}
	}
	return d
}

// readSession finds out who is asking, and notes that they did.
func (s *Server) readSession(c *fiber.Ctx, r *request) error {
	session, err := s.sessions.Get(r.http, sessionName)
	if err != nil {
		return err
	}
	r.session = session
	signedIn, ok := session.Values[valueSignedIn].(*posthorn.SignedIn)
	if !ok {
		return nil
	}
	r.signedIn = signedIn
	now := time.Now()
	if seen := signedIn.Session.LastSeenAt; now.Sub(seen) > sessionTouch {
		// The life that was granted at sign-in is granted anew from now.
		life := signedIn.Session.ExpiresAt.Sub(seen)
		return s.Sessions.TouchSession(c.UserContext(), signedIn.Session.TokenHash, now, now.Add(life))
	}
	return nil
}

// startSession signs a browser in: always a new session, so that a token from before is worth nothing after.
func (s *Server) startSession(c *fiber.Ctx, user posthorn.User, remember bool) error {
	r := requestOf(c)
	if !r.session.IsNew {
		if err := s.Sessions.DeleteSession(c.UserContext(), auth.HashToken(r.session.ID)); err != nil {
			return err
		}
	}
	life, maxAge := sessionIdle, 0
	if remember {
		life, maxAge = sessionRemember, int(sessionRemember.Seconds())
	}
	now := time.Now()
	r.session.IsNew = true
	r.session.Options.MaxAge = maxAge
	r.session.Options.Secure = r.https || s.BaseURL.Scheme == "https"
	r.session.Values[valueSignedIn] = &posthorn.SignedIn{User: user, Session: posthorn.Session{
		UserID: user.ID, PasswordChangedAt: user.PasswordChangedAt, Address: r.address.String(), UserAgent: clip(c.Get(fiber.HeaderUserAgent), 255),
		CreatedAt: now, LastSeenAt: now, ExpiresAt: now.Add(life),
	}}
	return s.saveSession(c)
}

// endSession signs the browser out.
func (s *Server) endSession(c *fiber.Ctx) error {
	r := requestOf(c)
	r.session.Options.MaxAge = -1
	return s.saveSession(c)
}

// saveSession writes the session and carries its cookie over to Fiber.
func (s *Server) saveSession(c *fiber.Ctx) error {
	r := requestOf(c)
	header := headerWriter{}
	if err := s.sessions.Save(r.http, header, r.session); err != nil {
		return fmt.Errorf("save the session: %w", err)
	}
	for _, cookie := range http.Header(header).Values(fiber.HeaderSetCookie) {
		c.Response().Header.Add(fiber.HeaderSetCookie, cookie)
	}
	return nil
}

// headerWriter is a response that has headers only.
type headerWriter http.Header

func (h headerWriter) Header() http.Header       { return http.Header(h) }
func (headerWriter) Write(b []byte) (int, error) { return len(b), nil }
func (headerWriter) WriteHeader(int)             {}

// flash leaves a sentence for the next page.
func (s *Server) flash(c *fiber.Ctx, message string) error {
	requestOf(c).session.AddFlash(message, valueFlash)
	return s.saveSession(c)
}

// takeFlash returns the sentences left by earlier requests, once.
func (s *Server) takeFlash(c *fiber.Ctx) ([]string, error) {
	session := requestOf(c).session
	if session == nil || session.IsNew {
		return nil, nil
	}
	messages := dataOf(session).Flash
	if len(messages) == 0 {
		return nil, nil
	}
	session.Flashes(valueFlash)
	return messages, s.saveSession(c)
}

// clip cuts text to at most n bytes.
func clip(s string, n int) string { return s[:min(len(s), n)] }
