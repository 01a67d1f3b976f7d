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

// streamDeliveries tells the browser that there are new deliveries, and which have changed. The messages carry no delivery: the
// browser reads the log anew, through the one path that knows its filters and its rights.
func (s *Server) streamDeliveries(c *fiber.Ctx) error {
	c.Set(fiber.HeaderContentType, "text/event-stream")
	c.Set("X-Accel-Buffering", "no")
	if c.Method() == fiber.MethodHead {
		return s.stream(c, nil)
	}
	tenant := tenantOf(c)
	since := c.Get("Last-Event-ID", c.Query("since"))
	// Subscribe first, then read: what arrives in between is announced rather than missed.
	sub := s.LiveDeliveries.Subscribe(posthorn.DeliveryTopic(tenant))
	newest, err := s.DeliveryFeed.Newest(c.UserContext(), tenant)
	if err != nil {
		sub.Close()
		return err
	}
	// A page about one delivery has no list that could be behind.
	seen, err := posthorn.ParseDeliveryID(since)
	behind := since != "" && !newest.IsZero() && (err != nil || newer(newest, seen))
	stream := deliveryStream{
		sub: sub, behind: behind,
		newest: newestOf[posthorn.DeliveryID]{newest, func(ctx context.Context) (posthorn.DeliveryID, error) { return s.DeliveryFeed.Newest(ctx, tenant) }},
	}
	return s.stream(c, func(w *bufio.Writer) error { return follow(w, stream.sub, stream.open, stream.announce) })
}

// deliveryStream is one reader's stream. It lives on after the handler returned, so it holds nothing of the request.
type deliveryStream struct {
	sub *live.Subscription[posthorn.DeliveryNotice]
	// newest follows the deliveries of the organisation: their ids read in the order of their events.
	newest newestOf[posthorn.DeliveryID]
	// behind says that the reader misses something from the start.
	behind bool
}

// open tells the browser how soon to come back, and at once if it has something to catch up on.
func (st *deliveryStream) open(w *bufio.Writer) error {
	if err := write(w, "retry: 1000\n\n"); err != nil || !st.behind {
		return err
	}
	return st.sendNew(w, 0)
}

// announce sends what is pending, as one message for what is new and one for what has changed. A bare hint says that another
// process did something for somebody: what it was the reader finds out by asking.
func (st *deliveryStream) announce(w *bufio.Writer) error {
	var sum posthorn.DeliveryNotice
	for _, n := range st.sub.Take() {
		sum = sum.Merge(n.Msg)
		sum.More = sum.More || n.Hinted
	}
	if sum.New == 0 && len(sum.Changed) == 0 && !sum.More {
		return nil // events that no webhook gets
	}
	if grew := st.newest.grew(); grew || sum.New > 0 {
		if err := st.sendNew(w, sum.New); err != nil {
			return err
		}
	}
	if len(sum.Changed) == 0 && !sum.More {
		return nil
	}
	return st.sendChanged(w, sum)
}

// sendNew says that there are new deliveries. A count of zero means that how many is not known.
func (st *deliveryStream) sendNew(w *bufio.Writer, count int) error {
	return st.send(w, "", struct {
		Topic string `json:"topic"`
		New   int    `json:"new"`
	}{"deliveries", count})
}

// sendChanged names deliveries of which something became, and says whether there may be others.
func (st *deliveryStream) sendChanged(w *bufio.Writer, n posthorn.DeliveryNotice) error {
	return st.send(w, "event: changed\n", struct {
		Changed []posthorn.DeliveryID `json:"changed"`
		More    bool                  `json:"more,omitempty"`
	}{append([]posthorn.DeliveryID{}, n.Changed...), n.More})
}

func (st *deliveryStream) send(w *bufio.Writer, event string, message any) error {
	data, err := json.Marshal(message)
	if err != nil {
		return fmt.Errorf("write an event: %w", err)
	}
	return write(w, fmt.Sprintf("%sid: %s\ndata: %s\n\n", event, st.newest.told, data))
}
