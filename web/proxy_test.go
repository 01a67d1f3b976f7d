package web_test

import (
	"fmt"
	"net/http"
	"strings"
	"testing"

	"posthorn/internal/sitekit"
	"posthorn/views/path"
)

func TestTheAddressIsTheRightmostThatNoTrustedProxyHas(t *testing.T) {
	t.Parallel()
	trusting := sitekit.Start(t, "POSTHORN_TRUSTED_PROXIES=127.0.0.0/8,10.0.0.0/8,2001:db8:1::/48")
	trustless := sitekit.Start(t)
	for name, tc := range map[string]struct {
		site *sitekit.Site
		// forwarded are the lines of X-Forwarded-For.
		forwarded []string
		want      string
	}{
		"nobody trusted":                   {trustless, []string{"203.0.113.7"}, "127.0.0.1"},
		"nothing forwarded":                {trusting, nil, "127.0.0.1"},
		"one hop":                          {trusting, []string{"203.0.113.7"}, "203.0.113.7"},
		"two proxies":                      {trusting, []string{"203.0.113.7, 10.1.2.3"}, "203.0.113.7"},
		"invented at the left":             {trusting, []string{"198.51.100.1, 203.0.113.7"}, "203.0.113.7"},
		"invented, two proxies":            {trusting, []string{"198.51.100.1, 203.0.113.7,10.1.2.3 ,10.9.9.9"}, "203.0.113.7"},
		"invented as a proxy":              {trusting, []string{"10.6.6.6, 203.0.113.7"}, "203.0.113.7"},
		"a line of its own":                {trusting, []string{"198.51.100.1", "203.0.113.7"}, "203.0.113.7"},
		"several lines":                    {trusting, []string{"198.51.100.1", "203.0.113.7, 10.1.2.3", "10.9.9.9"}, "203.0.113.7"},
		"all trusted":                      {trusting, []string{"10.1.2.3, 10.4.5.6"}, "10.1.2.3"},
		"IPv6":                             {trusting, []string{"2001:db8:2::1, 2001:db8:1::9"}, "2001:db8:2::1"},
		"IPv4 in IPv6":                     {trusting, []string{"::ffff:203.0.113.7, ::ffff:10.1.2.3"}, "203.0.113.7"},
		"garbage":                          {trusting, []string{"garbage"}, "127.0.0.1"},
		"garbage behind a proxy":           {trusting, []string{"198.51.100.1, <script>, 10.1.2.3"}, "10.1.2.3"},
		"garbage at the left":              {trusting, []string{"unknown, 203.0.113.7"}, "203.0.113.7"},
		"empty entries":                    {trusting, []string{",, ,"}, "127.0.0.1"},
		"with a port, which is no address": {trusting, []string{"203.0.113.7:443"}, "127.0.0.1"},
		"very long":                        {trusting, []string{strings.Repeat("198.51.100.1,", 500) + "203.0.113.7"}, "203.0.113.7"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			form := strings.NewReader(signInForm(tc.site).Encode())
			req, err := http.NewRequestWithContext(t.Context(), http.MethodPost, tc.site.URL+path.Login, form)
			if err != nil {
				t.Fatal(err)
			}
			req.Header.Set("Content-Type", "application/x-www-form-urlencoded")
			req.Header.Set("User-Agent", name)
			req.Header["X-Forwarded-For"] = tc.forwarded
			res, err := http.DefaultTransport.RoundTrip(req)
			if err != nil {
				t.Fatal(err)
			}
			_ = res.Body.Close()
			if got := selectOne[string](t, tc.site, `SELECT address FROM sessions WHERE user_agent = $1`, name); got != tc.want {
				t.Errorf("address %q, want %q", got, tc.want)
			}
		})
	}
}

func TestInventedHopsDoNotEscapeTheThrottleOfAnAddress(t *testing.T) {
	t.Parallel()
	s := sitekit.Start(t, "POSTHORN_TRUSTED_PROXIES=127.0.0.1/32")
	try := func(i int, hop string) int {
		return s.Client().Post(path.Login, signInForm(s, "email", fmt.Sprintf("nobody-%d@posthorn.example", i), "password", "wrong"),
			"X-Forwarded-For", fmt.Sprintf("198.51.100.%d, %s", i, hop)).StatusCode
	}
	for i := range 30 {
		if status := try(i, "203.0.113.7"); status != http.StatusUnauthorized {
			t.Fatalf("failure %d: %d", i+1, status)
		}
	}
	if status := try(31, "203.0.113.7"); status != http.StatusTooManyRequests {
		t.Errorf("the thirty-first failure from one address: %d", status)
	}
	if status := try(32, "203.0.113.8"); status != http.StatusUnauthorized {
		t.Errorf("another address: %d", status)
	}
	if a := s.Client().Post(path.Login, signInForm(s), "X-Forwarded-For", "203.0.113.7"); a.StatusCode != http.StatusTooManyRequests || a.Header.Get("Retry-After") == "" {
		t.Errorf("the right password from that address: %d", a.StatusCode)
	}
}
