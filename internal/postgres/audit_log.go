package postgres

import (
	"context"
	"encoding/json"
	"fmt"
	"slices"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"posthorn/internal/posthorn"
)

// AuditLog reads the audit log. It implements posthorn.AuditReader.
type AuditLog struct{ db *DB }

// NewAuditLog makes the reader.
func NewAuditLog(db *DB) *AuditLog { return &AuditLog{db} }

var _ posthorn.AuditReader = (*AuditLog)(nil)

func scanAudit(row pgx.CollectableRow) (posthorn.AuditEntry, error) {
	var e posthorn.AuditEntry
	var actor *uuid.UUID
	var before, after *string
	err := row.Scan((*uuid.UUID)(&e.ID), (*uuid.UUID)(&e.TenantID), &actor, &e.Actor.Name, &e.Actor.Address, &e.Action, &e.Subject, &before, &after)
	if err != nil {
		return e, err
	}
	if actor != nil {
		e.Actor.UserID = posthorn.UserID(*actor)
	}
	for _, side := range []struct {
		text *string
		into *map[string]any
	}{{before, &e.Before}, {after, &e.After}} {
		if side.text == nil {
			continue
		}
		if err := json.Unmarshal([]byte(*side.text), side.into); err != nil {
			return e, fmt.Errorf("read %s: %w", e.ID, err)
		}
	}
	return e, nil
}

// ListAudit returns a page, newest first. It reads one row more than asked for, to know whether the list goes on.
func (l *AuditLog) ListAudit(ctx context.Context, tenant posthorn.TenantID, q posthorn.AuditQuery) (posthorn.AuditRows, error) {
	op := "list the audit log of " + tenant.String()
	sql, args := auditSQL(tenant, q)
	rows, err := l.db.pool.Query(ctx, sql, append([]any{pgx.QueryExecModeCacheDescribe}, args...)...)
	if err != nil {
		return posthorn.AuditRows{}, translate(err, op)
	}
	entries, err := pgx.CollectRows(rows, scanAudit)
	if err != nil {
		return posthorn.AuditRows{}, translate(err, op)
	}
	more := len(entries) > q.Position.Limit
	entries = entries[:min(len(entries), q.Position.Limit)]
	if !q.Position.Before.IsZero() {
		slices.Reverse(entries)
		return posthorn.AuditRows{Entries: entries, HasNewer: more, HasOlder: true}, nil
	}
	return posthorn.AuditRows{Entries: entries, HasNewer: !q.Position.After.IsZero(), HasOlder: more}, nil
}

// auditSQL returns the query of a page; one that goes up is to be turned round.
func auditSQL(tenant posthorn.TenantID, q posthorn.AuditQuery) (sql string, args []any) {
	c, f := &conditions{}, &q.Filter
	c.and("tenant_id = %s", tenant.UUID())
	order := "DESC"
	switch {
	case !q.Position.After.IsZero():
		c.and("id < %s", q.Position.After.UUID())
	case !q.Position.Before.IsZero():
		c.and("id > %s", q.Position.Before.UUID())
		order = "ASC"
	}
	if f.Actor != "" {
		if id, err := posthorn.ParseUserID(f.Actor); err == nil {
			c.and("actor_id = %s", id.UUID())
		} else {
			c.and("actor_id IS NULL AND actor = %s", f.Actor)
		}
	}
	oneOf(c, "action", f.Actions)
	if f.Subject != "" {
		c.and("subject = %s", f.Subject)
	}
	c.received("id", f.From, f.To)
	if f.Text != "" {
		c.auditText(f.Text)
	}
	sql = fmt.Sprintf(`SELECT id, tenant_id, actor_id, actor, address, action, subject, before::text, after::text
  FROM audit_log WHERE %s ORDER BY id %s LIMIT %s`, c.where(), order, c.arg(q.Position.Limit+1))
	return sql, c.args
}

// auditText finds an id where an entry has one.
func (c *conditions) auditText(text string) {
	if id, err := posthorn.ParseAuditID(text); err == nil {
		c.and("id = %s", id.UUID())
	} else if id, err := posthorn.ParseUserID(text); err == nil {
		c.and("(subject = %s OR actor_id = %s)", text, id.UUID())
	} else {
		c.and("subject = %s", text)
	}
}

// AuditFacets returns what the log of a tenant can be filtered by. Each list is found by jumping from one value to the next in
// an index, so that a long log costs no more than a short one.
func (l *AuditLog) AuditFacets(ctx context.Context, tenant posthorn.TenantID) (out posthorn.AuditFacets, err error) {
	const op = "find what the audit log can be filtered by"
	users, err := (&Accounts{db: l.db}).ListMembers(ctx, tenant)
	if err != nil {
		return out, err
	}
	for i := range users {
		out.Users = append(out.Users, users[i].User)
	}
	actions, err := l.jump(ctx, tenant, "action", "true")
	if err != nil {
		return out, translate(err, op)
	}
	for _, a := range actions {
		out.Actions = append(out.Actions, posthorn.Action(a))
	}
	if out.Actors, err = l.jump(ctx, tenant, "actor", "actor_id IS NULL"); err != nil {
		return out, translate(err, op)
	}
	out.Former, err = l.former(ctx, tenant)
	return out, translate(err, op)
}

// formerSQL finds who acted and is no user any more, by the name that they had last.
const formerSQL = `WITH RECURSIVE v AS (
  (SELECT actor_id AS id FROM audit_log WHERE tenant_id = $1 AND actor_id IS NOT NULL ORDER BY actor_id LIMIT 1)
  UNION ALL
  SELECT (SELECT actor_id FROM audit_log WHERE tenant_id = $1 AND actor_id > v.id ORDER BY actor_id LIMIT 1) FROM v WHERE v.id IS NOT NULL)
SELECT v.id, (SELECT actor FROM audit_log WHERE tenant_id = $1 AND actor_id = v.id ORDER BY id DESC LIMIT 1) AS name
  FROM v WHERE v.id IS NOT NULL AND NOT EXISTS (SELECT FROM users u WHERE u.id = v.id) ORDER BY 2, 1 LIMIT 200`

func (l *AuditLog) former(ctx context.Context, tenant posthorn.TenantID) ([]posthorn.User, error) {
	rows, err := l.db.pool.Query(ctx, formerSQL, tenant.UUID())
	if err != nil {
		return nil, err
	}
	return pgx.CollectRows(rows, func(row pgx.CollectableRow) (posthorn.User, error) {
		u := posthorn.User{TenantID: tenant}
		err := row.Scan((*uuid.UUID)(&u.ID), &u.Name)
		return u, err
	})
}

// jump returns the values of a column, in order, of the rows of a tenant that meet a condition.
func (l *AuditLog) jump(ctx context.Context, tenant posthorn.TenantID, column, condition string) ([]string, error) {
	sql := fmt.Sprintf(`WITH RECURSIVE v AS (
  (SELECT %[1]s AS value FROM audit_log WHERE tenant_id = $1 AND %[2]s ORDER BY %[1]s LIMIT 1)
  UNION ALL
  SELECT (SELECT %[1]s FROM audit_log WHERE tenant_id = $1 AND %[1]s > v.value AND %[2]s ORDER BY %[1]s LIMIT 1) FROM v WHERE v.value IS NOT NULL)
SELECT value FROM v WHERE value IS NOT NULL LIMIT 200`, column, condition)
	rows, err := l.db.pool.Query(ctx, sql, tenant.UUID())
	if err != nil {
		return nil, err
	}
	return pgx.CollectRows(rows, pgx.RowTo[string])
}
