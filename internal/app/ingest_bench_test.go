package app_test

import (
	"bytes"
	"context"
	"encoding/json"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/url"
	"path/filepath"
	"slices"
	"sync"
	"testing"
	"time"

	"posthorn/internal/live"
	"posthorn/internal/pgserver"
	"posthorn/internal/postgres"
	"posthorn/internal/posthorn"
	"posthorn/internal/sitekit"
	"posthorn/views/path"
	"posthorn/web"
)

// benchWorkers is how many workers post at once.
const benchWorkers = 50

// BenchmarkIngest posts records over HTTP from 50 workers, to a PostgreSQL that syncs every commit to disk: once with the
// group commit, once with a transaction for every post, as many at a time as the pool has connections.
func BenchmarkIngest(b *testing.B) {
	alone := postgres.DefaultGroupLimits
	alone.Items, alone.Flushers = 1, 16
	for name, limits := range map[string]postgres.GroupLimits{"grouped": postgres.DefaultGroupLimits, "alone": alone} {
		b.Run(name, func(b *testing.B) { benchmarkIngest(b, limits) })
	}
}

func benchmarkIngest(b *testing.B, limits postgres.GroupLimits) {
	b.Helper()
	log := slog.New(slog.DiscardHandler)
	// Not the server of testkit: that one does not sync.
	private, err := pgserver.Start(b.Context(), pgserver.Options{Dir: filepath.Join(b.TempDir(), "postgres")})
	if err != nil {
		b.Fatal(err)
	}
	defer func() { _ = private.Stop(context.WithoutCancel(b.Context())) }()
	db, err := postgres.Open(b.Context(), postgres.Options{URL: private.URL(pgserver.DefaultDatabase), MaxConns: 20})
	if err != nil {
		b.Fatal(err)
	}
	defer db.Close()
	if _, err := db.Migrate(b.Context()); err != nil {
		b.Fatal(err)
	}
	if _, err := postgres.NewMaintenance(db, postgres.Retention{}).RunOnce(b.Context()); err != nil {
		b.Fatal(err)
	}
	recorder := postgres.NewActivityRecorder(db, log, &postgres.Outbox{}, limits, func([]posthorn.Activity) {})
	defer recorder.Close()
	tenant := posthorn.NewTenantID()
	secrets := []posthorn.IngestSecret{{Tenant: tenant, Secret: "bench"}}
	base := &url.URL{Scheme: "http", Host: "posthorn.example"}
	link := func(id posthorn.ActivityID) string { return base.JoinPath(path.ActivityRecord(id.String())).String() }
	server := web.New(web.Options{
		Log: log, Ingest: posthorn.NewIngest(secrets, nil, recorder, link), BaseURL: base,
		Live: live.NewHub(posthorn.ActivityNotice.Merge), CookieKeys: [][]byte{make([]byte, 32), make([]byte, 32)},
	})
	ln, err := (&net.ListenConfig{}).Listen(b.Context(), "tcp", "127.0.0.1:0")
	if err != nil {
		b.Fatal(err)
	}
	go func() { _ = server.Serve(ln) }()
	defer func() { _ = server.Shutdown(b.Context()) }()

	took := post(b, "http://"+ln.Addr().String()+path.IngestActivity)
	b.ReportMetric(float64(len(took))/b.Elapsed().Seconds(), "posts/s")
	slices.Sort(took)
	b.ReportMetric(float64(took[len(took)*99/100].Microseconds())/1000, "p99-ms")
	rows := 0
	for _, err := range postgres.NewActivityFeed(db).Export(b.Context(), posthorn.ActivityScope{TenantID: tenant}, posthorn.ActivityFilter{}) {
		if err != nil {
			b.Fatal(err)
		}
		rows++
	}
	if rows != len(took) {
		b.Fatalf("%d rows for %d answers with 201", rows, len(took))
	}
}

// post posts b.N records from all workers and returns how long each answer took.
func post(b *testing.B, target string) []time.Duration {
	b.Helper()
	body, err := json.Marshal(sitekit.Activity(map[string]any{
		"requestPayload": map[string]any{"chain": "bitcoin", "txid": "3a1bfd9d"}, "metadata": map[string]any{"source": "async-worker-1"},
		"responsePayload": map[string]any{"riskLevel": "low", "riskScore": 12, "signals": []any{}},
	}))
	if err != nil {
		b.Fatal(err)
	}
	client := &http.Client{Transport: &http.Transport{MaxIdleConnsPerHost: benchWorkers}}
	defer client.CloseIdleConnections()
	took := make([]time.Duration, b.N)
	next := make(chan int)
	var work sync.WaitGroup
	b.ResetTimer()
	for range benchWorkers {
		work.Go(func() {
			for i := range next {
				started := time.Now()
				req, err := http.NewRequestWithContext(b.Context(), http.MethodPost, target, bytes.NewReader(body))
				if err != nil {
					b.Error(err)
					continue
				}
				req.Header.Set("Content-Type", "application/json")
				req.Header.Set("X-Activity-Webhook-Secret", "bench")
				res, err := client.Do(req)
				if err != nil {
					b.Error(err)
					continue
				}
				_, _ = io.Copy(io.Discard, res.Body)
				_ = res.Body.Close()
				if res.StatusCode != http.StatusCreated {
					b.Errorf("status %d", res.StatusCode)
				}
				took[i] = time.Since(started)
			}
		})
	}
	for i := range b.N {
		next <- i
	}
	close(next)
	work.Wait()
	b.StopTimer()
	return took
}
