package live_test

import (
	"errors"
	"fmt"
	"sync"
	"testing"
	"testing/synctest"

	"github.com/google/go-cmp/cmp"
	"go.uber.org/goleak"
	"pgregory.net/rapid"

	"posthorn/internal/live"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// activity is a message like the feed's: the newest id and the worst risk.
type activity struct {
	Newest string
	Worst  int
}

func mergeActivity(pending, next activity) activity {
	return activity{Newest: max(pending.Newest, next.Newest), Worst: max(pending.Worst, next.Worst)}
}

type notices = []live.Notice[activity]

func woken[T any](sub *live.Subscription[T]) bool {
	select {
	case <-sub.Wake():
		return true
	default:
		return false
	}
}

func ended[T any](sub *live.Subscription[T]) bool {
	select {
	case <-sub.Done():
		return true
	default:
		return false
	}
}

func TestABurstIsOneWakeUpAndOneMergedNotice(t *testing.T) {
	t.Parallel()
	hub := live.NewHub(mergeActivity)
	sub := hub.Subscribe("tenant_a")
	defer sub.Close()
	for i := range 5000 {
		hub.Publish("tenant_a", activity{Newest: fmt.Sprintf("act_%04d", i), Worst: i % 4})
	}
	if !woken(sub) || woken(sub) {
		t.Error("want exactly one wake-up")
	}
	want := notices{{Topic: "tenant_a", Msg: activity{Newest: "act_4999", Worst: 3}, Count: 5000}}
	if diff := cmp.Diff(want, sub.Take()); diff != "" {
		t.Error(diff)
	}
	if got := sub.Take(); got != nil {
		t.Errorf("taken twice: %+v", got)
	}
}

func TestAfterTakingTheNextPublishWakesAgainAndStartsAnew(t *testing.T) {
	t.Parallel()
	hub := live.NewHub(mergeActivity)
	sub := hub.Subscribe("tenant_a")
	defer sub.Close()
	hub.Publish("tenant_a", activity{Newest: "act_1", Worst: 3})
	sub.Take()
	if woken(sub) {
		t.Error("the wake-up outlived what it stood for")
	}
	hub.Publish("tenant_a", activity{Newest: "act_2", Worst: 1})
	if !woken(sub) {
		t.Error("not woken again")
	}
	want := notices{{Topic: "tenant_a", Msg: activity{Newest: "act_2", Worst: 1}, Count: 1}}
	if diff := cmp.Diff(want, sub.Take()); diff != "" {
		t.Error(diff)
	}
}

func TestNoticesReachTheirOwnTopicOnly(t *testing.T) {
	t.Parallel()
	hub := live.NewHub(mergeActivity)
	a, again, b := hub.Subscribe("tenant_a"), hub.Subscribe("tenant_a"), hub.Subscribe("tenant_b")
	both := hub.Subscribe("tenant_b", "tenant_a", "tenant_b")
	for _, sub := range []*live.Subscription[activity]{a, again, b, both} {
		defer sub.Close()
	}
	hub.Publish("tenant_a", activity{Newest: "act_1"})
	hub.Publish("tenant_c", activity{Newest: "act_9"})

	forA := live.Notice[activity]{Topic: "tenant_a", Msg: activity{Newest: "act_1"}, Count: 1}
	for name, sub := range map[string]*live.Subscription[activity]{"a": a, "again": again, "both": both} {
		if diff := cmp.Diff(notices{forA}, sub.Take()); diff != "" {
			t.Errorf("%s: %s", name, diff)
		}
	}
	if woken(b) || b.Take() != nil {
		t.Error("another topic's subscription was told")
	}

	hub.Publish("tenant_a", activity{Newest: "act_2"})
	hub.Publish("tenant_b", activity{Newest: "act_3"})
	want := notices{
		{Topic: "tenant_b", Msg: activity{Newest: "act_3"}, Count: 1},
		{Topic: "tenant_a", Msg: activity{Newest: "act_2"}, Count: 1},
	}
	if diff := cmp.Diff(want, both.Take()); diff != "" {
		t.Errorf("want the order of subscribing: %s", diff)
	}
}

func TestAHintWakesEverybodyAndKeepsWhatIsPending(t *testing.T) {
	t.Parallel()
	hub := live.NewHub(mergeActivity)
	a, b, none := hub.Subscribe("tenant_a"), hub.Subscribe("tenant_b"), hub.Subscribe()
	defer a.Close()
	defer b.Close()
	defer none.Close()
	hub.Publish("tenant_a", activity{Newest: "act_1"})
	hub.Hint()
	hub.Hint()
	if !woken(a) || !woken(b) {
		t.Error("a hint must wake every subscription")
	}
	if diff := cmp.Diff(notices{{Topic: "tenant_a", Msg: activity{Newest: "act_1"}, Count: 1, Hinted: true}}, a.Take()); diff != "" {
		t.Error(diff)
	}
	if diff := cmp.Diff(notices{{Topic: "tenant_b", Hinted: true}}, b.Take()); diff != "" {
		t.Error(diff)
	}
	if woken(none) {
		t.Error("a subscription without topics was woken for nothing")
	}
	// The first message after a bare hint is not merged with a zero value.
	hub.Hint()
	hub.Publish("tenant_b", activity{Newest: "act_2", Worst: -1})
	if diff := cmp.Diff(notices{{Topic: "tenant_b", Msg: activity{Newest: "act_2", Worst: -1}, Count: 1, Hinted: true}}, b.Take()); diff != "" {
		t.Error(diff)
	}
}

func TestClosingTheHubEndsEverySubscriptionWithTheReason(t *testing.T) {
	t.Parallel()
	hub := live.NewHub(mergeActivity)
	before, none := hub.Subscribe("tenant_a", "tenant_b"), hub.Subscribe()
	if err := before.Err(); err != nil || ended(before) {
		t.Fatalf("over from the start: %v", err)
	}
	hub.Publish("tenant_a", activity{Newest: "act_1"})
	hub.Close()
	hub.Close()
	after := hub.Subscribe("tenant_a")
	if len(before.Take()) != 1 {
		t.Error("what was pending is lost")
	}
	hub.Publish("tenant_a", activity{})
	hub.Publish("tenant_b", activity{})
	if before.Take() != nil || after.Take() != nil {
		t.Error("a closed hub still delivers")
	}
	hub.Hint()
	if before.Take() != nil || after.Take() != nil {
		t.Error("a closed hub still hints")
	}
	for name, sub := range map[string]*live.Subscription[activity]{"before": before, "after": after, "without topics": none} {
		if !ended(sub) || !errors.Is(sub.Err(), live.ErrHubClosed) {
			t.Errorf("%s: ended %v with %v, want ErrHubClosed", name, ended(sub), sub.Err())
		}
		sub.Close()
		if !errors.Is(sub.Err(), live.ErrHubClosed) {
			t.Errorf("%s: closing changed the reason to %v", name, sub.Err())
		}
	}
}

func TestAClosedSubscriptionHearsNothingAndLeavesTheOthersAlone(t *testing.T) {
	t.Parallel()
	hub := live.NewHub(mergeActivity)
	first, second, third := hub.Subscribe("tenant_a"), hub.Subscribe("tenant_a", "tenant_b"), hub.Subscribe("tenant_a")
	defer first.Close()
	defer third.Close()
	second.Close()
	second.Close()
	if !ended(second) || !errors.Is(second.Err(), live.ErrUnsubscribed) {
		t.Errorf("ended %v with %v, want ErrUnsubscribed", ended(second), second.Err())
	}
	hub.Publish("tenant_a", activity{Newest: "act_1"})
	hub.Publish("tenant_b", activity{Newest: "act_1"})
	hub.Hint()
	if woken(second) || second.Take() != nil {
		t.Error("a closed subscription was told")
	}
	if !woken(first) || !woken(third) {
		t.Error("a subscription beside it was not told")
	}
}

func TestNothingPublishedIsLostBetweenManyWritersAndAReader(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		const writers, each = 8, 500
		hub := live.NewHub(func(pending, next int) int { return pending + next })
		sub := hub.Subscribe("sum")
		count, sum := make(chan int), make(chan int)
		go func() {
			total, messages := 0, 0
			for over := false; !over; {
				select {
				case <-sub.Wake():
				case <-sub.Done():
					over = true
				}
				for _, n := range sub.Take() {
					total += n.Msg
					messages += n.Count
				}
			}
			count <- messages
			sum <- total
		}()
		var wg sync.WaitGroup
		for range writers {
			wg.Go(func() {
				for i := range each {
					hub.Publish("sum", i)
				}
			})
		}
		wg.Wait()
		hub.Close()
		if got := <-count; got != writers*each {
			t.Errorf("%d messages arrived, want %d", got, writers*each)
		}
		if got, want := <-sum, writers*each*(each-1)/2; got != want {
			t.Errorf("they add up to %d, want %d", got, want)
		}
	})
}

