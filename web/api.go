package web

import (
	"context"
	"encoding/json"
	"errors"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"unicode/utf8"

	"github.com/gofiber/fiber/v2"

	"posthorn/internal/posthorn"
	"posthorn/views/path"
)

// APIKeys checks what programs present. Implemented by posthorn.Accounts.
type APIKeys interface {
	VerifyAPIKey(ctx context.Context, plain string) (posthorn.APIKey, error)
}

// Where a program may present its API key. Only one of them is needed.
const (
	headerAPIKey = "X-API-Key" //nolint:gosec // G101: a name, not a key
	queryAPIKey  = "api_key"
	bearer       = "Bearer"
)

// apiScopes says which scope a key needs for the routes of an access.
var apiScopes = map[access]posthorn.Scope{
	apiRead: posthorn.ScopeRead, apiWrite: posthorn.ScopeWrite, apiPublish: posthorn.ScopePublish,
}

// isAPI reports whether a path is of the admin API, whether or not there is such a route.
func isAPI(c *fiber.Ctx) bool { return strings.HasPrefix(c.Path(), path.API) }

// guardAPI lets those in whose key has the scope and whose tenant has requests left, and notes the key in the request.
func (s *Server) guardAPI(c *fiber.Ctx, scope posthorn.Scope) error {
	kind := posthorn.RequestAPI
	if scope == posthorn.ScopePublish {
		kind = posthorn.RequestPublish
	}
	if err := s.admit(c, kind); err != nil {
		return err
	}
	if !requestOf(c).apiKey.Has(scope) {
		return posthorn.Errorf(posthorn.Forbidden, "This needs an API key with the scope %s.", scope)
	}
	return c.Next()
}

// presentedAPIKey returns the key of a request, empty when it has none. Different ones in several places are Unauthorized:
// whose request it is would depend on who reads it. An empty place has none, and another scheme of authorization is left to the
// proxies that it is for.
func presentedAPIKey(c *fiber.Ctx) (string, error) {
	var keys []string
	for _, line := range c.Request().Header.PeekAll(fiber.HeaderAuthorization) {
		if scheme, key, _ := strings.Cut(strings.TrimSpace(string(line)), " "); strings.EqualFold(scheme, bearer) {
			keys = append(keys, strings.TrimSpace(key))
		}
	}
	for _, line := range c.Request().Header.PeekAll(headerAPIKey) {
		keys = append(keys, strings.TrimSpace(string(line)))
	}
	for _, value := range c.Context().QueryArgs().PeekMulti(queryAPIKey) {
		keys = append(keys, string(value))
	}
	keys = slices.DeleteFunc(keys, func(key string) bool { return key == "" })
	slices.Sort(keys)
	if keys = slices.Compact(keys); len(keys) > 1 {
		return "", posthorn.Errorf(posthorn.Unauthorized, "Several different API keys were given. Send one.")
	}
	return strings.Join(keys, ""), nil
}

// apiTenant is the tenant whose key the request presented.
func apiTenant(c *fiber.Ctx) posthorn.TenantID { return requestOf(c).apiKey.TenantID }

// apiActor is the request's key as the audit log names it.
func (*Server) apiActor(c *fiber.Ctx) posthorn.Actor {
	r := requestOf(c)
	return r.apiKey.Actor(r.address.String())
}

// answerAPIError writes the error of an API call. A fault of ours is told by the id that the log has.
func answerAPIError(c *fiber.Ctx, f failure, err error) error {
	if f.status == http.StatusUnauthorized {
		c.Set(fiber.HeaderWWWAuthenticate, bearer)
	}
	if _, ok := errors.AsType[*fiber.Error](err); ok && f.status == http.StatusNotFound {
		f.message = "There is nothing at this address."
	}
	if f.status == http.StatusInternalServerError {
		f.message += " The request id is " + requestOf(c).id + "."
	}
	return sendJSON(c, f.status, apiError{Error: f.message, Code: f.code, Fields: f.fields})
}

// badRequestError reports a body that is not JSON at all. Its message is safe to show.
type badRequestError struct {
	message string
	err     error
}

func (e *badRequestError) Error() string {
	if e.err != nil {
		return e.message + ": " + e.err.Error()
	}
	return e.message
}

func (e *badRequestError) Unwrap() error { return e.err }

// readJSON returns the body of a request, which is one JSON value of at most limit bytes in UTF-8, and what it says is still to
// be checked. Another type of content, or a compressed body, is Unsupported, a larger one TooLarge; everything else that is
// wrong is a 400.
func readJSON(c *fiber.Ctx, limit int) ([]byte, error) {
	if err := wantJSON(c); err != nil {
		return nil, err
	}
	body, err := readBody(c, limit)
	return checkJSON(body, err, limit)
}

// readOptionalJSON is readJSON for a body that may be left out, nil where it is: also by a program that did not say how long it
// would be.
func readOptionalJSON(c *fiber.Ctx, limit int) ([]byte, error) {
	if c.Request().Header.ContentLength() > 0 {
		return readJSON(c, limit)
	}
	body, err := readBody(c, limit)
	if err == nil && len(body) == 0 {
		return nil, nil
	}
	if err := wantJSON(c); err != nil {
		return nil, err
	}
	return checkJSON(body, err, limit)
}

// checkJSON returns what readBody has read when it is JSON, and says what is wrong otherwise.
func checkJSON(body []byte, err error, limit int) ([]byte, error) {
	switch {
	case kindIs(err, posthorn.TooLarge):
		return nil, posthorn.Because(posthorn.TooLarge, "The request body is larger than "+byteLimit(limit)+".", err)
	case kindIs(err, posthorn.Invalid):
		return nil, &badRequestError{"The request body did not arrive whole.", err}
	case err != nil:
		return nil, err
	case len(body) == 0:
		return nil, &badRequestError{message: "The request body is empty. Send JSON."}
	case !utf8.Valid(body):
		return nil, &badRequestError{message: "The request body is not UTF-8."}
	case !json.Valid(body):
		return nil, &badRequestError{message: "The request body is not valid JSON."}
	}
	return body, nil
}

// byteLimit writes a limit as people say it: "256 KiB".
func byteLimit(n int) string {
	const kib, mib = 1 << 10, 1 << 20
	if n%mib == 0 {
		return strconv.Itoa(n/mib) + " MiB"
	}
	return strconv.Itoa(n/kib) + " KiB"
}

// listAnswer is a page of a list.
type listAnswer[T any] struct {
	Data []T `json:"data"`
	// NextCursor and PrevCursor lead to the pages beside it, null where there is none.
	NextCursor *string `json:"nextCursor"`
	PrevCursor *string `json:"prevCursor"`
}

// newListAnswer makes the answer of a list; empty cursors lead nowhere.
func newListAnswer[T any](data []T, next, prev string) listAnswer[T] {
	answer := listAnswer[T]{Data: data}
	if data == nil {
		answer.Data = []T{}
	}
	if next != "" {
		answer.NextCursor = &next
	}
	if prev != "" {
		answer.PrevCursor = &prev
	}
	return answer
}
