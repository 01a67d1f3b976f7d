package posthorn_test

import (
	"slices"
	"testing"
	"time"

	"posthorn/internal/posthorn"
)

func TestWhatCanBeReplayedLeavesOutTestsAndWhatIsUnderWay(t *testing.T) {
	t.Parallel()
	const success, failure, pending = posthorn.StatusSuccess, posthorn.StatusError, posthorn.StatusPending
	for name, c := range map[string]struct {
		asked, want []posthorn.DeliveryStatus
		test        *bool
		ok          bool
	}{
		"everything":     {nil, []posthorn.DeliveryStatus{success, failure}, nil, true},
		"not delivered":  {[]posthorn.DeliveryStatus{pending, failure}, []posthorn.DeliveryStatus{failure}, nil, true},
		"successes":      {[]posthorn.DeliveryStatus{success}, []posthorn.DeliveryStatus{success}, nil, true},
		"pending alone":  {[]posthorn.DeliveryStatus{pending}, nil, nil, false},
		"tests alone":    {[]posthorn.DeliveryStatus{failure}, []posthorn.DeliveryStatus{failure}, new(true), false},
		"all but a test": {[]posthorn.DeliveryStatus{failure}, []posthorn.DeliveryStatus{failure}, new(false), true},
	} {
		got, ok, err := posthorn.Replayable(posthorn.DeliveryFilter{Statuses: c.asked, Test: c.test})
		if err != nil || ok != c.ok || ok && (!slices.Equal(got.Statuses, c.want) || got.Test == nil || *got.Test) {
			t.Errorf("%s: %+v, %v, %v", name, got, ok, err)
		}
	}
	f, ok, err := posthorn.Replayable(posthorn.DeliveryFilter{StatusCodes: posthorn.StatusRange{From: 404, To: 404}})
	if err != nil || !ok || !slices.Equal(f.Statuses, []posthorn.DeliveryStatus{failure}) {
		t.Errorf("what has arrived did not get a 404: %v, %v, %v", f.Statuses, ok, err)
	}
	if _, _, err := posthorn.Replayable(posthorn.DeliveryFilter{Statuses: []posthorn.DeliveryStatus{"lost"}}); posthorn.KindOf(err) != posthorn.Invalid {
		t.Errorf("a wrong filter: %v", err)
	}
}

func TestTheRateOfABulkReplayIsBounded(t *testing.T) {
	t.Parallel()
	replays := posthorn.NewReplays(nil, posthorn.ReplaysConfig{})
	for _, rate := range []int{-1, 0, posthorn.MaxReplayRate + 1} {
		_, err := replays.Start(t.Context(), posthorn.CommandLine(), posthorn.NewTenantID(), posthorn.DeliveryFilter{}, rate, nil)
		if posthorn.KindOf(err) != posthorn.Invalid {
			t.Errorf("filter at %d: %v", rate, err)
		}
		_, err = replays.StartMissed(t.Context(), posthorn.CommandLine(), posthorn.NewTenantID(), posthorn.NewWebhookID(), rate, nil)
		if posthorn.KindOf(err) != posthorn.Invalid {
			t.Errorf("missed at %d: %v", rate, err)
		}
	}
}

func TestHowLongABulkReplayTakesFollowsFromItsRate(t *testing.T) {
	t.Parallel()
	r := posthorn.Replay{State: posthorn.ReplayRunning, Rate: 10, Done: 30, Skipped: 20, Total: posthorn.Estimate{N: 150}}
	if got := r.Left(); got != 10*time.Second {
		t.Errorf("running: %v", got)
	}
	if r.Done = 130; r.Left() != 0 {
		t.Errorf("at its end: %v", r.Left())
	}
	r.Done, r.State = 30, posthorn.ReplayCancelled
	if r.Left() != 0 {
		t.Errorf("cancelled: %v", r.Left())
	}
}
