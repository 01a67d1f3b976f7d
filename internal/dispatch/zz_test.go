package dispatch_test

import (
	"fmt"
	"testing"
	"time"
	"context"

	"posthorn/internal/dispatch"
	"posthorn/internal/posthorn"
)

type spy struct{ *fakeStore; n int }

func (s *spy) Claim(ctx context.Context, r dispatch.ClaimRequest) (dispatch.Claim, error) {
	c, err := s.fakeStore.Claim(ctx, r)
	if s.n++; s.n < 60 { fmt.Println(time.Now().Format("05.000000"), "claim skip", len(r.Skip), "limit", r.Limit, "->", len(c.Jobs), c.NextDue.Format("05.000000")) }
	return c, err
}
func (s *spy) Release(ctx context.Context, r []dispatch.Release) error {
	if s.n < 60 { fmt.Println(time.Now().Format("05.000000"), "release", len(r), r[0].At.Format("05.000000")) }
	return s.fakeStore.Release(ctx, r)
}

func TestZZ(t *testing.T) {
	bubble(t, func(t *testing.T) {
		s, r := newStore(), newReceivers()
		d, _ := start(t, dispatch.Options{Store: &spy{fakeStore: s}, Sender: r})
		id := s.webhook(t, "https://a", func(w *posthorn.Webhook) { w.RateLimit = 50 })
		r.on("https://a", takes(time.Millisecond, 200))
		offer(s, d, id, 500)
		s.publish(id, 500, nil)
		d.Wake()
		pass(t, 3*time.Minute)
	})
}
