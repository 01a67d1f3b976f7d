package web_test

import (
	"net/http"
	"net/url"
	"strings"
	"testing"

	"github.com/PuerkitoBio/goquery"
	"github.com/google/go-cmp/cmp"

	"posthorn/internal/posthorn"
	"posthorn/internal/sitekit"
	"posthorn/views/pages"
	"posthorn/views/path"
)

func TestAFormThatChangesNothingChangesNothing(t *testing.T) {
	t.Parallel()
	s := sitekit.Start(t)
	c := s.SignedIn()
	for name, change := range map[string]func(in *posthorn.WebhookInput){
		"all defaults":      nil,
		"all and its own":   func(in *posthorn.WebhookInput) { in.Events = &[]string{"webhook.*", "*", "delivery.failed"} },
		"categories":        func(in *posthorn.WebhookInput) { in.Events = &[]string{"user.created", "aml.*", "activity.flagged"} },
		"about itself only": func(in *posthorn.WebhookInput) { in.Events = &[]string{"delivery.*", "webhook.disabled"} },
		"own API secret": func(in *posthorn.WebhookInput) {
			in.Signature = &posthorn.Signature{Scheme: posthorn.SchemeSmartKYC}
		},
		"own key": func(in *posthorn.WebhookInput) {
			in.Signature = &posthorn.Signature{Scheme: posthorn.SchemeSmartKYC, Key: posthorn.KeyWebhook}
		},
		"custom": func(in *posthorn.WebhookInput) {
			in.Signature = &posthorn.Signature{Scheme: posthorn.SchemeCustom, Header: "X-S", Encoding: posthorn.EncodingBase64, Over: posthorn.OverBody}
		},
		"everything": func(in *posthorn.WebhookInput) {
			in.Headers = &[]posthorn.HeaderInput{{Name: "X-B", Value: "b"}, {Name: "X-A", Value: "a"}}
			in.Description, in.Active = new("One\n\nthree  "), new(false)
			in.RetryOn, in.RateLimit, in.MaxAttempts = &[]int{425}, new(9), new(2)
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := makeWebhook(t, s, change)
			a := c.Post(path.WebhookSettings(w.ID.String()), settingsForm(t, c, w.ID))
			wantRedirect(t, a, path.WebhookSettings(w.ID.String()))
			got := storedWebhook(t, s, w.ID)
			if diff := cmp.Diff(w.Webhook, got.Webhook); diff != "" {
				t.Error(diff)
			}
		})
	}
}

func TestSettingsAreSavedAndHeadersKeptUnlessTypedAgain(t *testing.T) {
	t.Parallel()
	s := sitekit.Start(t)
	c := s.SignedIn()
	w := makeWebhook(t, s, func(in *posthorn.WebhookInput) {
		in.Headers = &[]posthorn.HeaderInput{{Name: "X-Kept", Value: "kept-value"}, {Name: "X-Replaced", Value: "old-value"}}
	})
	settings := path.WebhookSettings(w.ID.String())
	if page := c.Get(settings).Text; strings.Contains(page, "kept-value") || strings.Contains(page, "old-value") {
		t.Fatal("the form shows the value of a stored header")
	}
	form := settingsForm(t, c, w.ID)
	form.Set(posthorn.FieldName, "Renamed")
	form[pages.FieldHeaderValue] = []string{"", "new-value"}
	wantRedirect(t, c.Post(settings, form), settings)
	wantNews(t, c, settings, "Saved.")
	got := storedWebhook(t, s, w.ID)
	if got.Name != "Renamed" || got.UpdatedBy != "Owner" || got.Version != 2 {
		t.Errorf("%+v", got.Webhook)
	}
	open := func(h posthorn.CustomHeader) string {
		value, err := s.Box.Open(h.Sealed, posthorn.WebhookHeaderPlace(w.ID, h.Name))
		if err != nil {
			t.Fatal(err)
		}
		return string(value)
	}
	if kept, replaced := open(got.Headers[0]), open(got.Headers[1]); kept != "kept-value" || replaced != "new-value" {
		t.Errorf("the headers are %q and %q", kept, replaced)
	}
}

// differences are the fields of a conflict with what others saved and what was typed.
func differences(alert *goquery.Selection) map[string][]string {
	found := map[string][]string{}
	alert.Find("tbody tr").Each(func(_ int, row *goquery.Selection) {
		found[text(row.Find("th"))] = row.Find("td").Map(func(_ int, cell *goquery.Selection) string { return text(cell) })
	})
	return found
}

