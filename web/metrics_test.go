package web_test

import (
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/netip"
	"net/url"
	"strings"
	"testing"

	"posthorn/internal/live"
	"posthorn/internal/metrics"
	"posthorn/internal/posthorn"
	"posthorn/views/path"
	"posthorn/web"
)

// serveMetrics runs a server that has nothing but metrics, and returns its address.
func serveMetrics(t *testing.T, token string, trusted ...netip.Prefix) string {
	t.Helper()
	m := metrics.New()
	m.EventsIngested(7)
	s := web.New(web.Options{
		Log: slog.New(slog.DiscardHandler), BaseURL: &url.URL{Scheme: "http", Host: "posthorn.example"},
		Live: live.NewHub(posthorn.ActivityNotice.Merge), CookieKeys: [][]byte{make([]byte, 32), make([]byte, 32)},
		Metrics: m.Handler(), MetricsToken: token, TrustedProxies: trusted,
	})
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	served := make(chan error, 1)
	go func() { served <- s.Serve(ln) }()
	t.Cleanup(func() {
		_ = s.Shutdown(t.Context())
		if err := <-served; err != nil {
			t.Error(err)
		}
	})
	return "http://" + ln.Addr().String() + path.Metrics
}

func TestMetricsAreForThisMachineAndForThoseWithTheToken(t *testing.T) {
	t.Parallel()
	loopback := netip.MustParsePrefix("127.0.0.0/8")
	for name, tc := range map[string]struct {
		token   string
		trusted []netip.Prefix
		headers []string
		want    int
	}{
		"this machine":                             {want: 200},
		"this machine with a wrong token":          {token: "right", headers: []string{"Authorization", "Bearer wrong"}, want: 200},
		"through a proxy":                          {trusted: []netip.Prefix{loopback}, headers: []string{"X-Forwarded-For", "203.0.113.7"}, want: 404},
		"through a proxy with the token":           {token: "right", trusted: []netip.Prefix{loopback}, headers: []string{"X-Forwarded-For", "203.0.113.7", "Authorization", "Bearer right"}, want: 200},
		"through a proxy, bearer in lower case":    {token: "right", trusted: []netip.Prefix{loopback}, headers: []string{"X-Forwarded-For", "203.0.113.7", "Authorization", "bearer  right "}, want: 200},
		"through a proxy with a wrong token":       {token: "right", trusted: []netip.Prefix{loopback}, headers: []string{"X-Forwarded-For", "203.0.113.7", "Authorization", "Bearer righ"}, want: 404},
		"through a proxy with another scheme":      {token: "right", trusted: []netip.Prefix{loopback}, headers: []string{"X-Forwarded-For", "203.0.113.7", "Authorization", "Basic right"}, want: 404},
		"through a proxy, no token is configured":  {trusted: []netip.Prefix{loopback}, headers: []string{"X-Forwarded-For", "203.0.113.7", "Authorization", "Bearer "}, want: 404},
		"through a proxy that invents loopback":    {trusted: []netip.Prefix{loopback}, headers: []string{"X-Forwarded-For", "127.0.0.1, 203.0.113.7"}, want: 404},
		"this machine through a proxy":             {trusted: []netip.Prefix{loopback}, headers: []string{"X-Forwarded-For", "127.0.0.1"}, want: 200},
		"through a proxy that is not trusted":      {headers: []string{"X-Forwarded-For", "203.0.113.7"}, want: 404},
		"loopback by one that is not trusted":      {headers: []string{"X-Forwarded-For", "127.0.0.1"}, want: 404},
		"through a proxy that says Forwarded":      {headers: []string{"Forwarded", "for=203.0.113.7"}, want: 404},
		"through a trusted one that says so alone": {trusted: []netip.Prefix{loopback}, headers: []string{"X-Real-IP", "203.0.113.7"}, want: 404},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, serveMetrics(t, tc.token, tc.trusted...), nil)
			if err != nil {
				t.Fatal(err)
			}
			for i := 0; i < len(tc.headers); i += 2 {
				req.Header.Set(tc.headers[i], tc.headers[i+1])
			}
			req.Close = true
			res, err := http.DefaultTransport.RoundTrip(req)
			if err != nil {
				t.Fatal(err)
			}
			defer func() { _ = res.Body.Close() }()
			body, err := io.ReadAll(res.Body)
			if err != nil {
				t.Fatal(err)
			}
			if res.StatusCode != tc.want {
				t.Errorf("%d, want %d", res.StatusCode, tc.want)
			}
			if strings.Contains(string(body), "posthorn_events_ingested_total 7") != (tc.want == http.StatusOK) {
				t.Errorf("%d with %.200s", res.StatusCode, body)
			}
		})
	}
}
