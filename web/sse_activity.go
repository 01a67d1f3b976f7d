package web

import (
	"context"

	"github.com/gofiber/fiber/v2"

	"posthorn/internal/live"
	"posthorn/internal/posthorn"
)

// streamActivity tells the browser that its feed grew.
func (s *Server) streamActivity(c *fiber.Ctx) error {
	scope := requestOf(c).signedIn.User.ActivityScope()
	return streamList(s, c, growingList[posthorn.ActivityID, posthorn.ActivityNotice]{
		hub: s.Live, topic: scope.Topic(),
		newest:   func(ctx context.Context) (posthorn.ActivityID, error) { return s.Activity.Newest(ctx, scope) },
		position: posthorn.ParseActivityID,
		missed:   newRecords(0, ""),
		announce: announceActivity,
	})
}

// announceActivity makes one message of what is pending. A bare hint says that another process recorded something for somebody:
// the reader hears of it when it is theirs.
func announceActivity(pending []live.Notice[posthorn.ActivityNotice], newest *newestOf[posthorn.ActivityID]) []sse {
	count, worst := 0, posthorn.RiskLevel("")
	for _, n := range pending {
		merged := posthorn.ActivityNotice{Newest: newest.told, Worst: worst}.Merge(n.Msg)
		newest.told, worst = merged.Newest, merged.Worst
		count += n.Count
	}
	if count == 0 && !newest.grew() {
		return nil
	}
	return []sse{newRecords(count, worst)}
}

// newRecords says how many records are new, and the worst risk among them.
func newRecords(count int, worst posthorn.RiskLevel) sse {
	return sse{data: struct {
		newEntries
		Worst posthorn.RiskLevel `json:"worst,omitempty"`
	}{newEntries{"activity", count}, worst}}
}
