package history

import (
	"fmt"
	"math"
	"math/rand/v2"
	"slices"
	"time"

	"posthorn/internal/posthorn"
)

// smallTenants is how many tenants there are beside the large one, and smallShare the part of the events of each.
const (
	smallTenants = 3
	smallShare   = 0.02
)

// categoryShares is how the events are spread over the categories, in hundredths. The types of a category share.
var categoryShares = map[string]float64{
	"user": 22, "action": 18, "verification": 20, "submission": 15, "challenge": 6, "reward": 6, "aml": 5, "achievement": 3,
	"referral": 2, "invitation": 2, "integration": 1,
}

// kind is a type of event.
type kind struct {
	name string
	data string
	// share is the part of the events that are of it.
	share float64
	// endpoints are those of the large tenant that are subscribed to it.
	endpoints []*endpoint
}

// world is everything that the history is about.
type world struct {
	o            *Options
	rnd          *rand.Rand
	start        time.Time
	kinds        []*kind
	applications []posthorn.ApplicationID
	// endpoints are all, small those of the small tenants by tenant.
	endpoints []*endpoint
	small     map[posthorn.TenantID][]*endpoint
	// perDay is how many events a whole day has.
	perDay int
	// later are the days that have begun to fill, by their number.
	later map[int]*dayRows
	past  Past
}

func newWorld(o *Options) *world {
	w := &world{
		o: o, rnd: rand.New(rand.NewPCG(o.Seed, 0)), start: o.Until.Truncate(day).Add(-time.Duration(o.Days-1) * day),
		small: map[posthorn.TenantID][]*endpoint{}, later: map[int]*dayRows{},
		past: Past{Webhooks: map[Character]posthorn.WebhookID{}},
	}
	for range 5 {
		w.applications = append(w.applications, posthorn.ApplicationID(w.uuidAt(w.start.Add(-2*day))))
	}
	w.past.Application, w.past.ApplicationExternal = w.applications[0], externalID(0)
	w.makeKinds()
	w.endpoints = w.endpointsOf()
	for _, k := range w.kinds {
		for _, e := range w.endpoints {
			if e.subscribed(k.name) {
				k.endpoints = append(k.endpoints, e)
			}
		}
	}
	for n := range smallTenants {
		id := posthorn.TenantID(w.uuidAt(w.start.Add(-2 * day)))
		w.past.Small = append(w.past.Small, id)
		w.small[id] = []*endpoint{
			w.endpoint(id, Everything, 2*n, "Everything", []string{"*"}), w.endpoint(id, Flaky, 2*n+1, "Users", []string{"user.*"}),
		}
		w.endpoints = append(w.endpoints, w.small[id]...)
	}
	w.perDay = int(float64(o.Deliveries) / w.fanOut() / w.days())
	return w
}

func externalID(n int) string { return fmt.Sprintf("client_%03d", n+1) }

func (w *world) makeKinds() {
	perCategory := map[string]int{}
	types := slices.DeleteFunc(posthorn.BuiltInEventTypes(), func(t posthorn.EventType) bool { return categoryShares[t.Category] == 0 })
	for _, t := range types {
		perCategory[t.Category]++
	}
	total := 0.0
	for _, share := range categoryShares {
		total += share
	}
	for _, t := range types {
		w.kinds = append(w.kinds, &kind{
			name: t.Event, data: string(t.Example), share: categoryShares[t.Category] / total / float64(perCategory[t.Category]),
		})
	}
}

// fanOut is how many deliveries an event has in the mean, about: some endpoints are there for a part of the time.
func (w *world) fanOut() float64 {
	mean := 0.0
	whole := w.o.Until.Sub(w.start).Seconds()
	for _, k := range w.kinds {
		for _, e := range k.endpoints {
			part := 1.0
			if !e.application.IsZero() {
				part = applicationShare / float64(len(w.applications))
			}
			if !e.stopped.IsZero() {
				part *= e.stopped.Sub(w.start).Seconds() / whole
			}
			mean += k.share * part
		}
	}
	return mean*(1-smallTenants*smallShare) + smallTenants*smallShare*1.2
}

// days is how many days' worth of events there are: the last day is cut off.
func (w *world) days() float64 {
	n := w.eventsUntil(w.o.Until.Sub(w.start.Add(time.Duration(w.o.Days-1)*day)), 10_000)
	return float64(w.o.Days-1) + float64(n)/10_000
}

// timeOfDay is when the event at a place in its day comes: most come around noon.
func timeOfDay(place float64) time.Duration {
	return time.Duration((place + 0.12*math.Sin(2*math.Pi*place)) * float64(day))
}

// eventsUntil is how many of the events of a day come before a time of day.
func (w *world) eventsUntil(at time.Duration, perDay int) int {
	n := 0
	for n < perDay && timeOfDay(float64(n)/float64(perDay)) < at {
		n++
	}
	return n
}

// kindAt picks a type of event by its share.
func (w *world) kindAt() *kind {
	at := w.rnd.Float64()
	for _, k := range w.kinds {
		if at -= k.share; at < 0 {
			return k
		}
	}
	return w.kinds[len(w.kinds)-1]
}
