package postgres

import (
	"context"
	"strings"

	"github.com/jackc/pgx/v5"

	"posthorn/internal/posthorn"
)

// lockFailuresSQL returns the counts of keys, locked, and makes those that are missing. A plain SELECT could not lock
// what does not exist yet. The order keeps two attempts from locking the same keys the other way round.
const lockFailuresSQL = `
INSERT INTO sign_in_failures AS f (key, failures, first_at, last_at, blocked_until)
SELECT k, 0, 'epoch', 'epoch', 'epoch' FROM unnest($1::text[]) AS k ORDER BY k COLLATE "C"
ON CONFLICT (key) DO UPDATE SET failures = f.failures
RETURNING f.key, f.failures, f.first_at, f.last_at, f.blocked_until`

// UpdateSignInFailures changes the counts of keys while no other attempt sees them.
func (a *Accounts) UpdateSignInFailures(ctx context.Context, keys []string, change func([]posthorn.SignInFailures) error) error {
	return a.db.inTx(ctx, "count sign-in failures of "+strings.Join(keys, " and "), func(tx pgx.Tx) error {
		counts, err := lockFailures(ctx, tx, keys)
		if err != nil {
			return err
		}
		if err := change(counts); err != nil {
			return err
		}
		for _, c := range counts {
			if err := storeFailures(ctx, tx, c); err != nil {
				return err
			}
		}
		return nil
	})
}

// lockFailures returns the counts in the order of the keys.
func lockFailures(ctx context.Context, tx pgx.Tx, keys []string) ([]posthorn.SignInFailures, error) {
	rows, err := tx.Query(ctx, lockFailuresSQL, keys)
	if err != nil {
		return nil, err
	}
	locked, err := pgx.CollectRows(rows, pgx.RowToStructByPos[posthorn.SignInFailures])
	if err != nil {
		return nil, err
	}
	byKey := make(map[string]posthorn.SignInFailures, len(locked))
	for _, f := range locked {
		byKey[f.Key] = f
	}
	counts := make([]posthorn.SignInFailures, len(keys))
	for i, k := range keys {
		counts[i] = byKey[k]
	}
	return counts, nil
}

func storeFailures(ctx context.Context, tx pgx.Tx, f posthorn.SignInFailures) error {
	if f.Failures == 0 {
		_, err := tx.Exec(ctx, `DELETE FROM sign_in_failures WHERE key = $1`, f.Key)
		return err
	}
	_, err := tx.Exec(ctx, `UPDATE sign_in_failures SET failures = $2, first_at = $3, last_at = $4, blocked_until = $5 WHERE key = $1`,
		f.Key, f.Failures, f.FirstAt, f.LastAt, f.BlockedUntil)
	return err
}
