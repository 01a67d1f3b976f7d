package postgres

import (
	"context"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"posthorn/internal/posthorn"
)

// Applications keeps the applications of tenants. It implements posthorn.ApplicationStore.
type Applications struct{ db *DB }

// NewApplications makes the store.
func NewApplications(db *DB) *Applications { return &Applications{db} }

var _ posthorn.ApplicationStore = (*Applications)(nil)

// ListApplicationUses returns the applications of a tenant by name, with the webhooks that are limited to them.
func (s *Applications) ListApplicationUses(ctx context.Context, tenant posthorn.TenantID) ([]posthorn.ApplicationUse, error) {
	list, err := applicationUses(ctx, s.db.pool, `a.tenant_id = $1`, tenant.UUID())
	return list, translate(err, "list the applications of "+tenant.String())
}

// ApplicationUse returns an application of a tenant with the webhooks that are limited to it.
func (s *Applications) ApplicationUse(ctx context.Context, tenant posthorn.TenantID, id posthorn.ApplicationID) (posthorn.ApplicationUse, error) {
	use, err := applicationUse(ctx, s.db.pool, tenant, id)
	return use, translate(err, "get "+id.String())
}

func applicationUse(ctx context.Context, q querier, tenant posthorn.TenantID, id posthorn.ApplicationID) (posthorn.ApplicationUse, error) {
	list, err := applicationUses(ctx, q, `a.tenant_id = $1 AND a.id = $2`, tenant.UUID(), id.UUID())
	if err == nil && len(list) == 0 {
		err = pgx.ErrNoRows
	}
	if err != nil {
		return posthorn.ApplicationUse{}, err
	}
	return list[0], nil
}

// applicationUses selects applications by name, each with its webhooks by name.
func applicationUses(ctx context.Context, q querier, condition string, args ...any) ([]posthorn.ApplicationUse, error) {
	rows, err := q.Query(ctx, `SELECT a.id, a.tenant_id, a.name, coalesce(a.external_id, ''), a.created_at, w.id, w.name
  FROM applications a LEFT JOIN webhooks w ON w.application_id = a.id WHERE `+condition+`
 ORDER BY lower(a.name), a.id, lower(w.name), w.id`, args...)
	if err != nil {
		return nil, err
	}
	var list []posthorn.ApplicationUse
	var use posthorn.ApplicationUse
	var webhook *uuid.UUID
	var name *string
	_, err = pgx.ForEachRow(rows, []any{
		(*uuid.UUID)(&use.ID), (*uuid.UUID)(&use.TenantID), &use.Name, &use.ExternalID, &use.CreatedAt, &webhook, &name,
	}, func() error {
		if n := len(list); n == 0 || list[n-1].ID != use.ID {
			use.CreatedAt = use.CreatedAt.UTC()
			list = append(list, use)
		}
		if webhook != nil {
			last := &list[len(list)-1]
			last.Webhooks = append(last.Webhooks, posthorn.NamedWebhook{ID: posthorn.WebhookID(*webhook), Name: *name})
		}
		return nil
	})
	return list, err
}

// InsertApplication stores an application, once for each form. The lock on the tenant makes those who add applications wait for
// each other, so that the limit holds.
func (s *Applications) InsertApplication(
	ctx context.Context, a posthorn.Application, at time.Time, form *posthorn.IdempotencyKey, entry posthorn.AuditEntry,
) (made posthorn.ApplicationID, err error) {
	made = a.ID
	err = s.db.inTx(ctx, "insert "+a.ID.String(), func(tx pgx.Tx) error {
		first, repeated, err := claimFormKey(ctx, tx, form, a.ID.String())
		if err != nil {
			return err
		}
		if repeated {
			made, err = posthorn.ParseApplicationID(first)
			return err
		}
		if err := lockTenant(ctx, tx, a.TenantID); err != nil {
			return err
		}
		var n int
		if err := tx.QueryRow(ctx, `SELECT count(*) FROM applications WHERE tenant_id = $1`, a.TenantID.UUID()).Scan(&n); err != nil {
			return err
		}
		if n >= posthorn.MaxApplications {
			return posthorn.ErrTooManyApplications
		}
		_, err = tx.Exec(ctx, `INSERT INTO applications (id, tenant_id, name, external_id, created_at, updated_at) VALUES ($1, $2, $3, $4, $5, $5)`,
			a.ID.UUID(), a.TenantID.UUID(), a.Name, textOrNull(a.ExternalID), at)
		if err != nil {
			return err
		}
		return writeAudit(ctx, tx, entry)
	})
	return made, err
}

// lockApplication returns an application of a tenant, locked: what would refer to it waits.
func lockApplication(ctx context.Context, tx pgx.Tx, tenant posthorn.TenantID, id posthorn.ApplicationID) (posthorn.Application, error) {
	a := posthorn.Application{ID: id, TenantID: tenant}
	err := tx.QueryRow(ctx, `SELECT name, coalesce(external_id, '') FROM applications WHERE tenant_id = $1 AND id = $2 FOR UPDATE`,
		tenant.UUID(), id.UUID()).Scan(&a.Name, &a.ExternalID)
	return a, err
}

// UpdateApplication writes what change makes of an application.
func (s *Applications) UpdateApplication(
	ctx context.Context, tenant posthorn.TenantID, id posthorn.ApplicationID,
	change func(posthorn.Application) (posthorn.Application, *posthorn.AuditEntry),
) error {
	return s.db.inTx(ctx, "update "+id.String(), func(tx pgx.Tx) error {
		was, err := lockApplication(ctx, tx, tenant, id)
		if err != nil {
			return err
		}
		is, entry := change(was)
		if entry == nil {
			return nil
		}
		_, err = tx.Exec(ctx, `UPDATE applications SET name = $2, external_id = $3, updated_at = now() WHERE id = $1`,
			id.UUID(), is.Name, textOrNull(is.ExternalID))
		if err != nil {
			return err
		}
		return writeAudit(ctx, tx, *entry)
	})
}

// DeleteApplication deletes an application that no webhook is limited to.
func (s *Applications) DeleteApplication(
	ctx context.Context, tenant posthorn.TenantID, id posthorn.ApplicationID,
	used func(posthorn.ApplicationUse) error, entry func(posthorn.Application) posthorn.AuditEntry,
) error {
	return s.db.inTx(ctx, "delete "+id.String(), func(tx pgx.Tx) error {
		if _, err := lockApplication(ctx, tx, tenant, id); err != nil {
			return err
		}
		use, err := applicationUse(ctx, tx, tenant, id)
		if err != nil {
			return err
		}
		if len(use.Webhooks) > 0 {
			return used(use)
		}
		if _, err := tx.Exec(ctx, `DELETE FROM applications WHERE id = $1`, id.UUID()); err != nil {
			return err
		}
		return writeAudit(ctx, tx, entry(use.Application))
	})
}
