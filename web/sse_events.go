package web

import (
	"context"

	"github.com/gofiber/fiber/v2"

	"posthorn/internal/live"
	"posthorn/internal/posthorn"
)

// streamEvents tells the browser that there are new events.
func (s *Server) streamEvents(c *fiber.Ctx) error {
	tenant := tenantOf(c)
	return streamList(s, c, growingList[posthorn.EventID, posthorn.DeliveryNotice]{
		hub: s.LiveDeliveries, topic: posthorn.DeliveryTopic(tenant),
		newest:   func(ctx context.Context) (posthorn.EventID, error) { return s.Events.Newest(ctx, tenant) },
		position: posthorn.ParseEventID,
		missed:   newEvents(0),
		announce: announceEvents,
	})
}

// announceEvents makes one message of what is pending. What became of deliveries is none of it.
func announceEvents(pending []live.Notice[posthorn.DeliveryNotice], newest *newestOf[posthorn.EventID]) []sse {
	count, hinted := 0, false
	for _, n := range pending {
		count += n.Msg.Events
		hinted = hinted || n.Hinted
	}
	if count == 0 && !hinted {
		return nil
	}
	if grew := newest.grew(); !grew && count == 0 {
		return nil
	}
	return []sse{newEvents(count)}
}

func newEvents(count int) sse { return sse{data: newEntries{"events", count}} }
