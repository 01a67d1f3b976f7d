package postgres

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"posthorn/internal/posthorn"
)

// eventOfKey returns the event that a free text names as its producer does, nil when there is none or when the text is an id
// of ours.
func eventOfKey(ctx context.Context, tx pgx.Tx, tenant posthorn.TenantID, text string) (*posthorn.EventID, error) {
	if text == "" || isOwnID(text) {
		return nil, nil //nolint:nilnil // no event is no error
	}
	var id uuid.UUID
	err := tx.QueryRow(ctx, `SELECT event_id FROM event_keys WHERE tenant_id = $1 AND key = $2`, tenant.UUID(), text).Scan(&id)
	if errors.Is(err, pgx.ErrNoRows) {
		return nil, nil //nolint:nilnil // no event is no error
	}
	return (*posthorn.EventID)(&id), err
}

func isOwnID(text string) bool {
	_, noEvent := posthorn.ParseEventID(text)
	_, noDelivery := posthorn.ParseDeliveryID(text)
	_, noWebhook := posthorn.ParseWebhookID(text)
	return noEvent == nil || noDelivery == nil || noWebhook == nil
}

// What did not succeed, by the state that it is in.
const (
	failedSource    = "dead_letters"
	cancelledSource = "cancelled_deliveries"
	pendingSource   = "due"
)

// sources returns the tables that together hold everything that a filter can let through, none where that is deliveries as
// a whole. They are small beside it, and the state of a delivery is in no index. Void says that it lets nothing through.
func sources(f *posthorn.DeliveryFilter) (tables []string, void bool) {
	if !f.DeliveryID.IsZero() || !f.EventID.IsZero() || f.Text != "" {
		return nil, false
	}
	statuses := f.Statuses
	if len(statuses) == 0 {
		statuses = posthorn.DeliveryStatuses()
	}
	// The latest attempt of what succeeded has a 2xx, and no error. A pending replay may have one, too.
	unsuccessful := f.ErrorClass != "" || !f.StatusCodes.IsZero() && (f.StatusCodes.To < 200 || f.StatusCodes.From > 299)
	if slices.Contains(statuses, posthorn.StatusSuccess) && !unsuccessful {
		return nil, false
	}
	if slices.Contains(statuses, posthorn.StatusError) {
		tables = append(tables, failedSource, cancelledSource)
	}
	if slices.Contains(statuses, posthorn.StatusPending) {
		tables = append(tables, pendingSource)
	}
	return tables, len(tables) == 0 // successes alone, with what no success has
}

// deliveriesScanned is how many deliveries a query looks at, in their order, to find those that pass the conditions which no
// index answers. Who wants more goes on from there. Of those that lie scattered, each on a page of its own, it looks at
// scatteredShare percent of that: it takes about as long.
const (
	deliveriesScanned = 10_000
	scatteredShare    = 30
)

// scattered makes a search look at fewer deliveries.
func (s *deliverySearch) scattered() { s.scan = max(s.scan*scatteredShare/100, 1) }

// deliverySearch is a filter as SQL: candidates, which an index gives in the order of the log, and the conditions that they
// have to pass.
type deliverySearch struct {
	conditions
	// bounds are conditions on an id, which is %s in them.
	bounds []string
	order  string
	// candidates gives ids, at most scan of them, in order. It is empty where the conditions name a handful of deliveries.
	candidates string
	// candidateArgs are the arguments of the candidates alone, the first of all.
	candidateArgs []any
	// whole says that the candidates are rows of deliveries.
	whole bool
	scan  int
}

