package web_test

import (
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/PuerkitoBio/goquery"
	"github.com/jackc/pgx/v5"

	"posthorn/internal/posthorn"
	"posthorn/internal/sitekit"
)

// sessionCookie is the name of the cookie of a sign-in.
const sessionCookie = "posthorn_session"

// member is the sign-in of the member whom addMember makes, and the external id that their records carry.
const (
	memberEmail = "amara@posthorn.example"
	memberID    = "clerk_amara"
)

// addMember adds a member to a site and signs them in.
func addMember(t *testing.T, s *sitekit.Site) *sitekit.Client {
	t.Helper()
	s.CreateUser(posthorn.RoleMember, memberEmail, memberID)
	return s.SignedInAs(memberEmail, sitekit.UserPassword)
}

// newTenant makes a second organisation on a site and returns a client of its owner.
func newTenant(t *testing.T, s *sitekit.Site) (posthorn.Bootstrap, *sitekit.Client) {
	t.Helper()
	made, err := s.Accounts.CreateTenant(t.Context(), posthorn.CommandLine(), posthorn.NewTenant{
		Name: "Second", OwnerEmail: "second@posthorn.example", OwnerPassword: sitekit.UserPassword,
	})
	if err != nil {
		t.Fatal(err)
	}
	return made, s.SignedInAs("second@posthorn.example", sitekit.UserPassword)
}

// selectRows asks the site's database, past the product, and returns the rows with one column each.
func selectRows[T any](t *testing.T, s *sitekit.Site, sql string, args ...any) []T {
	t.Helper()
	conn, err := pgx.Connect(t.Context(), s.Config.DatabaseURL.Reveal())
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = conn.Close(t.Context()) }()
	rows, err := conn.Query(t.Context(), sql, args...)
	if err != nil {
		t.Fatal(err)
	}
	values, err := pgx.CollectRows(rows, pgx.RowTo[T])
	if err != nil {
		t.Fatal(err)
	}
	return values
}

// selectOne is selectRows for a query with one row.
func selectOne[T any](t *testing.T, s *sitekit.Site, sql string, args ...any) T {
	t.Helper()
	values := selectRows[T](t, s, sql, args...)
	if len(values) != 1 {
		t.Fatalf("%s: %d rows", sql, len(values))
	}
	return values[0]
}

// setCookie returns the session cookie that an answer sets; nil when it sets none.
func setCookie(a sitekit.Answer) *http.Cookie {
	for _, c := range a.Cookies() {
		if c.Name == sessionCookie {
			return c
		}
	}
	return nil
}

// text is what a selection says, without the white space of its markup.
func text(s *goquery.Selection) string { return strings.Join(strings.Fields(s.Text()), " ") }

// patience bounds every wait for something that takes milliseconds.
const patience = 20 * time.Second

// await waits for a condition that others bring about.
func await(t *testing.T, what string, condition func() bool) {
	t.Helper()
	look := time.NewTicker(10 * time.Millisecond)
	defer look.Stop()
	end := time.After(patience)
	for !condition() {
		select {
		case <-look.C:
		case <-end:
			t.Fatalf("waited in vain: %s", what)
		}
	}
}

func containsAll(s string, parts ...string) bool {
	for _, part := range parts {
		if !strings.Contains(s, part) {
			return false
		}
	}
	return true
}
