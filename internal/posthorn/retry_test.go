package posthorn_test

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"posthorn/internal/posthorn"
)

func answered(status int) posthorn.Outcome { return posthorn.Outcome{StatusCode: status} }

func brokenBy(class posthorn.ErrorClass) posthorn.Outcome {
	return posthorn.Outcome{ErrorClass: class, Error: "what happened"}
}

func TestTheScheduleIsTheContracts(t *testing.T) {
	t.Parallel()
	want := []time.Duration{
		0, 5 * time.Second, 5 * time.Minute, 30 * time.Minute, 2 * time.Hour,
		5 * time.Hour, 10 * time.Hour, 14 * time.Hour, 20 * time.Hour, 24 * time.Hour,
	}
	if diff := cmp.Diff(want, posthorn.RetryDelays()); diff != "" {
		t.Error(diff)
	}
	if len(want) != posthorn.DefaultMaxAttempts {
		t.Errorf("%d attempts by default", posthorn.DefaultMaxAttempts)
	}
	posthorn.RetryDelays()[0] = time.Hour
	if posthorn.RetryDelays()[0] != 0 {
		t.Error("a caller changed the schedule")
	}
}

func TestEveryStatusHasItsDecision(t *testing.T) {
	t.Parallel()
	// By the classes of the contract: 2xx, 3xx, 4xx, 5xx; a final 1xx is no answer.
	state := map[int]posthorn.DeliveryState{
		1: posthorn.DeliveryPending, 2: posthorn.DeliverySucceeded, 3: posthorn.DeliveryFailed,
		4: posthorn.DeliveryFailed, 5: posthorn.DeliveryPending,
	}
	throttles := map[int]time.Duration{429: 10 * time.Second, 502: time.Second, 504: time.Second}
	for _, also := range [][]int{nil, {429}, {408, 425, 429}, {408, 404, 200, 301}} {
		p := posthorn.RetryPolicy{MaxAttempts: 10, RetryOn: also}
		for status := 100; status <= 599; status++ {
			want := posthorn.Decision{State: state[status/100]}
			if slices.Contains(also, status) && slices.Contains([]int{408, 425, 429}, status) {
				want.State = posthorn.DeliveryPending
			}
			want.Throttle = throttles[status]
			if status == 410 {
				want.DisableWebhook = "The endpoint answered 410 Gone"
			}
			switch want.State {
			case posthorn.DeliveryPending:
				want.Wait, want.EndpointFailed = 5*time.Second, true
			case posthorn.DeliveryFailed:
				want.Reason = fmt.Sprintf("Failed: %d is not retried", status)
			case posthorn.DeliverySucceeded, posthorn.DeliveryCancelled:
			}
			got := p.Decide(1, answered(status), 0.5)
			if want.State == posthorn.DeliveryPending {
				if !strings.HasPrefix(got.Reason, "Attempt 1 of 10 failed: ") {
					t.Errorf("%d: reason %q", status, got.Reason)
				}
				want.Reason = got.Reason
			}
			if diff := cmp.Diff(want, got); diff != "" {
				t.Errorf("%d with %v (-want +got):\n%s", status, also, diff)
			}
		}
	}
}

func TestEveryFailureWithoutAnAnswerIsRetriedButARedirect(t *testing.T) {
	t.Parallel()
	words := map[posthorn.ErrorClass]string{
		posthorn.ErrorTimeout: "timed out", posthorn.ErrorRefused: "connection refused",
		posthorn.ErrorReset: "connection closed early", posthorn.ErrorUnreachable: "address unreachable",
		posthorn.ErrorDNS: "name not found", posthorn.ErrorTLS: "TLS failed", posthorn.ErrorBlocked: "address not allowed",
		posthorn.ErrorTooLarge: "response headers too large", posthorn.ErrorProtocol: "not an HTTP answer",
	}
	p := posthorn.RetryPolicy{MaxAttempts: 10}
	for _, class := range posthorn.ErrorClasses() {
		o := brokenBy(class)
		if class == posthorn.ErrorRedirect {
			o.StatusCode = 302
			if d := p.Decide(1, o, 0.5); d.State != posthorn.DeliveryFailed || d.Reason != "Failed: 302 is not retried" {
				t.Errorf("%s: %+v", class, d)
			}
			continue
		}
		want := posthorn.Decision{
			State: posthorn.DeliveryPending, Wait: 5 * time.Second, EndpointFailed: true,
			Reason: "Attempt 1 of 10 failed: " + words[class],
		}
		if diff := cmp.Diff(want, p.Decide(1, o, 0.5)); diff != "" {
			t.Errorf("%s (-want +got):\n%s", class, diff)
		}
		want = posthorn.Decision{
			State: posthorn.DeliveryFailed, EndpointFailed: true, Reason: "Failed after 10 attempts: " + words[class],
		}
		if diff := cmp.Diff(want, p.Decide(10, o, 0.5)); diff != "" {
			t.Errorf("%s at the end (-want +got):\n%s", class, diff)
		}
		// The headers of a success came, and then not the rest.
		o.StatusCode = 200
		if d := p.Decide(1, o, 0.5); d.State != posthorn.DeliveryPending {
			t.Errorf("%s in spite of 200: %+v", class, d)
		}
	}
}

