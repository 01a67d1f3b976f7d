package web

import (
	"context"

	"github.com/gofiber/fiber/v2"

	"posthorn/internal/live"
	"posthorn/internal/posthorn"
)

// streamDeliveries tells the browser that there are new deliveries, and which have changed. A page about one delivery has no list
// that could be behind.
func (s *Server) streamDeliveries(c *fiber.Ctx) error {
	tenant := tenantOf(c)
	return streamList(s, c, growingList[posthorn.DeliveryID, posthorn.DeliveryNotice]{
		hub: s.LiveDeliveries, topic: posthorn.DeliveryTopic(tenant),
		newest:   func(ctx context.Context) (posthorn.DeliveryID, error) { return s.DeliveryFeed.Newest(ctx, tenant) },
		position: posthorn.ParseDeliveryID,
		optional: true,
		missed:   newDeliveries(0),
		announce: announceDeliveries,
	})
}

// announceDeliveries makes a message of what is new and one of what has changed. A bare hint says that another process did something
// for somebody: what it was the reader finds out by asking.
func announceDeliveries(pending []live.Notice[posthorn.DeliveryNotice], newest *newestOf[posthorn.DeliveryID]) (messages []sse) {
	var sum posthorn.DeliveryNotice
	for _, n := range pending {
		sum = sum.Merge(n.Msg)
		sum.More = sum.More || n.Hinted
	}
	if sum.New == 0 && len(sum.Changed) == 0 && !sum.More {
		return nil // events that no webhook gets
	}
	if grew := newest.grew(); grew || sum.New > 0 {
		messages = append(messages, newDeliveries(sum.New))
	}
	if len(sum.Changed) > 0 || sum.More {
		messages = append(messages, changedDeliveries(sum))
	}
	return messages
}

func newDeliveries(count int) sse { return sse{data: newEntries{"deliveries", count}} }

// changedDeliveries names deliveries of which something became, and says whether there may be others.
func changedDeliveries(n posthorn.DeliveryNotice) sse {
	return sse{event: "changed", data: struct {
		Changed []posthorn.DeliveryID `json:"changed"`
		More    bool                  `json:"more,omitempty"`
	}{append([]posthorn.DeliveryID{}, n.Changed...), n.More}}
}