func TestAnEditOfAnOldVersionShowsBoth(t *testing.T) {
	t.Parallel()
	s := sitekit.Start(t)
	c := s.SignedIn()
	w := makeWebhook(t, s, nil)
	settings := path.WebhookSettings(w.ID.String())
	mine, theirs := settingsForm(t, c, w.ID), settingsForm(t, c, w.ID)
	theirs.Set(posthorn.FieldName, "Theirs")
	theirs.Set(posthorn.FieldTimeout, "20")
	wantRedirect(t, c.Post(settings, theirs), settings)

	mine.Set(posthorn.FieldName, "Mine")
	mine.Set(posthorn.FieldDescription, "Kept for me")
	a := c.Post(settings, mine)
	wantStatus(t, a, http.StatusConflict)
	page := a.HTML(t)
	alert := page.Find("main [role=alert]")
	if got := text(alert.Find("h2")); !strings.HasPrefix(got, "Not saved: Owner changed this webhook at ") {
		t.Errorf("the alert says %q", got)
	}
	want := map[string][]string{"Name": {"Theirs", "Mine"}, "Description": {"– None", "Kept for me"}, "Timeout, seconds": {"20", "15"}}
	if diff := cmp.Diff(want, differences(alert)); diff != "" {
		t.Error(diff)
	}
	if page.Find("#webhook-form[data-guard][data-dirty]").Length() != 1 {
		t.Error("what was typed is not guarded")
	}
	again := filled(t, page, "#webhook-form")
	if again.Get(posthorn.FieldName) != "Mine" || again.Get(posthorn.FieldDescription) != "Kept for me" {
		t.Errorf("the form lost what was typed: %v", again)
	}
	if got := storedWebhook(t, s, w.ID); got.Name != "Theirs" {
		t.Errorf("the old edit was saved: %q", got.Name)
	}
	wantRedirect(t, c.Post(settings, again), settings)
	if got := storedWebhook(t, s, w.ID); got.Name != "Mine" || got.Timeout.Seconds() != 15 {
		t.Errorf("mine was not saved over theirs: %+v", got.Webhook)
	}

	// Two who make the same change have nothing to decide.
	same := settingsForm(t, c, w.ID)
	same.Set(pages.FieldVersion, "1")
	wantRedirect(t, c.Post(settings, same), settings)
	for _, version := range []string{"", "0", "none"} {
		same.Set(posthorn.FieldName, "Without a version")
		same.Set(pages.FieldVersion, version)
		wantStatus(t, c.Post(settings, same), http.StatusConflict)
	}
}

func TestATypedHeaderValueIsNeverTakenForSaved(t *testing.T) {
	t.Parallel()
	s := sitekit.Start(t)
	c := s.SignedIn()
	w := makeWebhook(t, s, func(in *posthorn.WebhookInput) { in.Headers = &[]posthorn.HeaderInput{{Name: "X-Old", Value: "old"}} })
	settings := path.WebhookSettings(w.ID.String())
	withToken := func(form url.Values, value string) url.Values {
		form.Add(pages.FieldHeaderName, "X-Token")
		form.Add(pages.FieldHeaderValue, value)
		form.Add(pages.FieldHeaderStored, "")
		return form
	}
	mine, replaced := withToken(settingsForm(t, c, w.ID), "mine"), withToken(settingsForm(t, c, w.ID), "their-value")
	wantRedirect(t, c.Post(settings, withToken(settingsForm(t, c, w.ID), "their-value")), settings)

	replaced[pages.FieldHeaderValue] = []string{"new", ""}
	for _, v := range []struct {
		form url.Values
		says string
	}{{mine, "X-Old, X-Token (new value)"}, {replaced, "X-Old (new value), X-Token"}} {
		a := c.Post(settings, v.form)
		wantStatus(t, a, http.StatusConflict)
		want := map[string][]string{"Custom headers": {"X-Old, X-Token", v.says}}
		if diff := cmp.Diff(want, differences(a.HTML(t).Find("main [role=alert]"))); diff != "" {
			t.Error(diff)
		}
		if strings.Contains(a.Text, "their-value") {
			t.Error("the page shows what the other typed")
		}
	}
	again := filled(t, c.Post(settings, mine).HTML(t), "#webhook-form")
	wantRedirect(t, c.Post(settings, again), settings)
	for i, want := range []string{"old", "mine"} {
		h := storedWebhook(t, s, w.ID).Headers[i]
		if got, err := s.Box.Open(h.Sealed, posthorn.WebhookHeaderPlace(w.ID, h.Name)); err != nil || string(got) != want {
			t.Errorf("%s is %q, %v", h.Name, got, err)
		}
	}
}

