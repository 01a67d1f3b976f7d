package postgres

import (
	"context"

	"github.com/jackc/pgx/v5"

	"posthorn/internal/posthorn"
)

// claimFormKey notes, in the transaction of what a form asks for, that the form was sent and what came of it. When it was sent
// before, it is repeated, and first is what came of it then: the transaction has nothing left to do. Whoever sends the same
// form at the same time waits for the end of this transaction. Without a key every form is the first.
func claimFormKey(ctx context.Context, tx pgx.Tx, key *posthorn.IdempotencyKey, response string) (first string, repeated bool, err error) {
	if key == nil {
		return response, false, nil
	}
	// An insert alone would not see the row of a transaction that committed meanwhile; an update does.
	err = tx.QueryRow(ctx, `INSERT INTO idempotency_keys AS ik (scope, key, response, expires_at)
VALUES ($1, $2, $3, now() + interval '24 hours')
ON CONFLICT (scope, key) DO UPDATE SET
  response   = CASE WHEN ik.expires_at < now() THEN excluded.response   ELSE ik.response   END,
  expires_at = CASE WHEN ik.expires_at < now() THEN excluded.expires_at ELSE ik.expires_at END
RETURNING response`, key.Scope, key.Key, response).Scan(&first)
	return first, err == nil && first != response, err
}

// renewFormKey notes that a form, whose key this transaction claimed, makes something else than the first time: what it made
// then is gone.
func renewFormKey(ctx context.Context, tx pgx.Tx, key *posthorn.IdempotencyKey, response string) error {
	_, err := tx.Exec(ctx, `UPDATE idempotency_keys SET response = $3, expires_at = now() + interval '24 hours' WHERE scope = $1 AND key = $2`,
		key.Scope, key.Key, response)
	return err
}

// formKeyResponse returns what came of a form that was sent with a key, or no row.
func formKeyResponse(ctx context.Context, in runner, key posthorn.IdempotencyKey) (first string, err error) {
	err = in.QueryRow(ctx, `SELECT response FROM idempotency_keys WHERE scope = $1 AND key = $2 AND expires_at >= now()`,
		key.Scope, key.Key).Scan(&first)
	return first, err
}