// searchDeliveries turns a filter into SQL. since is the id that what is found is newer than, zero for none; key is the event
// that the free text names.
func searchDeliveries(
	tenant posthorn.TenantID, q *posthorn.DeliveryQuery, since posthorn.DeliveryID, key *posthorn.EventID, scan int,
) *deliverySearch {
	s := &deliverySearch{order: "DESC", scan: scan}
	f := q.Filter
	if id, err := posthorn.ParseWebhookID(f.Text); err == nil && (f.WebhookID.IsZero() || f.WebhookID == id) {
		f.WebhookID, f.Text = id, ""
	}
	s.bind(&f, q.Position, since)
	tables, void := sources(&f)
	switch {
	case void:
		s.clauses = append(s.bound("d.id"), "false")
	case !f.DeliveryID.IsZero() || !f.EventID.IsZero() || f.Text != "":
		s.clauses = append(s.clauses, s.bound("d.id")...)
	case len(tables) > 0:
		s.candidates = s.ofTables(tables, tenant, &f)
	default:
		s.candidates, s.whole = s.ofDeliveries(tenant, &f), true
	}
	s.candidateArgs = s.args
	if len(tables) > 0 {
		s.beside(&f)
	}
	s.and("d.tenant_id = %s", tenant.UUID())
	deliveryConditions(&s.conditions, &f, key)
	s.application(tenant, f.Application, len(tables) > 0)
	return s
}

// bind turns times and the position into bounds on the id, which prune partitions.
func (s *deliverySearch) bind(f *posthorn.DeliveryFilter, at posthorn.DeliveryPosition, since posthorn.DeliveryID) {
	add := func(operator string, id posthorn.DeliveryID) {
		s.bounds = append(s.bounds, "%s "+operator+" "+s.arg(id.UUID()))
	}
	if !f.From.IsZero() {
		add(">=", posthorn.DeliveryIDAt(f.From))
	}
	if !f.To.IsZero() {
		add("<", posthorn.DeliveryIDAt(f.To))
	}
	if !since.IsZero() {
		add(">", since)
	}
	switch {
	case !at.After.IsZero():
		add("<", at.After)
	case !at.Before.IsZero():
		add(">", at.Before)
		s.order = "ASC"
	}
}

// bound returns the bounds of an id.
func (s *deliverySearch) bound(id string) []string {
	out := make([]string, len(s.bounds))
	for i, b := range s.bounds {
		out[i] = fmt.Sprintf(b, id)
	}
	return out
}

// application adds the condition on the application, by its id or external id, and on what stands beside the deliveries.
func (s *deliverySearch) application(tenant posthorn.TenantID, application string, beside bool) {
	if application == "" {
		return
	}
	var its string
	if id, err := posthorn.ParseApplicationID(application); err == nil {
		its = s.arg(id.UUID())
	} else {
		its = "(SELECT id FROM applications WHERE tenant_id = " + s.arg(tenant.UUID()) + " AND external_id = " + s.arg(application) + ")"
	}
	s.clauses = append(s.clauses, "d.application_id = "+its)
	if beside {
		s.clauses = append(s.clauses, "(c.event IS NULL OR c.application_id = "+its+")")
	}
}

// ordered is the query of ids of a table in the order of the log.
func (s *deliverySearch) ordered(columns, table, id string, where []string) string {
	return fmt.Sprintf("SELECT %s FROM %s WHERE %s ORDER BY %s %s LIMIT %d",
		columns, table, strings.Join(append(where, s.bound(id)...), " AND "), id, s.order, s.scan)
}

// ofDeliveries are the candidates among all deliveries, by the condition that is likely to let the fewest through of those
// that have an index.
func (s *deliverySearch) ofDeliveries(tenant posthorn.TenantID, f *posthorn.DeliveryFilter) string {
	if len(f.Events) == 1 || !f.WebhookID.IsZero() {
		s.scattered()
	}
	if len(f.Events) != 1 && !f.WebhookID.IsZero() { // whose it is is looked at afterwards: another's may have millions
		where := []string{"webhook_id = " + s.arg(f.WebhookID.UUID())}
		if f.Test != nil && *f.Test {
			where = append(where, "test")
		}
		return s.ordered("*", "deliveries", "id", where)
	}
	where := []string{"tenant_id = " + s.arg(tenant.UUID())}
	switch {
	case len(f.Events) == 1:
		where = append(where, "event = "+s.arg(f.Events[0]))
	case f.Test != nil && *f.Test:
		where = append(where, "test")
	}
	return s.ordered("*", "deliveries", "id", where)
}

