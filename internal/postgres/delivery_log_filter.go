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
// a whole. They are small beside it, and the state of a delivery is in no index.
func sources(f *posthorn.DeliveryFilter) []string {
	if !f.DeliveryID.IsZero() || !f.EventID.IsZero() || f.Text != "" {
		return nil
	}
	statuses := f.Statuses
	if len(statuses) == 0 {
		statuses = posthorn.DeliveryStatuses()
	}
	// The latest attempt of what succeeded has a 2xx, and no error. A pending replay may have one, too.
	unsuccessful := f.ErrorClass != "" || !f.StatusCodes.IsZero() && (f.StatusCodes.To < 200 || f.StatusCodes.From > 299)
	if slices.Contains(statuses, posthorn.StatusSuccess) && !unsuccessful {
		return nil
	}
	var tables []string
	if slices.Contains(statuses, posthorn.StatusError) {
		tables = append(tables, failedSource, cancelledSource)
	}
	if slices.Contains(statuses, posthorn.StatusPending) {
		tables = append(tables, pendingSource)
	}
	if len(tables) == 0 { // successes alone, with what no success has
		tables = []string{pendingSource}
	}
	return tables
}

// deliveriesSQL returns the query of a page; one that goes up is to be turned round. key is the event that the free text
// names.
func deliveriesSQL(tenant posthorn.TenantID, q posthorn.DeliveryQuery, key *posthorn.EventID) (sql string, args []any) {
	c := &conditions{}
	owner := c.arg(tenant.UUID())
	c.and("d.tenant_id = " + owner)
	from, id, order := "deliveries d", "d.id", "DESC"
	if tables := sources(&q.Filter); len(tables) > 0 {
		from, id = candidates(c, tables, owner, q.Filter.WebhookID), "c.id"
	}
	switch {
	case !q.Position.After.IsZero():
		c.and(id+" < %s", q.Position.After.UUID())
	case !q.Position.Before.IsZero():
		c.and(id+" > %s", q.Position.Before.UUID())
		order = "ASC"
	}
	deliveryConditions(c, id, &q.Filter, key)
	sql = fmt.Sprintf(`SELECT %s FROM %s WHERE %s ORDER BY %s %s LIMIT %s`, entryColumns, from, c.where(), id, order, c.arg(q.Position.Limit+1))
	return sql, c.args
}

// candidates joins the deliveries to the tables that say which can be meant. owner is the placeholder of the tenant.
func candidates(c *conditions, tables []string, owner string, webhook posthorn.WebhookID) string {
	parts := make([]string, len(tables))
	for i, table := range tables {
		condition := "tenant_id = " + owner
		switch {
		case webhook.IsZero() && table == pendingSource:
			condition = "webhook_id IN (SELECT id FROM webhooks WHERE tenant_id = " + owner + ")"
		case !webhook.IsZero() && table == pendingSource:
			condition = "webhook_id = " + c.arg(webhook.UUID())
		case !webhook.IsZero() && table == failedSource:
			condition += " AND webhook_id = " + c.arg(webhook.UUID())
		}
		parts[i] = "SELECT delivery_id FROM " + table + " WHERE " + condition
	}
	return "(" + strings.Join(parts, " UNION ALL ") + ") c (id) JOIN deliveries d ON d.id = c.id"
}

// deliveryConditions turns a filter into SQL. Times and events become bounds on the id, which prune partitions.
func deliveryConditions(c *conditions, id string, f *posthorn.DeliveryFilter, key *posthorn.EventID) {
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
	c.received(id, f.From, f.To)
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
