package live_test

import (
	"fmt"

	"posthorn/internal/live"
)

// A feed of activity needs to know that there is more, how much, and how bad it is.
func ExampleHub() {
	type recorded struct {
		newest string // ids sort by time
		worst  int    // 0 low … 3 critical
	}
	hub := live.NewHub(func(pending, next recorded) recorded {
		return recorded{newest: max(pending.newest, next.newest), worst: max(pending.worst, next.worst)}
	})
	feed := hub.Subscribe("tenant_1")
	defer feed.Close()

	hub.Publish("tenant_1", recorded{newest: "act_1", worst: 3})
	hub.Publish("tenant_1", recorded{newest: "act_2", worst: 0})

	<-feed.Wake()
	for _, n := range feed.Take() {
		fmt.Printf("%s: %d new up to %s, worst risk %d\n", n.Topic, n.Count, n.Msg.newest, n.Msg.worst)
	}
	// Output: tenant_1: 2 new up to act_2, worst risk 3
}
