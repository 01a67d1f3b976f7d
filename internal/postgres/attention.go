package postgres

import (
	"context"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"posthorn/internal/posthorn"
)

const (
	// attentionCounted is up to where a group of failures is counted.
	attentionCounted = 2000
	// attentionWalked bounds how many groups are looked at, those of deleted webhooks included.
	attentionWalked = 2000
)

// attentionSQL walks from group to group by the index, however many failures there are in each, and counts each up to a limit.
// Tests are few, and taken away from the counts.
const attentionSQL = `
WITH RECURSIVE g AS (
  (SELECT webhook_id, coalesce(status_code, 0) AS code, coalesce(error_class, '') AS class, 1 AS n
     FROM dead_letters WHERE tenant_id = $1
    ORDER BY webhook_id, coalesce(status_code, 0), coalesce(error_class, '') LIMIT 1)
  UNION ALL
  SELECT l.webhook_id, l.code, l.class, g.n + 1
    FROM g CROSS JOIN LATERAL (
         SELECT webhook_id, coalesce(status_code, 0) AS code, coalesce(error_class, '') AS class
           FROM dead_letters
          WHERE tenant_id = $1
            AND (webhook_id, coalesce(status_code, 0), coalesce(error_class, '')) > (g.webhook_id, g.code, g.class)
          ORDER BY webhook_id, coalesce(status_code, 0), coalesce(error_class, '') LIMIT 1) l
   WHERE g.n < $2),
tests AS MATERIALIZED (
  SELECT l.webhook_id, coalesce(l.status_code, 0) AS code, coalesce(l.error_class, '') AS class, count(*) AS n
    FROM (SELECT id FROM deliveries WHERE tenant_id = $1 AND test AND state = 'failed' ORDER BY id DESC LIMIT $3) t
    JOIN dead_letters l ON l.delivery_id = t.id
   GROUP BY 1, 2, 3),
newest AS MATERIALIZED (
  SELECT g.webhook_id, w.name, g.code, g.class, at.failed_at
    FROM g JOIN webhooks w ON w.id = g.webhook_id AND w.tenant_id = $1
   CROSS JOIN LATERAL (
         SELECT failed_at FROM dead_letters
          WHERE tenant_id = $1 AND webhook_id = g.webhook_id AND coalesce(status_code, 0) = g.code AND coalesce(error_class, '') = g.class
          ORDER BY failed_at DESC LIMIT 1) at
   ORDER BY at.failed_at DESC, g.webhook_id LIMIT $4)
SELECT n.webhook_id, n.name, n.code, n.class, n.failed_at,
       (SELECT count(*) FROM (
          SELECT FROM dead_letters
           WHERE tenant_id = $1 AND webhook_id = n.webhook_id AND coalesce(status_code, 0) = n.code AND coalesce(error_class, '') = n.class
           LIMIT $3) counted),
       coalesce((SELECT t.n FROM tests t WHERE t.webhook_id = n.webhook_id AND t.code = n.code AND t.class = n.class), 0)
  FROM newest n ORDER BY n.failed_at DESC, n.webhook_id`

// Attention groups what failed for good by webhook and reason.
func (s *Replays) Attention(
	ctx context.Context, tenant posthorn.TenantID, limit int,
) (groups []posthorn.FailureGroup, more bool, err error) {
	op := "group what failed in " + tenant.String()
	rows, err := s.db.pool.Query(ctx, attentionSQL, pgx.QueryExecModeCacheDescribe, tenant.UUID(), attentionWalked, attentionCounted+1, limit+1)
	if err != nil {
		return nil, false, translate(err, op)
	}
	var g posthorn.FailureGroup
	var id uuid.UUID
	var at time.Time
	var counted, tests, read int
	_, err = pgx.ForEachRow(rows, []any{&id, &g.WebhookName, &g.StatusCode, &g.ErrorClass, &at, &counted, &tests}, func() error {
		g.WebhookID, g.NewestAt = posthorn.WebhookID(id), at.UTC()
		g.Count = posthorn.Estimate{N: min(counted, attentionCounted) - tests, More: counted > attentionCounted}
		if read++; g.Count.N > 0 {
			groups = append(groups, g)
		}
		return nil
	})
	if len(groups) > limit {
		groups = groups[:limit]
	}
	return groups, read > limit, translate(err, op)
}
