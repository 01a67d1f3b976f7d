package history

import (
	"encoding/binary"
	"fmt"
	"slices"
	"time"

	"github.com/google/uuid"

	"posthorn/internal/posthorn"
)

// Character is how an endpoint behaves.
type Character string

// The characters of endpoints. Those of which there is one are in Past.Webhooks; of Healthy it is one of many.
const (
	// Everything gets every event and does well. Accepting does too, and answers 202.
	Everything Character = "everything"
	Accepting  Character = "accepting"
	// Flaky fails now and then, and takes the next attempt.
	Flaky Character = "flaky"
	// Rejecting answers some events with 4xx: its list of dead letters is long.
	Rejecting Character = "rejecting"
	// Down does not answer since two days ago, so that all of it waits.
	Down Character = "down"
	// Slow takes seconds, and sometimes too long.
	Slow Character = "slow"
	// Gone answered 410 three days ago and is disabled.
	Gone Character = "gone"
	// Paused was deactivated hours ago with deliveries that wait, Forgotten half a history ago.
	Paused    Character = "paused"
	Forgotten Character = "forgotten"
	// Throttling answers 429 to a part.
	Throttling Character = "throttling"
	// Moved redirects since half a history ago.
	Moved Character = "moved"
	// Expired had a bad certificate for some days.
	Expired Character = "expired"
	// Deleted was deleted, and its deliveries are left.
	Deleted Character = "deleted"
	// Healthy does well.
	Healthy Character = "healthy"
)

// answer is one thing that an endpoint may do, so often in 10,000 attempts.
type answer struct {
	per10000 int
	status   int
	class    posthorn.ErrorClass
	// ms is the median duration in milliseconds.
	ms float64
}

var (
	well = []answer{
		{9900, 200, "", 60},
		{60, 204, "", 30},
		{20, 503, "", 20},
		{10, 500, "", 90},
		{4, 0, posthorn.ErrorTimeout, 15000},
		{3, 0, posthorn.ErrorReset, 40},
		{3, 404, "", 25},
	}
	manners = map[Character][]answer{
		Everything: well,
		Accepting:  {{9990, 202, "", 20}, {10, 503, "", 20}},
		Flaky: {
			{9000, 200, "", 180},
			{500, 503, "", 30},
			{200, 502, "", 25},
			{200, 0, posthorn.ErrorTimeout, 15000},
			{100, 0, posthorn.ErrorReset, 300},
		},
		Rejecting:  {{7000, 200, "", 80}, {2000, 422, "", 45}, {600, 404, "", 20}, {400, 400, "", 20}},
		Down:       {{8000, 0, posthorn.ErrorRefused, 3}, {2000, 0, posthorn.ErrorTimeout, 15000}},
		Slow:       {{9600, 200, "", 4200}, {400, 0, posthorn.ErrorTimeout, 15000}},
		Gone:       {{10000, 410, "", 30}},
		Throttling: {{8500, 200, "", 70}, {1500, 429, "", 15}},
		Moved:      {{10000, 301, posthorn.ErrorRedirect, 25}},
		Expired:    {{9000, 0, posthorn.ErrorTLS, 35}, {1000, 0, posthorn.ErrorDNS, 12}},
	}
)

// endpoint is a webhook with its manners.
type endpoint struct {
	id          posthorn.WebhookID
	tenant      posthorn.TenantID
	application posthorn.ApplicationID
	character   Character
	name, url   string
	events      []string
	state       posthorn.WebhookState
	// since is when the state began, resumed when it was over for a while.
	since time.Time
	// troubleFrom and troubleTo bound the time in which it behaves as its character says; before and after it does well.
	troubleFrom, troubleTo time.Time
	// stopped is from when on it gets nothing, zero for never.
	stopped time.Time
	policy  posthorn.RetryPolicy
}

// answers are what the endpoint may do at a time.
func (e *endpoint) answers(at time.Time) []answer {
	own, ok := manners[e.character]
	if !ok || at.Before(e.troubleFrom) || !e.troubleTo.IsZero() && !at.Before(e.troubleTo) {
		return well
	}
	return own
}

// subscribed reports whether the endpoint is subscribed to events of a type.
func (e *endpoint) subscribed(kind string) bool {
	return slices.ContainsFunc(posthorn.SubscriptionsFor(kind), func(s string) bool { return slices.Contains(e.events, s) })
}