func TestTheReasonSaysWhyForPeople(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		attempts, schedule int
		outcome            posthorn.Outcome
		want               string
	}{
		{10, 3, answered(503), "Attempt 3 of 10 failed: HTTP 503 Service Unavailable"},
		{10, 10, answered(503), "Failed after 10 attempts: HTTP 503 Service Unavailable"},
		{1, 1, answered(599), "Failed after 1 attempt: HTTP 599"},
		{1, 1, answered(101), "Failed after 1 attempt: no final answer"},
		{10, 1, answered(0), "Attempt 1 of 10 failed: no final answer"},
		{10, 1, answered(600), "Attempt 1 of 10 failed: no final answer"},
		{10, 1, answered(410), "Failed: 410 is not retried"},
		{10, 1, answered(204), ""},
	} {
		d := posthorn.RetryPolicy{MaxAttempts: c.attempts}.Decide(c.schedule, c.outcome, 0)
		if d.Reason != c.want {
			t.Errorf("%+v: %q, want %q", c, d.Reason, c.want)
		}
	}
}

func TestRetryAfterIsHonouredAndNeverShortensTheWait(t *testing.T) {
	t.Parallel()
	p := posthorn.RetryPolicy{MaxAttempts: 10, RetryOn: []int{429}}
	for _, c := range []struct {
		status, schedule int
		after            time.Duration
		wait, throttle   time.Duration
	}{
		{503, 1, 2 * time.Minute, 2 * time.Minute, 2 * time.Minute},
		{503, 2, 2 * time.Minute, 5 * time.Minute, 2 * time.Minute}, // the schedule's is longer
		{503, 1, 48 * time.Hour, 24 * time.Hour, 24 * time.Hour},
		{503, 1, -time.Hour, 5 * time.Second, 0},
		{429, 1, time.Second, 5 * time.Second, time.Second}, // what it says counts, not what is assumed
		{429, 1, time.Hour, time.Hour, time.Hour},
		{502, 1, 20 * time.Second, 20 * time.Second, 20 * time.Second},
		{408, 1, time.Hour, 0, 0}, // not retried, so there is nothing to put off
		{404, 1, time.Hour, 0, 0},
	} {
		o := answered(c.status)
		o.RetryAfter = c.after
		if d := p.Decide(c.schedule, o, 0.5); d.Wait != c.wait || d.Throttle != c.throttle {
			t.Errorf("%d after %v: wait %v, throttle %v; want %v, %v", c.status, c.after, d.Wait, d.Throttle, c.wait, c.throttle)
		}
	}
	o := answered(429)
	o.RetryAfter = time.Hour
	d := posthorn.RetryPolicy{MaxAttempts: 10}.Decide(1, o, 0.5)
	if d.State != posthorn.DeliveryFailed || d.Throttle != time.Hour {
		t.Errorf("a 429 that is not retried throttles nevertheless: %+v", d)
	}
}

func TestAnInterruptedAttemptDecidesNothing(t *testing.T) {
	t.Parallel()
	for _, schedule := range []int{1, 10} {
		d := posthorn.RetryPolicy{MaxAttempts: 10}.Decide(schedule, posthorn.Outcome{Interrupted: true}, 0.9)
		if d.State != posthorn.DeliveryPending || d.Wait != 0 || d.EndpointFailed || d.Throttle != 0 || d.DisableWebhook != "" {
			t.Errorf("at %d: %+v", schedule, d)
		}
	}
}

// Whatever happens, the rules of the schedule hold.
func TestWaitsKeepToTheSchedule(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		p := posthorn.RetryPolicy{
			MaxAttempts: rapid.IntRange(-1, 12).Draw(t, "max"),
			RetryOn:     rapid.SliceOfN(rapid.SampledFrom(posthorn.OptionalRetries()), 0, 3).Draw(t, "retry on"),
		}
		schedule := rapid.IntRange(-1, 12).Draw(t, "schedule")
		o := posthorn.Outcome{
			StatusCode:  rapid.IntRange(0, 700).Draw(t, "status"),
			ErrorClass:  rapid.SampledFrom(append(posthorn.ErrorClasses(), posthorn.ErrorNone)).Draw(t, "class"),
			Interrupted: rapid.Bool().Draw(t, "interrupted"),
			RetryAfter:  time.Duration(rapid.Int64().Draw(t, "retry after")),
		}
		rnd := rapid.Float64Range(0, 1).Draw(t, "rnd")
		d := p.Decide(schedule, o, rnd)

		if d.Wait < 0 || d.Throttle < 0 || d.Throttle > posthorn.MaxRetryAfter {
			t.Fatalf("wait %v, throttle %v", d.Wait, d.Throttle)
		}
		if d.State != posthorn.DeliveryPending && d.Wait != 0 {
			t.Fatalf("%s with a wait of %v", d.State, d.Wait)
		}
		if (d.Reason == "") != (d.State == posthorn.DeliverySucceeded) {
			t.Fatalf("%s because %q", d.State, d.Reason)
		}
		if d.State != posthorn.DeliveryPending || o.Interrupted {
			return
		}
		if made := max(schedule, 1); made >= p.MaxAttempts || made >= posthorn.MaxMaxAttempts {
			t.Fatalf("attempt %d after %d of %d", schedule+1, schedule, p.MaxAttempts)
		}
		delay := posthorn.RetryDelays()[max(schedule, 1)]
		least, most := time.Duration(0.8*float64(delay))-1, time.Duration(1.2*float64(delay))+1
		asked := min(o.RetryAfter, posthorn.MaxRetryAfter)
		if d.Wait < least || d.Wait < asked || d.Wait > max(most, asked) {
			t.Fatalf("waits %v for a delay of %v and a Retry-After of %v", d.Wait, delay, o.RetryAfter)
		}
	})
}
