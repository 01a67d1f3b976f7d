package web_test

import (
	"bytes"
	"compress/gzip"
	"fmt"
	"mime/multipart"
	"net/http"
	"net/url"
	"strings"
	"sync"
	"testing"

	"posthorn/internal/sitekit"
	"posthorn/views/path"
)

// Fiber's trap: it reuses the buffers of a request for the next one. What a page shows of its address must be its own.
func TestConcurrentReadersSeeTheirOwnFilters(t *testing.T) {
	t.Parallel()
	s := sitekit.Start(t)
	s.PostActivity(nil)
	owner := s.SignedIn()
	var work sync.WaitGroup
	for w := range 16 {
		work.Go(func() {
			for i := range 15 {
				mine := fmt.Sprintf("worker-%02d-%s", w, strings.Repeat(string(rune('a'+w)), 1+i*7%30))
				doc := owner.Get(path.Activity + "?" + url.Values{"q": {mine}, "user": {mine}, "metadata." + mine: {mine}}.Encode()).HTML(t)
				for _, selector := range []string{"#filter-text", "#filter-user", "input[name='metadata." + mine + "']"} {
					if got := doc.Find(selector).AttrOr("value", ""); got != mine {
						t.Errorf("%s is %q, want %q", selector, got, mine)
					}
				}
			}
		})
	}
	work.Wait()
}