// besideColumns are the columns of deliveries that stand in a table beside them. Where event is null the others may be unknown,
// too, but for the status, the class and the attempts of what waits.
func besideColumns(table string) string {
	if table == pendingSource {
		return "delivery_id AS id, NULL::text AS event, NULL::uuid AS application_id, attempts, status_code, error_class, NULL::int AS duration_ms"
	}
	return "delivery_id AS id, event, application_id, attempts, status_code, error_class, duration_ms"
}

// beside adds the conditions on what stands beside the deliveries, as c. They follow from those on the deliveries themselves,
// and keep most of these from being read.
func (s *deliverySearch) beside(f *posthorn.DeliveryFilter) {
	known := conditions{args: s.args}
	oneOf(&known, "c.event", f.Events)
	if f.Over > 0 {
		known.and("c.duration_ms > %s", f.Over.Milliseconds())
	}
	s.args = known.args
	for _, clause := range known.clauses {
		s.clauses = append(s.clauses, "(c.event IS NULL OR "+clause+")")
	}
	if f.MinAttempts > 0 {
		s.and("(c.attempts IS NULL OR c.attempts >= %s)", f.MinAttempts)
	}
	if c := f.StatusCodes; !c.IsZero() {
		s.and("c.status_code BETWEEN %s AND %s", c.From, c.To)
	}
	if f.ErrorClass != "" {
		s.and("c.error_class = %s", string(f.ErrorClass))
	}
}

// ofTables are the candidates in the tables that say what did not succeed.
func (s *deliverySearch) ofTables(tables []string, tenant posthorn.TenantID, f *posthorn.DeliveryFilter) string {
	unknown := len(f.Events) > 0 || f.Over > 0 || f.Application != "" || f.Test != nil
	if unknown && slices.Contains(tables, pendingSource) {
		s.scattered()
	}
	parts := make([]string, len(tables))
	for i, table := range tables {
		var where []string
		switch {
		case !f.WebhookID.IsZero():
			where = append(where, "webhook_id = "+s.arg(f.WebhookID.UUID()))
		case table == pendingSource:
			where = append(where, "webhook_id IN (SELECT id FROM webhooks WHERE tenant_id = "+s.arg(tenant.UUID())+")")
		}
		if table != pendingSource {
			where = append(where, "tenant_id = "+s.arg(tenant.UUID()))
		}
		if table == failedSource {
			where = append(where, s.reason(f)...)
		}
		parts[i] = "(" + s.ordered(besideColumns(table), table, "delivery_id", where) + ")"
	}
	return fmt.Sprintf("SELECT * FROM (%s) u ORDER BY id %s LIMIT %d", strings.Join(parts, " UNION ALL "), s.order, s.scan)
}

// reason are the conditions on the latest attempt that the dead letters have an index for.
func (s *deliverySearch) reason(f *posthorn.DeliveryFilter) (where []string) {
	switch c := f.StatusCodes; {
	case c.IsZero():
	case c.From == c.To:
		where = append(where, "status_code = "+s.arg(c.From))
	default:
		where = append(where, "status_code BETWEEN "+s.arg(c.From)+" AND "+s.arg(c.To))
	}
	if f.ErrorClass != "" {
		where = append(where, "error_class = "+s.arg(string(f.ErrorClass)))
	}
	return where
}

// sql returns the query of columns of what is found; one that goes up is to be turned round.
func (s *deliverySearch) sql(columns string, limit int) string {
	from := "deliveries d"
	switch {
	case s.candidates == "":
	case s.whole:
		from = "(" + s.candidates + ") d"
	default:
		// OFFSET 0 keeps the deliveries from being read as a whole.
		from = "(" + s.candidates + ") c CROSS JOIN LATERAL (SELECT * FROM deliveries WHERE id = c.id OFFSET 0) d"
	}
	id := "d.id"
	if s.candidates != "" && !s.whole {
		id = "c.id"
	}
	return fmt.Sprintf("SELECT %s FROM %s WHERE %s ORDER BY %s %s LIMIT %d", columns, from, s.where(), id, s.order, limit)
}