func TestAWebhookIsDeactivatedAndActivated(t *testing.T) {
	t.Parallel()
	s := sitekit.Start(t)
	c := s.SignedIn()
	w := makeWebhook(t, s, nil)
	id := w.ID.String()
	list := path.With(path.Webhooks, url.Values{pages.FilterState: {"active"}})
	ask := c.Get(path.With(path.WebhookDeactivate(id), url.Values{"next": {list}}), into("dialog-slot")...).HTML(t)
	if ask.Find("dialog[open][data-modal] form[hx-post]").Length() != 1 || ask.Find("main").Length() != 0 {
		t.Error("htmx gets no dialog")
	}
	form := filled(t, ask, "form")
	wantRedirect(t, c.Post(path.WebhookDeactivate(id), form), list)
	wantNews(t, c, path.Webhook(id), "Ledger sync is inactive.")
	if got := storedWebhook(t, s, w.ID).Status; got.State != posthorn.WebhookInactive || got.By != "Owner" {
		t.Errorf("%+v", got)
	}
	a := c.Post(path.WebhookActivate(id), url.Values{"next": {"https://evil.example/"}})
	wantRedirect(t, a, path.Webhook(id))
	if got := storedWebhook(t, s, w.ID).Status; got.State != posthorn.WebhookActive {
		t.Errorf("%+v", got)
	}
	a = c.Post(path.WebhookDeactivate(id), nil, into("dialog-slot")...)
	if a.Header.Get("HX-Redirect") != path.Webhook(id) {
		t.Errorf("htmx is sent to %q", a.Header.Get("HX-Redirect"))
	}
}

func TestACopyShowsItsOwnSecretOnce(t *testing.T) {
	t.Parallel()
	s := sitekit.Start(t)
	c := s.SignedIn()
	w := makeWebhook(t, s, nil)
	form := filled(t, c.Get(path.Webhook(w.ID.String())).HTML(t), "#webhook-menu form")
	a := c.Post(path.WebhookDuplicate(w.ID.String()), form)
	wantStatus(t, a, http.StatusOK)
	address := a.HTML(t).Find("[data-replace-url]").AttrOr("data-replace-url", "")
	if !shownSecret.MatchString(a.Text) || address == path.Webhook(w.ID.String()) {
		t.Fatalf("no secret, or that of the first webhook, at %q", address)
	}
	wantRedirect(t, c.Post(path.WebhookDuplicate(w.ID.String()), form), address)
	if n := countWebhooks(t, s); n != 2 {
		t.Errorf("%d webhooks", n)
	}
	// The key of a page counts for each webhook on it.
	other := makeWebhook(t, s, nil)
	wantStatus(t, c.Post(path.WebhookDuplicate(other.ID.String()), form), http.StatusOK)
}

func TestOnlyItsNameDeletesAWebhook(t *testing.T) {
	t.Parallel()
	s := sitekit.Start(t)
	c := s.SignedIn()
	w := makeWebhook(t, s, nil)
	target := path.WebhookDelete(w.ID.String())
	for _, typed := range []string{"", "ledger sync", "Ledger"} {
		page := c.Post(target, url.Values{posthorn.FieldConfirm: {typed}})
		wantStatus(t, page, http.StatusUnprocessableEntity)
		if got := text(page.HTML(t).Find("main .error")); !strings.Contains(got, "must be the name of the webhook") {
			t.Errorf("the page says %q", got)
		}
		dialog := c.Post(target, url.Values{posthorn.FieldConfirm: {typed}}, into("dialog-slot")...)
		wantStatus(t, dialog, http.StatusUnprocessableEntity)
		if dialog.HTML(t).Find("dialog .error").Length() != 1 || dialog.HTML(t).Find("[name=confirm]").AttrOr("value", "-") != typed {
			t.Error("the dialog lost the fault or what was typed")
		}
	}
	wantRedirect(t, c.Post(target, url.Values{posthorn.FieldConfirm: {"Ledger sync"}}), path.Webhooks)
	wantNews(t, c, path.Webhooks, "Ledger sync is deleted.")
	wantStatus(t, c.Get(path.Webhook(w.ID.String())), http.StatusNotFound)
}

