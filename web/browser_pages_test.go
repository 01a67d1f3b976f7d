package web_test

import (
	"encoding/base64"
	"flag"
	"fmt"
	"path/filepath"
	"strings"
	"testing"

	"posthorn/internal/browserkit"
	"posthorn/internal/posthorn"
	"posthorn/internal/sitekit"
	"posthorn/internal/testkit"
	"posthorn/views/path"
)

// shots is where the tests of this file also write what they see: go test ./web -run TestEveryPage -args -shots=DIR.
var shots = flag.String("shots", "", "folder for screenshots of every page")

// view is one page in one state.
type view struct {
	name string
	open func(p *browserkit.Page)
	// from is the width from which it is there.
	from int64
}

func at(name, target string) view {
	return view{name: name, open: func(p *browserkit.Page) { p.Goto(target) }}
}

// looks are how views are examined. A theme changes nothing but colours, so that each theme and each size is examined whole once.
// The race detector, which finds nothing in a browser, leaves out what repeats itself.
var looks = []struct {
	scheme browserkit.Scheme
	size   browserkit.Size
	find   func(*browserkit.Page) []browserkit.Violation
}{
	{browserkit.Light, browserkit.Desktop, (*browserkit.Page).Axe},
	{browserkit.Dark, browserkit.Phone, (*browserkit.Page).Axe},
	{browserkit.Dark, browserkit.Desktop, (*browserkit.Page).Contrast},
}

// examine looks at views in both themes and at every width: nothing sticks out, and axe-core finds nothing.
func examine(t *testing.T, browser *browserkit.Page, views ...view) {
	t.Helper()
	for _, v := range views {
		t.Run(v.name, func(t *testing.T) {
			t.Parallel()
			p := browser.Tab(t)
			v.open(p)
			fits := func(size browserkit.Size) {
				p.Viewport(size)
				if by, culprit := p.Overflow(); by > 0 && size.Width >= v.from {
					t.Errorf("%d px wider than %d px, because of %s", by, size.Width, culprit)
				}
			}
			for _, width := range []int64{320, 768, 1024} {
				fits(browserkit.Size{Width: width, Height: 812})
			}
			for i, look := range looks {
				if look.size.Width < v.from || i > 1 && testkit.Race {
					continue
				}
				p.Prefer(look.scheme, browserkit.Still)
				fits(look.size)
				for _, violation := range look.find(p) {
					t.Errorf("%s, %d px: %v", look.scheme, look.size.Width, violation)
				}
				if *shots != "" {
					p.Screenshot(filepath.Join(*shots, fmt.Sprintf("%s-%s-%d.png", v.name, look.scheme, look.size.Width)))
				}
			}
		})
	}
}

func TestEveryPageForStrangersIsAccessibleAndFits(t *testing.T) {
	t.Parallel()
	s := sitekit.Start(t)
	p := visitor(t, s)
	p.Allow("POST /login: 401")
	examine(t, p, at("login", path.Login), view{name: "login-error", open: func(p *browserkit.Page) {
		signIn(p, s.Owner.Email, "not the password")
		p.Visible("[role=alert]", "Email or password is wrong.")
		p.Focused("[role=alert]")
	}})
}

// unsetSite runs a Posthorn that has no owner yet.
func unsetSite(t *testing.T) *sitekit.Site {
	t.Helper()
	key := base64.StdEncoding.EncodeToString([]byte(strings.Repeat("k", 32)))
	return sitekit.Start(t, "POSTHORN_ENV=production", "POSTHORN_SECRET_KEY="+key)
}

func TestTheSetupPageIsAccessibleAndFits(t *testing.T) {
	t.Parallel()
	s := unsetSite(t)
	p := visitor(t, s)
	p.Allow("POST /setup: 422")
	examine(t, p, at("setup", path.Setup), view{name: "setup-error", open: func(p *browserkit.Page) {
		p.Goto(path.Setup)
		p.Fill(field(posthorn.FieldTenant), "Meridian Pay")
		p.Fill(field(posthorn.FieldName), "Amara Okafor")
		p.Fill(field(posthorn.FieldEmail), "amara@meridianpay.example")
		p.Fill(field(posthorn.FieldPassword), "password")
		p.Click("button", "Create organisation")
		p.Visible("[aria-invalid=true]")
	}})
}

func TestEveryPageWithoutRecordsIsAccessibleAndFits(t *testing.T) {
	t.Parallel()
	s := sitekit.Start(t)
	examine(t, person(t, s),
		at("overview-empty", path.Home),
		at("activity-empty", path.Activity),
	)
}

func TestEveryPageWithRecordsIsAccessibleAndFits(t *testing.T) {
	t.Parallel()
	s := sitekit.Start(t)
	ids := postChecks(t, s)
	p := person(t, s)
	p.Allow("GET /no-such-page: 404")
	p.Allow("GET /activity/act_0000000000000000000000: 404")
	p.Allow(`GET /activity\?type=kyx: 422`)
	p.Allow("POST /settings/profile/password: 422")
	examine(t, p,
		at("overview", path.Home),
		at("activity", path.Activity),
		at("activity-filtered", path.Activity+"?blockchain=ethereum&metadata.source=async-worker-1&range=24h&risk=critical&type=kyt"),
		at("activity-none-match", path.Activity+"?q=nothing-has-this"),
		at("activity-faults", path.Activity+"?type=kyx"),
		view{name: "activity-drawer", open: func(p *browserkit.Page) {
			p.Goto(recordURL(ids[3]))
			p.Visible(drawer)
		}},
		view{name: "activity-menu", open: func(p *browserkit.Page) {
			p.Goto(path.Activity)
			p.Click("#f-time-chip")
			p.Visible("#f-time:popover-open")
		}},
		at("record", path.ActivityRecordPage(ids[3])),
		at("record-error", path.ActivityRecordPage(ids[7])),
		at("record-missing", recordURL(posthorn.ActivityID{}.String())),
		at("profile", path.SettingsProfile),
		view{name: "profile-error", open: func(p *browserkit.Page) {
			p.Goto(path.SettingsProfile)
			p.Fill(field(posthorn.FieldCurrentPassword), "not the password")
			p.Fill(field(posthorn.FieldNewPassword), "short")
			p.Click("button", "Change password")
			p.Visible("[aria-invalid=true]")
		}},
		at("search", path.Search),
		at("missing", "/no-such-page"),
		view{name: "shortcuts", from: 768, open: func(p *browserkit.Page) {
			p.Goto(path.Activity)
			p.Press("?")
			p.Visible("#shortcuts:modal")
		}},
	)
}