// reached returns the last candidate when there may be more, zero when all were looked at.
func (s *deliverySearch) reached(ctx context.Context, tx pgx.Tx) (id posthorn.DeliveryID, err error) {
	if s.candidates == "" {
		return id, nil
	}
	sql := fmt.Sprintf("SELECT id FROM (%s) c ORDER BY id %s OFFSET %d LIMIT 1", s.candidates, s.order, s.scan-1)
	err = tx.QueryRow(ctx, sql, append([]any{pgx.QueryExecModeCacheDescribe}, s.candidateArgs...)...).Scan((*uuid.UUID)(&id))
	if errors.Is(err, pgx.ErrNoRows) {
		return posthorn.DeliveryID{}, nil
	}
	return id, err
}

// deliveryConditions turns what a filter says of deliveries into SQL.
func deliveryConditions(c *conditions, f *posthorn.DeliveryFilter, key *posthorn.EventID) {
	if !f.WebhookID.IsZero() {
		c.and("d.webhook_id = %s", f.WebhookID.UUID())
	}
	if !f.DeliveryID.IsZero() {
		c.and("d.id = %s", f.DeliveryID.UUID())
	}
	if !f.EventID.IsZero() {
		c.ofEvent(f.EventID)
	}
	oneOf(c, "d.event", f.Events)
	if len(f.Statuses) > 0 {
		oneOf(c, "d.state", statesOf(f.Statuses))
	}
	switch codes := f.StatusCodes; {
	case codes.IsZero():
	case codes.From == codes.To:
		c.and("d.status_code = %s", codes.From)
	default:
		c.and("d.status_code BETWEEN %s AND %s", codes.From, codes.To)
	}
	if f.ErrorClass != "" {
		c.and("d.error_class = %s", string(f.ErrorClass))
	}
	if f.Over > 0 {
		c.and("d.duration_ms > %s", f.Over.Milliseconds())
	}
	if f.MinAttempts > 0 {
		c.and("d.attempts >= %s", f.MinAttempts)
	}
	switch {
	case f.Test == nil:
	case *f.Test:
		c.and("d.test")
	default:
		c.and("NOT d.test")
	}
	if f.Text != "" {
		c.deliveryText(f.Text, key)
	}
}

// received bounds the time of receipt, which ids begin with.
func (c *conditions) received(id string, from, to time.Time) {
	if !from.IsZero() {
		c.and(id+" >= %s", posthorn.DeliveryIDAt(from).UUID())
	}
	if !to.IsZero() {
		c.and(id+" < %s", posthorn.DeliveryIDAt(to).UUID())
	}
}

// ofEvent selects the deliveries of an event, which are a range of ids.
func (c *conditions) ofEvent(id posthorn.EventID) {
	first, last := deliveryRange(id)
	c.and("d.id BETWEEN %s AND %s AND d.event_id = %s", first, last, id.UUID())
}

func (c *conditions) deliveryText(text string, key *posthorn.EventID) {
	if id, err := posthorn.ParseDeliveryID(text); err == nil {
		c.and("d.id = %s", id.UUID())
	} else if id, err := posthorn.ParseWebhookID(text); err == nil {
		c.and("d.webhook_id = %s", id.UUID())
	} else if id, err := posthorn.ParseEventID(text); err == nil {
		c.ofEvent(id)
	} else if key != nil {
		c.ofEvent(*key)
	} else {
		c.and("false")
	}
}

// statesOf lists the states that are shown as one of the statuses.
func statesOf(statuses []posthorn.DeliveryStatus) []posthorn.DeliveryState {
	var states []posthorn.DeliveryState
	for _, s := range []posthorn.DeliveryState{
		posthorn.DeliveryPending, posthorn.DeliverySucceeded, posthorn.DeliveryFailed, posthorn.DeliveryCancelled,
	} {
		if slices.Contains(statuses, s.Status()) {
			states = append(states, s)
		}
	}
	return states
}
