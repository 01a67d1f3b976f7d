package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strings"
	"time"

	"github.com/jackc/pgx/v5"

	"posthorn/views/path"
)

// client asks as a person who is signed in, and as a program with a key.
type client struct {
	server, key, cookies string
	http                 *http.Client
}

// newClient signs in.
func newClient(ctx context.Context, o *options) (*client, error) {
	c := &client{server: strings.TrimSuffix(o.server, "/"), key: o.key, http: &http.Client{
		Timeout: time.Minute, CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}}
	form := url.Values{"email": {o.email}, "password": {o.password}}
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, c.server+path.Login, strings.NewReader(form.Encode()))
	if err != nil {
		return nil, fmt.Errorf("sign in: %w", err)
	}
	req.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	res, err := c.http.Do(req)
	if err != nil {
		return nil, fmt.Errorf("sign in: %w", err)
	}
	defer func() { _ = res.Body.Close() }() // what it says is in its headers
	if res.StatusCode != http.StatusSeeOther || len(res.Cookies()) == 0 {
		return nil, fmt.Errorf("sign in: the server answered %s", res.Status)
	}
	// Not a jar: behind https the cookies are for https alone, and this is the server itself.
	for _, cookie := range res.Cookies() {
		c.cookies += cookie.Name + "=" + cookie.Value + "; "
	}
	return c, nil
}

// get asks for a page or, below the prefix of the API, for data, and returns the answer with how long it took until it was read.
func (c *client) get(ctx context.Context, target string) (body []byte, took time.Duration, err error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, c.server+target, nil)
	if err != nil {
		return nil, 0, err
	}
	if strings.HasPrefix(target, path.API) {
		req.Header.Set("Authorization", "Bearer "+c.key)
	} else {
		req.Header.Set("Cookie", c.cookies)
		if strings.HasSuffix(target, "/news") { // a part of a page, which a person has no use for alone
			req.Header.Set("HX-Request", "true")
		}
	}
	began := time.Now()
	res, err := c.http.Do(req)
	if err != nil {
		return nil, 0, fmt.Errorf("ask for %s: %w", target, err)
	}
	body, err = io.ReadAll(res.Body)
	took = time.Since(began)
	if err := errors.Join(err, res.Body.Close()); err != nil {
		return nil, 0, fmt.Errorf("ask for %s: %w", target, err)
	}
	if res.StatusCode != http.StatusOK {
		return nil, 0, fmt.Errorf("ask for %s: %s %.200s", target, res.Status, body)
	}
	return body, took, nil
}

// page is a page of a list of the API.
type page struct {
	Data []struct {
		ID, EventID, Event, Name string
		ApplicationID            string
	}
	NextCursor, PrevCursor string
}

// list asks the API for a page of a list.
func (c *client) list(ctx context.Context, target string, query url.Values) (p page, err error) {
	body, _, err := c.get(ctx, path.With(target, query))
	if err != nil {
		return p, err
	}
	if err := json.Unmarshal(body, &p); err != nil {
		return p, fmt.Errorf("read %s: %w", target, err)
	}
	return p, nil
}

// sizeOf is how much room a database takes on disk, in bytes.
func sizeOf(ctx context.Context, url string) (size int64, err error) {
	conn, err := pgx.Connect(ctx, url)
	if err != nil {
		return 0, fmt.Errorf("connect: %w", err)
	}
	defer func() { _ = conn.Close(ctx) }() // it only read
	if err := conn.QueryRow(ctx, `SELECT pg_database_size(current_database())`).Scan(&size); err != nil {
		return 0, fmt.Errorf("measure the database: %w", err)
	}
	return size, nil
}
