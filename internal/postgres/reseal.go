package postgres

import (
	"context"
	"fmt"
	"slices"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"posthorn/internal/posthorn"
)

const (
	// resealBatch is how many rows are read at a time.
	resealBatch = 200
	// resealPasses bounds how often the tables are gone through: until a pass finds nothing to do, which is the second one
	// unless somebody edits at the same time.
	resealPasses = 10
)

// ResealBox opens with several keys, seals with the first, and knows what was sealed with another. Implemented by package
// secretbox.
type ResealBox interface {
	posthorn.SecretBox
	NeedsReseal(ciphertext []byte) bool
}

// SealedReport counts the values that are stored encrypted.
type SealedReport struct {
	// Current are under the first key; Stale are under another one, and open.
	Current, Stale int
	// Resealed were moved to the first key.
	Resealed int
	// Unreadable are the ids of the secrets and webhooks of which a value opens with no key.
	Unreadable []string
}

// ExamineSealed opens everything that is stored encrypted, and changes nothing.
func (db *DB) ExamineSealed(ctx context.Context, box ResealBox) (SealedReport, error) {
	r := resealing{db: db, box: box}
	err := r.pass(ctx)
	return r.report, err
}

// Reseal encrypts everything that is stored under the first key of a box. Servers may run meanwhile, as long as they have
// that key too: each value is exchanged for its new form only while it is still the one that was read, so a change that
// somebody makes at the same time wins. What opens with no key is left as it is and reported. Cut off, it can be run again.
// Current counts what was under the first key before.
func (db *DB) Reseal(ctx context.Context, box ResealBox) (SealedReport, error) {
	var total SealedReport
	for n := range resealPasses {
		r := resealing{db: db, box: box, write: true}
		if err := r.pass(ctx); err != nil {
			return total, err
		}
		if n == 0 {
			total.Current = r.report.Current
		}
		total.Resealed += r.report.Resealed
		// An edit that began before its webhook was resealed may bring an old value back, so look again.
		total.Stale, total.Unreadable = r.report.Stale, r.report.Unreadable
		if r.report.Resealed == 0 && r.report.Stale == 0 {
			break
		}
	}
	return total, nil
}

// resealing is one pass over everything that is stored encrypted.
type resealing struct {
	db  *DB
	box ResealBox
	// write exchanges what is stale, instead of only counting it.
	write  bool
	report SealedReport
}

func (r *resealing) pass(ctx context.Context) error {
	err := eachBatch(ctx, r.db, `SELECT id, tenant_id, webhook_id, secret FROM signing_secrets WHERE id > $1 ORDER BY id LIMIT $2`, r.secret)
	if err != nil {
		return translate(err, "reseal the signing secrets")
	}
	err = eachBatch(ctx, r.db, `SELECT id, header_names, header_values FROM webhooks WHERE id > $1 ORDER BY id LIMIT $2`, r.headers)
	return translate(err, "reseal the headers of webhooks")
}

// identified is a row that is found again by its id.
type identified interface{ rowID() uuid.UUID }

// eachBatch reads a table by its ids, one batch at a time, so that no transaction stays open while the rows are dealt with.
func eachBatch[R identified](ctx context.Context, db *DB, sql string, do func(ctx context.Context, row R) error) error {
	var after uuid.UUID
	for {
		rows, err := db.pool.Query(ctx, sql, after, resealBatch)
		if err != nil {
			return err
		}
		batch, err := pgx.CollectRows(rows, pgx.RowToStructByPos[R])
		if err != nil {
			return err
		}
		for _, row := range batch {
			if err := do(ctx, row); err != nil {
				return err
			}
			after = row.rowID()
		}
		if len(batch) < resealBatch {
			return nil
		}
	}
}

type sealedSecretRow struct {
	ID, TenantID uuid.UUID
	WebhookID    *uuid.UUID
	Secret       []byte
}

func (r sealedSecretRow) rowID() uuid.UUID { return r.ID }

func (r sealedSecretRow) place() []byte {
	if r.WebhookID == nil {
		return posthorn.APISecretPlace(posthorn.TenantID(r.TenantID))
	}
	return posthorn.WebhookSecretPlace(posthorn.WebhookID(*r.WebhookID))
}

func (r *resealing) secret(ctx context.Context, row sealedSecretRow) error {
	id := posthorn.SigningSecretID(row.ID)
	fresh, stale := r.value(row.Secret, row.place(), id.String())
	if !stale || !r.write {
		return nil
	}
	return r.exchange(ctx, 1, id.String(), `UPDATE signing_secrets SET secret = $3 WHERE id = $1 AND secret = $2`, row.ID, row.Secret, fresh)
}

type sealedHeadersRow struct {
	ID     uuid.UUID
	Names  []string
	Values [][]byte
}

func (r sealedHeadersRow) rowID() uuid.UUID { return r.ID }

func (r *resealing) headers(ctx context.Context, row sealedHeadersRow) error {
	id := posthorn.WebhookID(row.ID)
	values, n := slices.Clone(row.Values), 0
	for i, name := range row.Names {
		if fresh, stale := r.value(row.Values[i], posthorn.WebhookHeaderPlace(id, name), id.String()); stale {
			values[i] = fresh
			n++
		}
	}
	if n == 0 || !r.write {
		return nil
	}
	return r.exchange(ctx, n, id.String(), `UPDATE webhooks SET header_values = $4
 WHERE id = $1 AND header_names = $2 AND header_values = $3`, row.ID, row.Names, row.Values, values)
}

// value counts one value, and returns its new form when it is not under the first key.
func (r *resealing) value(sealed, place []byte, id string) (fresh []byte, stale bool) {
	plain, err := r.box.Open(sealed, place)
	defer clear(plain)
	switch {
	case err != nil:
		if !slices.Contains(r.report.Unreadable, id) {
			r.report.Unreadable = append(r.report.Unreadable, id)
		}
		return nil, false
	case !r.box.NeedsReseal(sealed):
		r.report.Current++
		return nil, false
	}
	r.report.Stale++
	return r.box.Seal(plain, place), true
}

// exchange writes the new form of n values, if what was read is still what is stored.
func (r *resealing) exchange(ctx context.Context, n int, id, sql string, args ...any) error {
	tag, err := r.db.pool.Exec(ctx, sql, args...)
	if err != nil {
		return fmt.Errorf("%s: %w", id, err)
	}
	if tag.RowsAffected() > 0 {
		r.report.Resealed += n
		r.report.Stale -= n
	}
	return nil
}
