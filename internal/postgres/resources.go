package postgres

import (
	"context"
	"errors"
	"fmt"
	"slices"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"posthorn/internal/posthorn"
)

// Resources keeps invitations, submissions, verifications and integrations with their history, and emits their events in the
// transaction of each change. It implements posthorn.ResourceStore.
type Resources struct {
	db     *DB
	outbox *Outbox
}

// NewResources makes the store; events go through outbox.
func NewResources(db *DB, outbox *Outbox) *Resources { return &Resources{db, outbox} }

var _ posthorn.ResourceStore = (*Resources)(nil)

// ListResources returns a page, newest first. It reads one row more than asked for, to know whether the list goes on.
func (s *Resources) ListResources(ctx context.Context, tenant posthorn.TenantID, q posthorn.ResourceQuery) (posthorn.ResourceRows, error) {
	op := "list the " + q.Kind.Plural() + " of " + tenant.String()
	sql, args := resourcesSQL(tenant, q)
	rows, err := s.db.query(ctx, sql, args)
	if err != nil {
		return posthorn.ResourceRows{}, translate(err, op)
	}
	found, err := pgx.CollectRows(rows, tableOf(q.Kind).scan)
	if err != nil {
		return posthorn.ResourceRows{}, translate(err, op)
	}
	more := len(found) > q.Position.Limit
	found = found[:min(len(found), q.Position.Limit)]
	out := posthorn.ResourceRows{Resources: found, HasOlder: more, HasNewer: q.Position.After != uuid.Nil}
	if q.Position.Before != uuid.Nil {
		slices.Reverse(found)
		out.HasOlder, out.HasNewer = true, more
	}
	return out, nil
}

// resourcesSQL returns the query of a page; one that goes up is to be turned round.
func resourcesSQL(tenant posthorn.TenantID, q posthorn.ResourceQuery) (sql string, args []any) {
	t, c, order := tableOf(q.Kind), &conditions{}, "DESC"
	c.and("tenant_id = %s", tenant.UUID())
	switch at := q.Position; {
	case at.After != uuid.Nil:
		c.and("id < %s", at.After)
	case at.Before != uuid.Nil:
		c.and("id > %s", at.Before)
		order = "ASC"
	}
	oneOf(c, "status", q.Filter.Statuses)
	c.received("id", q.Filter.From, q.Filter.To)
	for _, name := range q.Kind.FilterFields() {
		if value := q.Filter.Fields[name]; value != "" {
			t.filters[name](c, tenant, value)
		}
	}
	switch {
	case q.ID != uuid.Nil:
		c.and("id = %s", q.ID)
	case q.Filter.Text != "":
		c.and("lower("+t.text+") LIKE lower(%s)", likePrefix(q.Filter.Text))
	}
	sql = fmt.Sprintf(`SELECT %s FROM %s WHERE %s ORDER BY id %s LIMIT %s`, t.columns(), t.name, c.where(), order, c.arg(q.Position.Limit+1))
	return sql, c.args
}

// Resource returns one with its newest changes.
func (s *Resources) Resource(
	ctx context.Context, tenant posthorn.TenantID, kind posthorn.ResourceKind, id uuid.UUID,
) (d posthorn.ResourceDetail, err error) {
	err = s.db.snapshot(ctx, "get "+string(kind)+" "+id.String(), func(tx pgx.Tx) error {
		if d.Resource, err = findResource(ctx, tx, tenant, kind, id, ""); err != nil {
			return err
		}
		if submission, ok := d.Resource.(*posthorn.Submission); ok {
			if submission.Screenings, err = screeningsOf(ctx, tx, id); err != nil {
				return err
			}
		}
		d.Changes, err = changesOf(ctx, tx, id)
		return err
	})
	return d, err
}

// findResource reads one resource; lock may be FOR UPDATE.
func findResource(
	ctx context.Context, in runner, tenant posthorn.TenantID, kind posthorn.ResourceKind, id uuid.UUID, lock string,
) (posthorn.Resource, error) {
	t := tableOf(kind)
	rows, err := in.Query(ctx, fmt.Sprintf(`SELECT %s FROM %s WHERE id = $1 AND tenant_id = $2 %s`, t.columns(), t.name, lock), id, tenant.UUID())
	if err != nil {
		return nil, err
	}
	return pgx.CollectExactlyOneRow(rows, t.scan)
}

// changesOf are the newest entries of the history of a resource, newest first.
func changesOf(ctx context.Context, in runner, id uuid.UUID) ([]posthorn.ResourceChange, error) {
	rows, err := in.Query(ctx, `SELECT id, tenant_id, resource_id, coalesce(from_status, ''), to_status, fields, actor, coalesce(event, ''), event_id
  FROM resource_changes WHERE resource_id = $1 ORDER BY id DESC LIMIT $2`, id, posthorn.MaxResourceHistory)
	if err != nil {
		return nil, err
	}
	return pgx.CollectRows(rows, func(row pgx.CollectableRow) (c posthorn.ResourceChange, err error) {
		var event *uuid.UUID
		err = row.Scan((*uuid.UUID)(&c.ID), (*uuid.UUID)(&c.TenantID), &c.Resource, &c.From, &c.To, &c.Fields, &c.Actor, &c.EventType, &event)
		if event != nil {
			c.EventID = posthorn.EventID(*event)
		}
		return c, err
	})
}