func TestComingAndGoingIsSafeWhileOthersPublish(t *testing.T) {
	t.Parallel()
	hub := live.NewHub(mergeActivity)
	var wg sync.WaitGroup
	for g := range 4 {
		wg.Go(func() {
			for i := range 300 {
				sub := hub.Subscribe("tenant_a", fmt.Sprintf("tenant_%d", (g+i)%3))
				hub.Publish("tenant_a", activity{Worst: i})
				if n := sub.Take(); len(n) == 0 && sub.Err() == nil {
					t.Error("own message not seen")
				}
				sub.Close()
			}
		})
		wg.Go(func() {
			for i := range 300 {
				hub.Publish(fmt.Sprintf("tenant_%d", i%3), activity{Worst: i})
				if i%50 == 0 {
					hub.Hint()
				}
			}
			if g == 3 {
				hub.Close()
			}
		})
	}
	wg.Wait()
}

// A subscription holds what a plain list of everything published would hold, merged.
func TestASubscriptionAgreesWithAListOfAllMessages(t *testing.T) {
	t.Parallel()
	topics := []string{"a", "b", "c"}
	rapid.Check(t, func(t *rapid.T) {
		hub := live.NewHub(func(pending, next string) string { return pending + next })
		sub := hub.Subscribe("b", "a")
		defer sub.Close()
		model := map[string]live.Notice[string]{}
		hint := func(topic string) {
			n := model[topic]
			n.Hinted = true
			model[topic] = n
		}
		t.Repeat(map[string]func(*rapid.T){
			"publish": func(t *rapid.T) {
				topic := rapid.SampledFrom(topics).Draw(t, "topic")
				msg := rapid.StringMatching(`[xyz]`).Draw(t, "msg")
				hub.Publish(topic, msg)
				n := model[topic]
				n.Msg += msg
				n.Count++
				model[topic] = n
			},
			"hint": func(*rapid.T) {
				hub.Hint()
				hint("a")
				hint("b")
			},
			"take": func(t *rapid.T) {
				var want []live.Notice[string]
				for _, topic := range []string{"b", "a"} {
					if n := model[topic]; n.Count > 0 || n.Hinted {
						n.Topic = topic
						want = append(want, n)
					}
				}
				if woken(sub) != (want != nil) {
					t.Fatalf("woken is not %v", want != nil)
				}
				if diff := cmp.Diff(want, sub.Take()); diff != "" {
					t.Fatal(diff)
				}
				clear(model)
			},
		})
	})
}

func BenchmarkPublish(b *testing.B) {
	for _, subscribers := range []int{0, 1, 100} {
		b.Run(fmt.Sprintf("subscribers=%d", subscribers), func(b *testing.B) {
			hub := live.NewHub(mergeActivity)
			defer hub.Close()
			for range subscribers {
				hub.Subscribe("tenant_a")
			}
			b.ReportAllocs()
			for b.Loop() {
				hub.Publish("tenant_a", activity{Newest: "act_1", Worst: 2})
			}
		})
	}
}
