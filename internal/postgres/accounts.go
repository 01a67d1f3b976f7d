package postgres

import (
	"context"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"posthorn/internal/posthorn"
)

// Accounts keeps tenants, users, passwords and API keys. It implements posthorn.AccountStore.
type Accounts struct {
	db   *DB
	uses *apiKeyUses
	// keys finds API keys by their hash.
	keys *sharedRead[[32]byte, posthorn.APIKey]
}

// NewAccounts makes the store.
func NewAccounts(db *DB) *Accounts {
	a := &Accounts{db: db, uses: newAPIKeyUses()}
	a.keys = newSharedRead(apiKeyReadTimeout, func(ctx context.Context, hash [32]byte) (posthorn.APIKey, error) {
		k, err := a.apiKey(ctx, `hash = $1`, hash[:])
		return k, translate(err, "find an api key by its hash")
	})
	return a
}

var _ posthorn.AccountStore = (*Accounts)(nil)

const tenantColumns = "id, name, created_at"

// tenantRow is what is read of a row of tenants.
type tenantRow struct {
	ID        uuid.UUID
	Name      string
	CreatedAt time.Time
}

func (tenantRow) TableName() string { return "tenants" }

func (r tenantRow) tenant() posthorn.Tenant {
	return posthorn.Tenant{ID: posthorn.TenantID(r.ID), Name: r.Name, CreatedAt: r.CreatedAt.UTC()}
}

// FirstTenantID returns the oldest tenant; NotFound before there is one. The ingest asks for every record, so this is
// pgx's.
func (a *Accounts) FirstTenantID(ctx context.Context) (posthorn.TenantID, error) {
	var id uuid.UUID
	err := a.db.pool.QueryRow(ctx, `SELECT id FROM tenants ORDER BY id LIMIT 1`).Scan(&id)
	return posthorn.TenantID(id), translate(err, "find the first tenant")
}

// TenantByID returns a tenant, or NotFound.
func (a *Accounts) TenantByID(ctx context.Context, id posthorn.TenantID) (posthorn.Tenant, error) {
	var row tenantRow
	err := a.db.gorm.WithContext(ctx).Select(tenantColumns).Where("id = ?", id.UUID()).Take(&row).Error
	if err != nil {
		return posthorn.Tenant{}, translate(err, "get "+id.String())
	}
	return row.tenant(), nil
}

// ListTenants returns all tenants, oldest first.
func (a *Accounts) ListTenants(ctx context.Context) ([]posthorn.Tenant, error) {
	var rows []tenantRow
	if err := a.db.gorm.WithContext(ctx).Select(tenantColumns).Order("id").Find(&rows).Error; err != nil {
		return nil, translate(err, "list tenants")
	}
	tenants := make([]posthorn.Tenant, len(rows))
	for i, r := range rows {
		tenants[i] = r.tenant()
	}
	return tenants, nil
}

// FoundTenant stores a tenant with its owner and, where there is one, its API key.
func (a *Accounts) FoundTenant(ctx context.Context, f posthorn.Founding) error {
	return a.db.inTx(ctx, "found "+f.Tenant.ID.String(), func(tx pgx.Tx) error {
		if f.MustBeFirst {
			if err := refuseSecondTenant(ctx, tx); err != nil {
				return err
			}
		}
		_, err := tx.Exec(ctx, `INSERT INTO tenants (id, name, created_at, updated_at) VALUES ($1, $2, $3, $3)`,
			f.Tenant.ID.UUID(), f.Tenant.Name, f.Tenant.CreatedAt)
		if err != nil {
			return err
		}
		if err := insertSigningSecret(ctx, tx, f.APISecret); err != nil {
			return err
		}
		if err := insertUser(ctx, tx, f.Owner); err != nil {
			return err
		}
		if f.APIKey != nil {
			if err := insertAPIKey(ctx, tx, *f.APIKey); err != nil {
				return err
			}
		}
		return writeAudit(ctx, tx, f.Audit...)
	})
}

// refuseSecondTenant is a Conflict when there is a tenant. The lock makes everyone else who adds one wait for the end of
// this transaction, and this one wait for theirs; readers and references to tenants do not notice.
func refuseSecondTenant(ctx context.Context, tx pgx.Tx) error {
	if _, err := tx.Exec(ctx, `LOCK TABLE tenants IN SHARE ROW EXCLUSIVE MODE`); err != nil {
		return err
	}
	var exists bool
	if err := tx.QueryRow(ctx, `SELECT EXISTS (SELECT FROM tenants)`).Scan(&exists); err != nil {
		return err
	}
	if exists {
		return posthorn.ErrAlreadySetUp
	}
	return nil
}

// nullTime maps the zero time to NULL.
func nullTime(t time.Time) any {
	if t.IsZero() {
		return nil
	}
	return t
}
