package web

import (
	"bufio"
	"context"
	"encoding/json"
	"fmt"

	"github.com/gofiber/fiber/v2"

	"posthorn/internal/live"
	"posthorn/internal/posthorn"
)

// streamActivity tells the browser that its feed grew. The message carries no record: the browser reads the feed anew,
// through the one path that knows its filters and its rights.
func (s *Server) streamActivity(c *fiber.Ctx) error {
	c.Set(fiber.HeaderContentType, "text/event-stream")
	c.Set("X-Accel-Buffering", "no")
	if c.Method() == fiber.MethodHead {
		return s.stream(c, nil)
	}
	scope := requestOf(c).signedIn.User.ActivityScope()
	since := c.Get("Last-Event-ID", c.Query("since"))
	// Subscribe first, then read: what arrives in between is announced rather than missed.
	sub := s.Live.Subscribe(scope.Topic())
	newest, err := s.Activity.Newest(c.UserContext(), scope)
	if err != nil {
		sub.Close()
		return err
	}
	seen, err := posthorn.ParseActivityID(since)
	stream := activityStream{
		sub: sub, behind: !newest.IsZero() && (err != nil || newer(newest, seen)),
		newest: newestOf[posthorn.ActivityID]{newest, func(ctx context.Context) (posthorn.ActivityID, error) { return s.Activity.Newest(ctx, scope) }},
	}
	return s.stream(c, stream.run)
}

// activityStream is one reader's stream. It lives on after the handler returned, so it holds nothing of the request.
type activityStream struct {
	sub *live.Subscription[posthorn.ActivityNotice]
	// newest follows what the reader may see.
	newest newestOf[posthorn.ActivityID]
	// behind says that the reader misses something from the start.
	behind bool
}

// run writes until the stream is over.
func (st *activityStream) run(w *bufio.Writer) error { return follow(w, st.sub, st.open, st.announce) }

// open tells the browser how soon to come back, and at once if it has something to catch up on.
func (st *activityStream) open(w *bufio.Writer) error {
	if err := write(w, "retry: 1000\n\n"); err != nil {
		return err
	}
	if !st.behind {
		return nil
	}
	return st.send(w, 0, "")
}

// announce sends what is pending as one message. A bare hint says that another process recorded something for somebody:
// the reader hears of it when it is theirs.
func (st *activityStream) announce(w *bufio.Writer) error {
	count, worst := 0, posthorn.RiskLevel("")
	for _, n := range st.sub.Take() {
		merged := posthorn.ActivityNotice{Newest: st.newest.told, Worst: worst}.Merge(n.Msg)
		st.newest.told, worst = merged.Newest, merged.Worst
		count += n.Count
	}
	if count == 0 && !st.newest.grew() {
		return nil
	}
	return st.send(w, count, worst)
}

// send writes one message. A count of zero means that how much is new is not known.
func (st *activityStream) send(w *bufio.Writer, count int, worst posthorn.RiskLevel) error {
	data, err := json.Marshal(struct {
		Topic string             `json:"topic"`
		New   int                `json:"new"`
		Worst posthorn.RiskLevel `json:"worst,omitempty"`
	}{"activity", count, worst})
	if err != nil {
		return fmt.Errorf("write an event: %w", err)
	}
	return write(w, fmt.Sprintf("id: %s\ndata: %s\n\n", st.newest.told, data))
}

func write(w *bufio.Writer, s string) error {
	if _, err := w.WriteString(s); err != nil {
		return err
	}
	return w.Flush()
}
