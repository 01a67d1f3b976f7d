package app_test

import (
	"context"
	"fmt"
	"net/http"
	"slices"
	"strconv"
	"sync"
	"testing"
	"time"

	"posthorn/internal/posthorn"
	"posthorn/internal/sitekit"
	"posthorn/views/path"
)

// call is a request of the API and its answer.
type call struct {
	sent, answered           time.Time
	status                   int
	limit, remaining, reset  int
	retryAfter, headersFault string
}

// getAt asks a process for the event types.
func getAt(ctx context.Context, client *http.Client, url, key string) (call, error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, url+path.APIEventTypes, nil)
	if err != nil {
		return call{}, err
	}
	req.Header.Set("X-API-Key", key)
	c := call{sent: time.Now()}
	res, err := client.Do(req)
	if err != nil {
		return call{}, err
	}
	defer func() { _ = res.Body.Close() }()
	c.answered, c.status, c.retryAfter = time.Now(), res.StatusCode, res.Header.Get("Retry-After")
	for name, n := range map[string]*int{"RateLimit-Limit": &c.limit, "RateLimit-Remaining": &c.remaining, "RateLimit-Reset": &c.reset} {
		if *n, err = strconv.Atoi(res.Header.Get(name)); err != nil {
			c.headersFault = name + ": " + res.Header.Get(name)
		}
	}
	return c, nil
}

// callsAtOnce sends so many requests to each process at the same time.
func callsAtOnce(t *testing.T, key string, urls []string, split ...int) (passed, refused []call) {
	t.Helper()
	client := &http.Client{Transport: &http.Transport{MaxIdleConnsPerHost: 200}}
	defer client.CloseIdleConnections()
	var mu sync.Mutex
	var work sync.WaitGroup
	start := make(chan struct{})
	for i, n := range split {
		for range n {
			work.Go(func() {
				<-start
				c, err := getAt(t.Context(), client, urls[i], key)
				mu.Lock()
				defer mu.Unlock()
				switch {
				case err != nil:
					t.Error(err)
				case c.status == http.StatusOK:
					passed = append(passed, c)
				default:
					refused = append(refused, c)
				}
			})
		}
	}
	close(start)
	work.Wait()
	return passed, refused
}

// tenantKey makes a tenant and returns the key of its programs.
func tenantKey(t *testing.T, s *sitekit.Site) string {
	t.Helper()
	made, err := s.Accounts.CreateTenant(t.Context(), posthorn.CommandLine(), posthorn.NewTenant{
		Name: "Another", OwnerEmail: posthorn.NewTenantID().String() + "@posthorn.example", OwnerPassword: sitekit.UserPassword, WithCredentials: true,
	})
	if err != nil {
		t.Fatal(err)
	}
	return made.APIKey
}

// With the limits as they are unless somebody sets others. A token comes every 600 ms, and what came in while the requests were
// on their way may pass, too.
func TestTwoProcessesLetAHundredThroughAtOnceAndRefuseTheNext(t *testing.T) {
	t.Parallel()
	first := sitekit.Start(t)
	urls := []string{first.URL, startSecond(t, first)}
	for _, split := range [][]int{{100, 0}, {50, 50}, {1, 99}, {70, 30}} {
		key := tenantKey(t, first)
		began := time.Now()
		passed, refused := callsAtOnce(t, key, urls, split...)
		if len(passed) != 100 {
			t.Errorf("%v: %d passed and %d were refused", split, len(passed), len(refused))
		}
		more, refused := callsAtOnce(t, key, urls, 10, 10)
		if came := int(time.Since(began).Seconds() / 0.6); len(more) > came {
			t.Errorf("%v: %d more passed, and %d tokens came in", split, len(more), came)
		}
		t.Logf("%v: %s", split, time.Since(began))
		for _, c := range slices.Concat(passed, more) {
			if c.headersFault != "" || c.limit != 100 || c.remaining < 0 || c.remaining > 99 || c.reset < 1 || c.reset > 60 || c.retryAfter != "" {
				t.Fatalf("%v: let through with %+v", split, c)
			}
		}
		for _, c := range refused {
			if c.headersFault != "" || c.status != http.StatusTooManyRequests || c.limit != 100 || c.remaining != 0 || c.reset < 58 || c.reset > 60 || c.retryAfter != "1" {
				t.Fatalf("%v: refused with %+v", split, c)
			}
		}
	}
}