// note adds entries to the history of resources and emits their events. It is the last statement of a transaction: emitting
// changes how statements after it are planned.
func (s *Resources) note(ctx context.Context, tx pgx.Tx, changes ...posthorn.ResourceChange) (emitted, error) {
	var events []posthorn.Event
	for i := range changes {
		c := &changes[i]
		fields := append([]string{}, c.Fields...)
		_, err := tx.Exec(ctx, `INSERT INTO resource_changes (id, tenant_id, resource_id, from_status, to_status, fields, actor, event, event_id)
VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9)`, c.ID.UUID(), c.TenantID.UUID(), c.Resource, textOrNull(c.From), string(c.To), fields, c.Actor,
			textOrNull(c.EventType), uuidOrNull(c.EventID.UUID()))
		if err != nil {
			return emitted{}, fmt.Errorf("note what became of %s: %w", c.Resource, err)
		}
		if c.Event != nil {
			events = append(events, *c.Event)
		}
	}
	return s.outbox.emit(ctx, tx, events)
}

// InsertResource stores a new resource, once for each key.
func (s *Resources) InsertResource(
	ctx context.Context, r posthorn.Resource, made posthorn.ResourceChange, key *posthorn.IdempotencyKey,
) (stored posthorn.Resource, err error) {
	var out emitted
	h := r.Head()
	err = s.db.inTx(ctx, "insert "+h.ID(), func(tx pgx.Tx) error {
		first, repeated, err := claimFormKey(ctx, tx, key, h.UUID.String())
		if err != nil {
			return err
		}
		if repeated {
			id, err := uuid.Parse(first)
			if err != nil {
				return err
			}
			stored, err = findResource(ctx, tx, h.TenantID, h.Kind, id, "")
			if !errors.Is(err, pgx.ErrNoRows) {
				return err
			}
			if err := renewFormKey(ctx, tx, key, h.UUID.String()); err != nil {
				return err
			}
		}
		stored = r
		if err := tableOf(h.Kind).insert(ctx, tx, r); err != nil {
			return err
		}
		out, err = s.note(ctx, tx, made)
		return err
	})
	if err == nil {
		s.outbox.committed(out)
	}
	return stored, err
}

// ResourceMadeWith returns the resource that was made with a key.
func (s *Resources) ResourceMadeWith(
	ctx context.Context, tenant posthorn.TenantID, kind posthorn.ResourceKind, key posthorn.IdempotencyKey,
) (r posthorn.Resource, err error) {
	err = s.db.snapshot(ctx, "find the "+string(kind)+" of a key of "+tenant.String(), func(tx pgx.Tx) error {
		first, err := formKeyResponse(ctx, tx, key)
		if err != nil {
			return err
		}
		id, err := uuid.Parse(first)
		if err != nil {
			return err
		}
		r, err = findResource(ctx, tx, tenant, kind, id, "")
		return err
	})
	return r, err
}

// ChangeResource changes a resource that it has locked, so that of several who do one comes after the other.
func (s *Resources) ChangeResource(
	ctx context.Context, tenant posthorn.TenantID, kind posthorn.ResourceKind, id uuid.UUID,
	change func(posthorn.Resource) (*posthorn.ResourceChange, error),
) (r posthorn.Resource, err error) {
	var out emitted
	err = s.db.inTx(ctx, "change "+string(kind)+" "+id.String(), func(tx pgx.Tx) error {
		if r, err = findResource(ctx, tx, tenant, kind, id, "FOR UPDATE"); err != nil {
			return err
		}
		c, err := change(r)
		if err != nil || c == nil {
			return err
		}
		if err := tableOf(kind).update(ctx, tx, r); err != nil {
			return err
		}
		out, err = s.note(ctx, tx, *c)
		return err
	})
	if err != nil {
		return nil, err
	}
	s.outbox.committed(out)
	return r, nil
}

// DeleteResource deletes a resource with its history.
func (s *Resources) DeleteResource(
	ctx context.Context, tenant posthorn.TenantID, kind posthorn.ResourceKind, id uuid.UUID,
	last func(posthorn.Resource) (posthorn.ResourceChange, posthorn.AuditEntry, error),
) error {
	var out emitted
	err := s.db.inTx(ctx, "delete "+string(kind)+" "+id.String(), func(tx pgx.Tx) error {
		r, err := findResource(ctx, tx, tenant, kind, id, "FOR UPDATE")
		if err != nil {
			return err
		}
		c, entry, err := last(r)
		if err != nil {
			return err
		}
		if _, err := tx.Exec(ctx, fmt.Sprintf(`DELETE FROM %s WHERE id = $1 AND tenant_id = $2`, tableOf(kind).name), id, tenant.UUID()); err != nil {
			return err
		}
		if _, err := tx.Exec(ctx, `DELETE FROM resource_changes WHERE resource_id = $1`, id); err != nil {
			return err
		}
		if err := writeAudit(ctx, tx, entry); err != nil {
			return err
		}
		out, err = s.outbox.emit(ctx, tx, []posthorn.Event{*c.Event})
		return err
	})
	if err == nil {
		s.outbox.committed(out)
	}
	return err
}
