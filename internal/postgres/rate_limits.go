package postgres

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"

	"posthorn/internal/posthorn"
)

// RateLimits keeps the buckets of tenants and what their limits are set to. It implements posthorn.RateStore and
// posthorn.LimitStore.
type RateLimits struct{ db *DB }

// NewRateLimits makes the store.
func NewRateLimits(db *DB) *RateLimits { return &RateLimits{db} }

var (
	_ posthorn.RateStore  = (*RateLimits)(nil)
	_ posthorn.LimitStore = (*RateLimits)(nil)
)

// RateLimitsChannel is the channel of LISTEN and NOTIFY on which processes tell each other what concerns limits.
const RateLimitsChannel = "posthorn_rate_limits"

// limitsChanged says on RateLimitsChannel that settings have changed. What else comes there is a recall.
const limitsChanged = "changed"

// recallText is what recalls the leases of a bucket; the process that needs them is named last.
func recallText(tenant posthorn.TenantID, kind posthorn.RequestKind, holder uuid.UUID) string {
	return strings.Join([]string{string(kind), tenant.String(), holder.String()}, " ")
}

// HeardRateLimits carries out what came on RateLimitsChannel: it gives back what another process recalls, and reads settings
// again when they have changed. It does not wait for either. Nothing may have been anything.
func HeardRateLimits(l *posthorn.RateLimiter, reread func()) func(payload string) {
	return func(payload string) {
		words := strings.Fields(payload)
		if len(words) != 3 {
			reread()
			return
		}
		tenant, err := posthorn.ParseTenantID(words[1])
		if err == nil && words[2] != l.Holder().String() {
			l.Recall(tenant, posthorn.RequestKind(words[0]))
		}
	}
}

// The bucket is locked, and read with the limit that holds and the time. What was just added to the log of the server is not waited
// for: a crash of the server forgets the requests of the last half second.
const (
	beginTakeSQL  = `BEGIN`
	asyncTakeSQL  = `SET LOCAL synchronous_commit = off`
	lockBucketSQL = `SELECT r.tokens, r.filled_at, r.leases, clock_timestamp(), l.api_rate, l.api_burst, l.publish_rate, l.publish_burst
  FROM rate_limits r LEFT JOIN tenant_limits l USING (tenant_id)
 WHERE r.tenant_id = $1 AND r.kind = $2 FOR UPDATE OF r`
	makeBucketSQL = `INSERT INTO rate_limits (tenant_id, kind, tokens, filled_at) VALUES ($1, $2, 'Infinity', clock_timestamp())
ON CONFLICT DO NOTHING`
	writeBucketSQL = `UPDATE rate_limits SET tokens = $3, filled_at = $4, leases = $5 WHERE tenant_id = $1 AND kind = $2`
)

// TakeTokens carries out an order on a bucket: two round trips, in a transaction of its own.
func (r *RateLimits) TakeTokens(
	ctx context.Context, tenant posthorn.TenantID, kind posthorn.RequestKind, defaults posthorn.RateLimit, o posthorn.BucketOrder,
) (a posthorn.BucketAnswer, err error) {
	op := fmt.Sprintf("take %s tokens of %s", kind, tenant)
	// A connection that goes back in the middle of a transaction is closed by the pool.
	err = r.db.pool.AcquireFunc(ctx, func(c *pgxpool.Conn) error {
		bucket, limits, now, err := lockBucket(ctx, c, tenant, kind)
		if err != nil {
			return err
		}
		limit := posthorn.LimitOf(limits, defaults, kind)
		a = bucket.Take(now, limit, o)
		return writeBucket(ctx, c, tenant, kind, o, &bucket, a)
	})
	return a, translate(err, op)
}

// lockBucket begins the transaction and reads the bucket, which it makes where there is none.
func lockBucket(ctx context.Context, c *pgxpool.Conn, tenant posthorn.TenantID, kind posthorn.RequestKind) (
	bucket posthorn.Bucket, set posthorn.LimitSettings, now time.Time, err error,
) {
	read := func(row pgx.Row) error {
		var leases []byte
		err := row.Scan(&bucket.Tokens, &bucket.FilledAt, &leases, &now, &set.APIRate, &set.APIBurst, &set.PublishRate, &set.PublishBurst)
		if err != nil {
			return err
		}
		return json.Unmarshal(leases, &bucket.Leases)
	}
	id := tenant.UUID()
	b := &pgx.Batch{}
	b.Queue(beginTakeSQL)
	b.Queue(asyncTakeSQL)
	b.Queue(lockBucketSQL, id, string(kind)).QueryRow(read)
	if err = c.SendBatch(ctx, b).Close(); errors.Is(err, pgx.ErrNoRows) {
		b = &pgx.Batch{}
		b.Queue(makeBucketSQL, id, string(kind))
		b.Queue(lockBucketSQL, id, string(kind)).QueryRow(read)
		err = c.SendBatch(ctx, b).Close()
	}
	return bucket, set, now, err
}