// Fiber's trap: its Body inflates a compressed one past every limit. A form that is compressed is no form.
func TestACompressedFormIsNotInflated(t *testing.T) {
	t.Parallel()
	s := sitekit.Start(t)
	var packed bytes.Buffer
	w := gzip.NewWriter(&packed)
	if _, err := fmt.Fprint(w, signInForm(s).Encode()+"&pad="+strings.Repeat("x", 32<<20)); err != nil {
		t.Fatal(err)
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	a := s.Client().Do(http.MethodPost, path.Login, &packed, "Content-Type", "application/x-www-form-urlencoded", "Content-Encoding", "gzip")
	if a.StatusCode != http.StatusUnprocessableEntity || setCookie(a) != nil {
		t.Errorf("%d", a.StatusCode)
	}
}

// Fiber's trap: its FormValue also looks at the query string, where passwords end up in the logs of everybody on the way.
func TestAFormIsNotTakenFromTheAddress(t *testing.T) {
	t.Parallel()
	s := sitekit.Start(t)
	a := s.Client().Post(path.Login+"?"+signInForm(s).Encode(), nil)
	if a.StatusCode != http.StatusUnprocessableEntity || setCookie(a) != nil || a.HTML(t).Find("input[name=email]").AttrOr("value", "") != "" {
		t.Errorf("sign-in: %d", a.StatusCode)
	}
	owner := s.SignedIn()
	for target, query := range map[string]string{
		path.SettingsProfile: "name=X", path.SettingsPreferences: "theme=dark&time_zone=UTC",
		path.SettingsPassword: url.Values{"current_password": {s.Owner.Password}, "new_password": {"another good secret"}}.Encode(),
	} {
		if a := owner.Post(target+"?"+query, nil); a.StatusCode != http.StatusUnprocessableEntity {
			t.Errorf("%s: %d", target, a.StatusCode)
		}
	}
	if a := s.Client().Post(path.Login+"?next=/settings/profile", signInForm(s)); a.Header.Get("Location") != path.Home {
		t.Errorf("next came from the address: %q", a.Header.Get("Location"))
	}
	unowned := startUnowned(t)
	if a := unowned.Client().Post(path.Setup+"?"+setupForm().Encode(), nil); a.StatusCode != http.StatusUnprocessableEntity {
		t.Errorf("setup: %d", a.StatusCode)
	}
}

// fasthttp's trap: it reads a form with files whole before any handler runs, and writes it to disk.
func TestAFormWithFilesIsNotReadBeforeAnybodyAsksWhoseItIs(t *testing.T) {
	t.Parallel()
	s := sitekit.Start(t)
	const contentType = "multipart/form-data; boundary=b"
	// What is no such form at all is refused by the endpoint, not by the reader of forms.
	if a := s.Ingest("no form", "Content-Type", contentType); a.StatusCode != http.StatusUnsupportedMediaType {
		t.Errorf("%d %s", a.StatusCode, a.Text)
	}
	if a := s.Ingest("no form", "Content-Type", contentType, "X-Activity-Webhook-Secret", "wrong"); a.StatusCode != http.StatusUnauthorized {
		t.Errorf("%d %s", a.StatusCode, a.Text)
	}
	var files bytes.Buffer
	w := multipart.NewWriter(&files)
	for name, values := range signInForm(s) {
		if err := w.WriteField(name, values[0]); err != nil {
			t.Fatal(err)
		}
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	if a := s.Client().Do(http.MethodPost, path.Login, &files, "Content-Type", w.FormDataContentType()); a.StatusCode != http.StatusUnprocessableEntity {
		t.Errorf("a sign-in with files: %d", a.StatusCode)
	}
}

// Fiber's trap: an error keeps the content type that the handler had set for what it did not send.
func TestAnErrorHasTheTypeOfItsOwnBody(t *testing.T) {
	t.Parallel()
	s := sitekit.Start(t)
	owner := s.SignedIn()
	for target, want := range map[string]string{
		path.ActivityExportCSV + "?type=x": "text/html; charset=utf-8", path.ActivityExportNDJSON + "?type=x": "text/html; charset=utf-8",
		path.Static + "nope.css": "text/html; charset=utf-8", "/nope": "text/html; charset=utf-8", "/api/nope": "application/json",
		path.IngestActivity: "application/json", path.ActivityRecord("act_x"): "text/html; charset=utf-8",
	} {
		a := owner.Get(target)
		if got := a.Header.Get("Content-Type"); got != want || a.StatusCode < http.StatusBadRequest {
			t.Errorf("%s: %d %q", target, a.StatusCode, got)
		}
		if strings.HasPrefix(want, "text/html") != strings.Contains(a.Text, "<!doctype html>") {
			t.Errorf("%s: %.40s", target, a.Text)
		}
	}
	// A stream that cannot begin, for want of the table that it reads.
	selectRows[string](t, s, `ALTER TABLE user_activity_history RENAME TO gone`)
	a := owner.Get(path.ActivityStream, "Accept", "text/event-stream")
	if got := a.Header.Get("Content-Type"); a.StatusCode != http.StatusInternalServerError || got != "text/html; charset=utf-8" {
		t.Errorf("stream: %d %q", a.StatusCode, got)
	}
	if s.Goroutines(streamFunction) != 0 {
		t.Error("it began")
	}
}

func TestAFaultShowsAReferenceAndNothingElse(t *testing.T) {
	t.Parallel()
	s := sitekit.Start(t)
	owner := s.SignedIn()
	selectRows[string](t, s, `ALTER TABLE user_activity_history RENAME TO gone`)
	for _, target := range []string{path.Home, path.Activity, path.ActivityNew, path.ActivityExportCSV} {
		for _, headers := range [][]string{nil, fragmentOf("results")} {
			a := owner.Get(target, headers...)
			words := text(a.HTML(t).Find("[role=alert], main"))
			if a.StatusCode != http.StatusInternalServerError || !containsAll(words, "Something went wrong", a.Header.Get("X-Request-Id")) {
				t.Errorf("%s: %d %q", target, a.StatusCode, words)
			}
			for _, inside := range []string{"user_activity_history", "SQL", "relation", ".go", "goroutine"} {
				if strings.Contains(a.Text, inside) {
					t.Errorf("%s tells of %q", target, inside)
				}
			}
		}
	}
	if a := s.Ingest(body(t, nil)); a.StatusCode != http.StatusInternalServerError || a.Text != `{"error":"Failed to record activity"}` {
		t.Errorf("ingest: %d %s", a.StatusCode, a.Text)
	}
}
