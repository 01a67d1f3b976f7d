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

// streamEvents tells the browser that there are new events. The messages carry none: the browser reads the list anew, through the
// one path that knows its filters and its rights.
func (s *Server) streamEvents(c *fiber.Ctx) error {
	c.Set(fiber.HeaderContentType, "text/event-stream")
	c.Set("X-Accel-Buffering", "no")
	if c.Method() == fiber.MethodHead {
		return s.stream(c, nil)
	}
	tenant := tenantOf(c)
	since := c.Get("Last-Event-ID", c.Query("since"))
	// Subscribe first, then read: what arrives in between is announced rather than missed.
	sub := s.LiveDeliveries.Subscribe(posthorn.DeliveryTopic(tenant))
	newest, err := s.Events.Newest(c.UserContext(), tenant)
	if err != nil {
		sub.Close()
		return err
	}
	seen, err := posthorn.ParseEventID(since)
	stream := eventStream{
		sub: sub, behind: !newest.IsZero() && (err != nil || newer(newest, seen)),
		newest: newestOf[posthorn.EventID]{newest, func(ctx context.Context) (posthorn.EventID, error) { return s.Events.Newest(ctx, tenant) }},
	}
	return s.stream(c, func(w *bufio.Writer) error { return follow(w, stream.sub, stream.open, stream.announce) })
}

// eventStream is one reader's stream. It lives on after the handler returned, so it holds nothing of the request.
type eventStream struct {
	sub *live.Subscription[posthorn.DeliveryNotice]
	// newest follows the events of the organisation.
	newest newestOf[posthorn.EventID]
	// behind says that the reader misses something from the start.
	behind bool
}

// open tells the browser how soon to come back, and at once if it has something to catch up on.
func (st *eventStream) open(w *bufio.Writer) error {
	if err := write(w, "retry: 1000\n\n"); err != nil || !st.behind {
		return err
	}
	return st.send(w, 0)
}

// announce sends what is pending as one message. What became of deliveries is none of it.
func (st *eventStream) announce(w *bufio.Writer) error {
	count, hinted := 0, false
	for _, n := range st.sub.Take() {
		count += n.Msg.Events
		hinted = hinted || n.Hinted
	}
	if count == 0 && !hinted {
		return nil
	}
	if grew := st.newest.grew(); !grew && count == 0 {
		return nil
	}
	return st.send(w, count)
}

// send writes one message. A count of zero means that how many are new is not known.
func (st *eventStream) send(w *bufio.Writer, count int) error {
	data, err := json.Marshal(struct {
		Topic string `json:"topic"`
		New   int    `json:"new"`
	}{"events", count})
	if err != nil {
		return fmt.Errorf("write an event: %w", err)
	}
	return write(w, fmt.Sprintf("id: %s\ndata: %s\n\n", st.newest.told, data))
}