// writeBucket writes what an order left, recalls leases where that was asked and is needed, and commits.
func writeBucket(
	ctx context.Context, c *pgxpool.Conn, tenant posthorn.TenantID, kind posthorn.RequestKind, o posthorn.BucketOrder, bucket *posthorn.Bucket,
	a posthorn.BucketAnswer,
) error {
	leases, err := json.Marshal(bucket.Leases)
	if err != nil {
		return err
	}
	b := &pgx.Batch{}
	b.Queue(writeBucketSQL, tenant.UUID(), string(kind), bucket.Tokens, bucket.FilledAt, string(leases))
	if o.Recall && a.Granted < o.Need && a.Lent > 0 {
		b.Queue(`SELECT pg_notify($1, $2)`, RateLimitsChannel, recallText(tenant, kind, o.Holder))
	}
	b.Queue(`COMMIT`)
	return c.SendBatch(ctx, b).Close()
}

const settingColumns = `api_rate, api_burst, publish_rate, publish_burst`

func scanSettings(row pgx.Row, set *posthorn.LimitSettings, before ...any) error {
	return row.Scan(append(before, &set.APIRate, &set.APIBurst, &set.PublishRate, &set.PublishBurst)...)
}

// AllLimitSettings returns the settings of those tenants that have any.
func (r *RateLimits) AllLimitSettings(ctx context.Context) (map[posthorn.TenantID]posthorn.LimitSettings, error) {
	const op = "read the limits of all tenants"
	rows, err := r.db.pool.Query(ctx, `SELECT tenant_id, `+settingColumns+` FROM tenant_limits`)
	if err != nil {
		return nil, translate(err, op)
	}
	defer rows.Close()
	all := map[posthorn.TenantID]posthorn.LimitSettings{}
	for rows.Next() {
		var tenant uuid.UUID
		var set posthorn.LimitSettings
		if err := scanSettings(rows, &set, &tenant); err != nil {
			return nil, translate(err, op)
		}
		all[posthorn.TenantID(tenant)] = set
	}
	return all, translate(rows.Err(), op)
}

// LimitSettings returns what the limits of a tenant are set to, or NotFound where there is no such tenant.
func (r *RateLimits) LimitSettings(ctx context.Context, tenant posthorn.TenantID) (set posthorn.LimitSettings, err error) {
	err = readSettings(ctx, r.db.pool, tenant, &set)
	return set, translate(err, "get the limits of "+tenant.String())
}

func readSettings(ctx context.Context, in runner, tenant posthorn.TenantID, set *posthorn.LimitSettings) error {
	return scanSettings(in.QueryRow(ctx, `SELECT `+settingColumns+` FROM tenants t LEFT JOIN tenant_limits l ON l.tenant_id = t.id
 WHERE t.id = $1`, tenant.UUID()), set)
}

// UpdateLimitSettings changes the settings of a tenant, and tells all processes.
func (r *RateLimits) UpdateLimitSettings(
	ctx context.Context, tenant posthorn.TenantID, defaults posthorn.RateLimit,
	change func(posthorn.LimitSettings) (posthorn.LimitSettings, *posthorn.AuditEntry),
) error {
	return r.db.inTx(ctx, "set the limits of "+tenant.String(), func(tx pgx.Tx) error {
		if err := lockTenant(ctx, tx, tenant); err != nil {
			return err
		}
		var before posthorn.LimitSettings
		if err := readSettings(ctx, tx, tenant, &before); err != nil {
			return err
		}
		after, entry := change(before)
		if entry == nil {
			return nil
		}
		_, err := tx.Exec(ctx, `INSERT INTO tenant_limits (tenant_id, `+settingColumns+`, updated_at) VALUES ($1, $2, $3, $4, $5, now())
ON CONFLICT (tenant_id) DO UPDATE SET api_rate = excluded.api_rate, api_burst = excluded.api_burst, publish_rate = excluded.publish_rate,
   publish_burst = excluded.publish_burst, updated_at = excluded.updated_at`,
			tenant.UUID(), after.APIRate, after.APIBurst, after.PublishRate, after.PublishBurst)
		if err != nil {
			return err
		}
		if err := growBuckets(ctx, tx, tenant, defaults, before, after); err != nil {
			return err
		}
		if err := writeAudit(ctx, tx, *entry); err != nil {
			return err
		}
		_, err = tx.Exec(ctx, `SELECT pg_notify($1, $2)`, RateLimitsChannel, limitsChanged)
		return err
	})
}

// growBuckets puts into the buckets of a tenant what they hold more than before: whoever raises a limit wants that at once.
func growBuckets(
	ctx context.Context, tx pgx.Tx, tenant posthorn.TenantID, defaults posthorn.RateLimit, before, after posthorn.LimitSettings,
) error {
	for _, kind := range []posthorn.RequestKind{posthorn.RequestAPI, posthorn.RequestPublish} {
		more := posthorn.LimitOf(after, defaults, kind).Burst - posthorn.LimitOf(before, defaults, kind).Burst
		if more <= 0 {
			continue
		}
		_, err := tx.Exec(ctx, `UPDATE rate_limits SET tokens = tokens + $3 WHERE tenant_id = $1 AND kind = $2`, tenant.UUID(), string(kind), more)
		if err != nil {
			return err
		}
	}
	return nil
}