// The limit is low, so that it is a flood also where a test gets little processor time. The bucket could fill once while it lasts.
func TestTwoProcessesInAFloodLetNoMoreThroughThanOneBucket(t *testing.T) {
	t.Parallel()
	const perSecond, burst, flood = 5, 10, 3 * time.Second
	variables := []string{fmt.Sprintf("POSTHORN_API_RATE=%d", perSecond*60), fmt.Sprintf("POSTHORN_API_BURST=%d", burst)}
	first := sitekit.Start(t, variables...)
	urls := []string{first.URL, startSecond(t, first, variables...)}
	end := time.Now().Add(flood)
	var mu sync.Mutex
	var passed []call
	refused := 0
	var work sync.WaitGroup
	for i := range 16 {
		work.Go(func() {
			client := &http.Client{Transport: &http.Transport{}}
			defer client.CloseIdleConnections()
			for time.Now().Before(end) {
				c, err := getAt(t.Context(), client, urls[i%2], first.Owner.APIKey)
				mu.Lock()
				switch {
				case err != nil:
					t.Error(err)
				case c.status == http.StatusOK:
					passed = append(passed, c)
				case c.status == http.StatusTooManyRequests:
					refused++
				default:
					t.Errorf("%+v", c)
				}
				mu.Unlock()
			}
		})
	}
	work.Wait()
	// A request counts for a span of time when it was sent and answered in it.
	slices.SortFunc(passed, func(a, b call) int { return a.answered.Compare(b.answered) })
	worst := 0.0
	for _, from := range passed {
		within := 0
		for _, c := range passed {
			if c.sent.Before(from.sent) {
				continue
			}
			within++
			most := burst + c.answered.Sub(from.sent).Seconds()*perSecond
			worst = max(worst, float64(within)-most)
			if float64(within) > most+1 {
				t.Fatalf("%d requests within %s, want at most %.1f", within, c.answered.Sub(from.sent), most)
			}
		}
	}
	if least := burst + int(flood.Seconds()*perSecond/2); refused == 0 || len(passed) < least {
		t.Errorf("%d passed, want at least %d, and %d were refused", len(passed), least, refused)
	}
	t.Logf("%d passed, %d were refused; the fullest span of time had %.1f less than it may", len(passed), refused, -worst)
}

func TestTwoProcessesLetTheSustainedRateThrough(t *testing.T) {
	t.Parallel()
	const perSecond, requests = 20, 50
	variables := []string{fmt.Sprintf("POSTHORN_API_RATE=%d", perSecond*60), fmt.Sprintf("POSTHORN_API_BURST=%d", perSecond)}
	first := sitekit.Start(t, variables...)
	urls := []string{first.URL, startSecond(t, first, variables...)}
	client := &http.Client{}
	defer client.CloseIdleConnections()
	pace := time.NewTicker(time.Second / perSecond)
	defer pace.Stop()
	for i := range requests {
		<-pace.C
		c, err := getAt(t.Context(), client, urls[i%3%2], first.Owner.APIKey)
		if err != nil || c.status != http.StatusOK {
			t.Fatalf("request %d: %+v, %v", i+1, c, err)
		}
	}
}

func TestALimitThatIsSetHoldsInEveryProcess(t *testing.T) {
	t.Parallel()
	first := sitekit.Start(t, "POSTHORN_API_RATE=1", "POSTHORN_API_BURST=2")
	urls := []string{first.URL, startSecond(t, first, "POSTHORN_API_RATE=1", "POSTHORN_API_BURST=2")}
	if passed, _ := callsAtOnce(t, first.Owner.APIKey, urls, 3, 3); len(passed) != 2 {
		t.Fatalf("%d passed", len(passed))
	}
	if _, err := first.Limits.Set(t.Context(), posthorn.CommandLine(), first.Owner.TenantID, posthorn.LimitSettings{APIBurst: new(12)}); err != nil {
		t.Fatal(err)
	}
	passed := 0
	await(t, func() bool {
		more, refused := callsAtOnce(t, first.Owner.APIKey, urls, 1, 1)
		passed += len(more)
		return passed == 10 && len(refused) > 0
	})
	if more, _ := callsAtOnce(t, first.Owner.APIKey, urls, 3, 3); len(more) != 0 {
		t.Errorf("%d passed beyond the new limit", len(more))
	}
}
