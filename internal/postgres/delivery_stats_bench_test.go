package postgres_test

import (
	"testing"
	"time"

	"posthorn/internal/postgres"
	"posthorn/internal/posthorn"
	"posthorn/internal/testkit"
)

// BenchmarkDeliveryStats reads the figures of 50 webhooks that had attempts in every minute of 30 days.
func BenchmarkDeliveryStats(b *testing.B) {
	db, tenant := newTenant(b)
	store := postgres.NewWebhooks(db)
	ids := make([]posthorn.WebhookID, 50)
	raw := make([]string, len(ids))
	for i := range ids {
		ids[i] = insertHook(b, store, tenant, nil).ID
		raw[i] = ids[i].UUID().String()
	}
	now := time.Now()
	for _, sql := range []string{
		`INSERT INTO webhook_minutes (webhook_id, minute, shard, tenant_id, succeeded, failed, dead, latency)
SELECT w, m, 0, $2, 20, 1, 0, '{0,0,0,0,0,0,1,3,5,5,3,2,1,1,0,0,0,0,0,0,0,0,0,0,0,0}' FROM unnest($1::uuid[]) w,
       generate_series(date_trunc('minute', now()) - interval '30 days', now(), interval '1 minute') m`,
		`INSERT INTO webhook_responses (webhook_id, minute, shard, answer, attempts)
SELECT w, m, 0, CASE WHEN extract(minute FROM m) < 30 THEN '503' ELSE 'timeout' END, 1 FROM unnest($1::uuid[]) w, (VALUES ($2::uuid)) t,
       generate_series(date_trunc('minute', now()) - interval '30 days', now(), interval '1 minute') m`,
	} {
		if _, err := db.Pool().Exec(b.Context(), sql, raw, tenant.UUID()); err != nil {
			b.Fatal(err)
		}
	}
	if _, err := db.Pool().Exec(b.Context(), `UPDATE webhook_rollup SET rolled_until = '-infinity'`); err != nil {
		b.Fatal(err)
	}
	began := time.Now()
	if _, err := postgres.NewMaintenance(db, postgres.Retention{Events: testkit.EventRetention}).RunOnceAt(b.Context(), now); err != nil {
		b.Fatal(err)
	}
	b.Logf("first maintenance: %s", time.Since(began))
	began = time.Now()
	if _, err := postgres.NewMaintenance(db, postgres.Retention{Events: testkit.EventRetention}).RunOnceAt(b.Context(), now.Add(10*time.Minute)); err != nil {
		b.Fatal(err)
	}
	b.Logf("next maintenance: %s", time.Since(began))
	if _, err := db.Pool().Exec(b.Context(), `ANALYZE`); err != nil {
		b.Fatal(err)
	}

	stats, lastDay := postgres.NewDeliveryStats(db), statsHour(now, 24)
	for name, r := range map[string]posthorn.OverviewRange{
		"1h":  {Until: now.Truncate(time.Minute).Add(time.Minute), Bucket: time.Minute, Buckets: 60},
		"24h": lastDay,
		"7d":  {Until: now.Truncate(6 * time.Hour).Add(6 * time.Hour), Bucket: 6 * time.Hour, Buckets: 28},
		"30d": {Until: now.Truncate(24 * time.Hour).Add(24 * time.Hour), Bucket: 24 * time.Hour, Buckets: 30},
	} {
		b.Run("overview/"+name, func(b *testing.B) {
			for b.Loop() {
				if o, err := stats.Overview(b.Context(), tenant, r, lastDay); err != nil || o.Stats.Total() == 0 {
					b.Fatal(err)
				}
			}
		})
		b.Run("webhook/"+name, func(b *testing.B) {
			for b.Loop() {
				s, err := stats.Range(b.Context(), tenant, ids[0], r)
				if err == nil {
					_, err = stats.Answers(b.Context(), tenant, ids[0], r.From(), r.Until, s.Delivered)
				}
				if err != nil || s.Total() == 0 {
					b.Fatal(err)
				}
			}
		})
	}
	b.Run("list", func(b *testing.B) {
		for b.Loop() {
			if all, err := stats.Webhooks(b.Context(), tenant, ids, lastDay); err != nil || len(all) != len(ids) {
				b.Fatal(err)
			}
		}
	})
}
