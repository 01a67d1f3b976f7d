package web_test

import (
	"strings"
	"testing"

	"posthorn/internal/posthorn"
	"posthorn/internal/sitekit"
	"posthorn/views/path"
)

func TestEverythingWorksWithoutJavaScript(t *testing.T) {
	t.Parallel()
	s := sitekit.Start(t)
	ids := fillFeed(s, 55)
	kya := s.PostActivity(map[string]any{"activityType": "kya", "transactionHash": nil, "address": "bc1qbbbb2222", "metadata": map[string]any{"source": "w2"}})
	p := visitor(t, s)
	p.DisableScript()

	p.Goto(path.Activity)
	p.At(path.LoginThen(path.Activity))
	fillSignIn(p, s.Owner.Email, s.Owner.Password)
	p.At(path.Activity)
	for _, useless := range []string{"[data-live]", "[data-copy]", "[data-open]"} {
		if p.Shows(useless) {
			t.Errorf("%s is shown and does nothing", useless)
		}
	}

	p.Click(".segmented label", "KYA")
	p.Click("button", "Apply filters")
	p.Wait("location.search.includes('type=kya')")
	p.Visible(row(kya))
	if n := p.Count(rowLink); n != 1 {
		t.Errorf("%d rows pass the filter, want 1", n)
	}
	p.Click("#f-metadata-chip")
	p.Fill("#metadata-key", "source")
	p.Fill("#metadata-value", "w2")
	p.Click("#f-metadata button", "Add condition")
	p.Wait("location.search.includes('metadata.source=w2')")
	p.Visible("#f-metadata-chip[data-active]", "source = w2")
	p.Visible(row(kya))
	p.Click(".filters-clear")
	p.At(path.Activity)

	p.Click("nav[aria-label=Pages] a", "Older")
	p.Visible(row(ids[54]))
	p.Click("nav[aria-label=Pages] a", "Newer")
	p.Visible(row(ids[0]))

	p.Click(row(ids[0]) + " .row-link")
	p.At(recordURL(ids[0]))
	p.Visible("#drawer-slot dialog[open]", "feed0054")
	p.Click("#drawer-slot dialog a[aria-label^=Close]")
	p.At(path.Activity)
	p.Hidden("#drawer-slot dialog")
	p.Goto(recordURL(ids[1]))
	p.ClickAt(300, 500)
	p.At(path.Activity)
	p.Goto(path.ActivityRecordPage(ids[1]))
	p.Visible("h1", "feed0053")

	p.Click("[popovertarget=user-menu]")
	p.Click("#user-menu button", "Dark theme")
	p.At(path.ActivityRecordPage(ids[1]))
	p.Visible("html[data-theme=dark]")
	p.Visible("#toasts", "Your preferences are saved.")
	p.Goto(path.SettingsProfile)
	p.Fill(field(posthorn.FieldName), "Amara Okafor")
	p.Click("button", "Save name")
	p.At(path.SettingsProfile)
	p.Visible("#toasts", "Your name is saved.")
	if !strings.Contains(p.Text("#nav"), "Amara Okafor") {
		t.Error("the name is not the new one")
	}

	p.Click("[popovertarget=user-menu]")
	p.Click("#user-menu button", "Sign out")
	p.At(path.Login)
	p.Goto(path.Activity)
	p.At(path.LoginThen(path.Activity))
}
