package postgres

import (
	"bytes"
	"context"
	"encoding/json"
	"slices"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"posthorn/internal/posthorn"
)

// loadSQL finds what claimed deliveries send, by id and within the ids of the batch, so that the partitions of other days are
// not touched. The data comes as far as $4 bytes go, 0 for any number, and of the first whatever it has.
const loadSQL = `
SELECT i.id, d.tenant_id, d.event_id, d.event, d.application_id, d.payload_scheme, e.occurred_at, e.id IS NOT NULL,
       CASE WHEN i.ord = 1 OR $4 = 0 OR sum(octet_length(e.payload::text)) OVER (ORDER BY i.ord) <= $4 THEN e.payload::text END
  FROM unnest($1::uuid[]) WITH ORDINALITY AS i (id, ord)
  LEFT JOIN deliveries d ON d.id = i.id AND d.id BETWEEN $2 AND $3
  LEFT JOIN events e ON e.id = d.event_id AND e.id BETWEEN $2 AND $3
 ORDER BY i.ord`

// loading adds to claimed jobs what is sent.
type loading struct {
	request posthorn.ClaimRequest
	jobs    []posthorn.Job

	loaded []posthorn.Job
	// beyond are more than the bytes of the request, void have no event any more.
	beyond, void []uuid.UUID
}

// run returns the jobs that can be sent. Those that are too many go back, and those whose event is past the retention come to
// their end: nobody could ever send them.
func (l *loading) run(ctx context.Context, tx pgx.Tx) ([]posthorn.Job, error) {
	if len(l.jobs) == 0 {
		return nil, nil
	}
	if err := l.load(ctx, tx); err != nil {
		return nil, err
	}
	if len(l.beyond) > 0 {
		_, err := tx.Exec(ctx, `UPDATE due SET lease_token = 0, next_attempt_at = now() WHERE delivery_id = ANY ($1)`, l.beyond)
		if err != nil {
			return nil, err
		}
	}
	return l.loaded, cancelDeliveries(ctx, tx, l.void, posthorn.CancelledWithoutEvent)
}

func (l *loading) load(ctx context.Context, tx pgx.Tx) error {
	ids := make([]uuid.UUID, len(l.jobs))
	for i := range l.jobs {
		ids[i] = l.jobs[i].DeliveryID.UUID()
	}
	first, last := idRange(ids)
	for i := 8; i < len(first); i++ { // an event's id has the first half of its deliveries'
		first[i], last[i] = 0, 0xff
	}
	rows, err := tx.Query(ctx, loadSQL, ids, first, last, l.request.Bytes)
	if err != nil {
		return err
	}
	var id uuid.UUID
	var tenant, event, application *uuid.UUID
	var kind, scheme, payload *string
	var occurred *time.Time
	var exists bool
	at := 0
	_, err = pgx.ForEachRow(rows, []any{&id, &tenant, &event, &kind, &application, &scheme, &occurred, &exists, &payload}, func() error {
		j := l.jobs[at]
		at++
		switch {
		case !exists:
			l.void = append(l.void, id)
			return nil
		case payload == nil:
			l.beyond = append(l.beyond, id)
			return nil
		}
		j.TenantID, j.EventID, j.Event = posthorn.TenantID(*tenant), posthorn.EventID(*event), *kind
		j.Payload, j.OccurredAt, j.Data = posthorn.Scheme(*scheme), occurred.UTC(), json.RawMessage(*payload)
		if application != nil {
			j.ApplicationID = posthorn.ApplicationID(*application)
		}
		l.loaded = append(l.loaded, j)
		return nil
	})
	return err
}

// idRange returns the least and the greatest of ids, by which only the partitions of their days are looked at.
func idRange(ids []uuid.UUID) (first, last uuid.UUID) {
	compare := func(a, b uuid.UUID) int { return bytes.Compare(a[:], b[:]) }
	return slices.MinFunc(ids, compare), slices.MaxFunc(ids, compare)
}