// reached reports whether the endpoint gets an event that it is subscribed to.
func (e *endpoint) reached(application posthorn.ApplicationID, at time.Time) bool {
	return (e.application.IsZero() || e.application == application) && !e.over(at)
}

// over reports whether nothing is sent to the endpoint any more.
func (e *endpoint) over(at time.Time) bool { return !e.stopped.IsZero() && !at.Before(e.stopped) }

// Webhooks is how many the large tenant has, the deleted one not counted.
const Webhooks = 50

// special are the endpoints of which there is one: a character, and what it is subscribed to.
var special = []struct {
	character Character
	name      string
	events    []string
}{
	{Everything, "Data warehouse", []string{"*"}},
	{Accepting, "Audit trail", []string{"*"}},
	{Flaky, "CRM sync", []string{"user.*"}},
	{Rejecting, "Underwriting", []string{"submission.*"}},
	{Down, "Case management", []string{"verification.*"}},
	{Slow, "Document archive", []string{"verification.document_submitted", "verification.completed"}},
	{Gone, "Old portal", []string{"invitation.*"}},
	{Paused, "Compliance desk", []string{"aml.*"}},
	{Forgotten, "Loyalty engine", []string{"action.*"}},
	{Throttling, "Mailer", []string{"invitation.*", "referral.*"}},
	{Moved, "Partner A", []string{"reward.claimed"}},
	{Expired, "Partner B", []string{"challenge.completed"}},
	{Deleted, "Legacy ledger", []string{"submission.approved", "submission.rejected"}},
}

// endpointsOf makes the webhooks of the large tenant.
func (w *world) endpointsOf() []*endpoint {
	var all []*endpoint
	for i, s := range special {
		e := w.endpoint(w.o.Tenant, s.character, i, s.name, s.events)
		all = append(all, e)
		w.past.Webhooks[s.character] = e.id
	}
	half := w.o.Until.Add(-time.Duration(w.o.Days) * day / 2)
	for _, e := range all {
		switch e.character {
		case Down:
			e.troubleFrom = w.o.Until.Add(-40 * time.Hour)
		case Gone:
			e.troubleFrom = w.o.Until.Add(-72 * time.Hour)
			e.stopped, e.state, e.since = e.troubleFrom.Add(time.Minute), posthorn.WebhookDisabled, e.troubleFrom.Add(time.Minute)
		case Paused:
			e.stopped = w.o.Until.Add(-6 * time.Hour)
			e.state, e.since = posthorn.WebhookInactive, e.stopped
		case Forgotten:
			e.state, e.since, e.stopped = posthorn.WebhookInactive, half, half
		case Moved:
			e.troubleFrom = half
		case Expired:
			e.troubleFrom, e.troubleTo = half, half.Add(5*day)
		case Deleted:
			e.stopped = half
		default:
		}
	}
	for i := len(all); i < Webhooks+1; i++ { // one is deleted
		kind := w.kinds[i%len(w.kinds)].name
		e := w.endpoint(w.o.Tenant, Healthy, i, fmt.Sprintf("Service %02d", i), []string{kind})
		if i%6 == 0 {
			e.application = w.applications[i%len(w.applications)]
		}
		all = append(all, e)
		w.past.Webhooks[Healthy] = e.id
	}
	return all
}

// endpoint makes one that is active from before the history on.
func (w *world) endpoint(tenant posthorn.TenantID, c Character, n int, name string, events []string) *endpoint {
	made := w.start.Add(-day + time.Duration(n)*time.Minute)
	return &endpoint{
		id: posthorn.WebhookID(w.uuidAt(made)), tenant: tenant, character: c, name: name,
		url: fmt.Sprintf("https://hooks-%02d.example/posthorn/events", n), events: events, state: posthorn.WebhookActive, since: made,
		policy: posthorn.RetryPolicy{MaxAttempts: posthorn.MaxMaxAttempts},
	}
}

// uuidAt makes a UUIDv7 of a moment.
func (w *world) uuidAt(at time.Time) uuid.UUID {
	var id uuid.UUID
	binary.BigEndian.PutUint64(id[:8], uint64(at.UnixMilli())<<16|0x7000|uint64(at.Nanosecond()%int(time.Millisecond)*4096/int(time.Millisecond))) //nolint:gosec // G115: after 1970
	binary.BigEndian.PutUint64(id[8:], w.rnd.Uint64()&^(3<<62)|2<<62)
	return id
}