func TestASecretIsRotatedAndTheOldOneRetired(t *testing.T) {
	t.Parallel()
	s := sitekit.Start(t)
	c := s.SignedIn()
	w := makeWebhook(t, s, nil)
	id := w.ID.String()
	form := filled(t, c.Get(path.WebhookRotateSecret(id)).HTML(t), "main form")
	if form.Get(posthorn.FieldOverlap) != "86400" {
		t.Errorf("the overlap is %q at first", form.Get(posthorn.FieldOverlap))
	}
	for field, value := range map[string]string{posthorn.FieldOverlap: "604801", posthorn.FieldSecret: "too short"} {
		wrong := url.Values{posthorn.FieldOverlap: form[posthorn.FieldOverlap], field: {value}}
		a := c.Post(path.WebhookRotateSecret(id), wrong, into("dialog-slot")...)
		wantStatus(t, a, http.StatusUnprocessableEntity)
		if a.HTML(t).Find("dialog .error").Length() != 1 {
			t.Errorf("%s=%s is no fault of its field", field, value)
		}
	}
	a := c.Post(path.WebhookRotateSecret(id), form)
	wantStatus(t, a, http.StatusOK)
	if !shownSecret.MatchString(a.Text) || !strings.Contains(text(a.HTML(t).Find("dialog")), "New signing secret for Ledger sync") || !strings.Contains(a.Text, "The old secret also signs until") {
		t.Error("the new secret is not shown, or not what becomes of the old one")
	}
	wantRedirect(t, c.Post(path.WebhookRotateSecret(id), form), path.Webhook(id))
	if n := len(storedWebhook(t, s, w.ID).Secrets); n != 2 {
		t.Errorf("%d secrets are live", n)
	}
	dialog := c.Post(path.WebhookRotateSecret(id), url.Values{posthorn.FieldOverlap: {"3600"}, posthorn.FieldSecret: {strings.Repeat("own-", 8)}}, into("dialog-slot")...)
	wantStatus(t, dialog, http.StatusOK)
	if !shownSecret.MatchString(dialog.Text) || dialog.HTML(t).Find("main").Length() != 0 {
		t.Error("htmx gets no dialog with the secret")
	}

	wantRedirect(t, c.Post(path.WebhookRetireSecrets(id), nil), path.Webhook(id))
	wantNews(t, c, path.Webhook(id), "Deliveries are signed with the new secret alone from now on.")
	if n := len(storedWebhook(t, s, w.ID).Secrets); n != 1 {
		t.Errorf("%d secrets are live", n)
	}
	c.Post(path.WebhookRetireSecrets(id), nil)
	wantNews(t, c, path.Webhook(id), "There was no old secret any more.")

	for range posthorn.MaxLiveSecrets - 1 {
		wantStatus(t, c.Post(path.WebhookRotateSecret(id), url.Values{posthorn.FieldOverlap: {"3600"}}), http.StatusOK)
	}
	full := c.Post(path.WebhookRotateSecret(id), url.Values{posthorn.FieldOverlap: {"3600"}}, into("dialog-slot")...)
	wantStatus(t, full, http.StatusConflict)
	if got := text(full.HTML(t).Find("dialog [role=alert]")); !strings.Contains(got, "Retire the old secrets first.") {
		t.Errorf("the dialog says %q", got)
	}
}

func TestAWebhookThatSignsWithTheAPISecretHasNoneToRotate(t *testing.T) {
	t.Parallel()
	s := sitekit.Start(t)
	c := s.SignedIn()
	w := makeWebhook(t, s, func(in *posthorn.WebhookInput) { in.Signature = &posthorn.Signature{Scheme: posthorn.SchemeSmartKYC} })
	for _, target := range []string{path.Webhook(w.ID.String()), path.WebhookSettings(w.ID.String())} {
		page := c.Get(target).HTML(t)
		if page.Find(`a[href="`+path.WebhookRotateSecret(w.ID.String())+`"]`).Length() != 0 || page.Find(`main a[href="`+path.Credentials+`"]`).Length() == 0 {
			t.Errorf("%s offers to rotate, or does not lead to the API secret", target)
		}
	}
	wantStatus(t, c.Post(path.WebhookRotateSecret(w.ID.String()), url.Values{posthorn.FieldOverlap: {"0"}}), http.StatusConflict)
}
