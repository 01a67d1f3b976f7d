package app_test

import (
	"encoding/json"
	"net/http"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"posthorn/internal/pgserver"
	"posthorn/internal/postgres"
	"posthorn/internal/posthorn"
	"posthorn/internal/sitekit"
	"posthorn/internal/testkit"
	"posthorn/views/path"
)

// workers post as fast as they are answered, until stopped, and note what they were told.
type workers struct {
	site    *sitekit.Site
	stop    atomic.Bool
	posting sync.WaitGroup

	mu       sync.Mutex
	created  map[string]bool
	statuses map[int]int
	bodies   map[string]bool
}

func startWorkers(s *sitekit.Site, n int) *workers {
	w := &workers{site: s, created: map[string]bool{}, statuses: map[int]int{}, bodies: map[string]bool{}}
	for range n {
		w.posting.Go(func() {
			for !w.stop.Load() {
				w.note(s.Ingest(`{"activityType":"kye","userId":"user_1","entityId":"ent_1"}`))
			}
		})
	}
	return w
}

func (w *workers) note(a sitekit.Answer) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.statuses[a.StatusCode]++
	if a.StatusCode != http.StatusCreated {
		w.bodies[a.Text] = true
		return
	}
	var receipt struct{ ID string }
	if err := json.Unmarshal([]byte(a.Text), &receipt); err == nil {
		w.created[receipt.ID] = true
	}
}

// answered waits until the workers have seen n answers with a status.
func (w *workers) answered(t *testing.T, status, n int) {
	t.Helper()
	await(t, func() bool {
		w.mu.Lock()
		defer w.mu.Unlock()
		return w.statuses[status] >= n
	})
}

// await waits for a condition that others bring about.
func await(t *testing.T, condition func() bool) {
	t.Helper()
	look := time.NewTicker(20 * time.Millisecond)
	defer look.Stop()
	patience := time.After(time.Minute)
	for !condition() {
		select {
		case <-look.C:
		case <-patience:
			t.Fatal("waited for a minute in vain")
		}
	}
}

// rows returns the ids that are stored.
func rows(t *testing.T, s *sitekit.Site) map[string]bool {
	t.Helper()
	ids := map[string]bool{}
	for r, err := range postgres.NewActivityFeed(s.DB).Export(t.Context(), posthorn.ActivityScope{TenantID: s.Owner.TenantID}, posthorn.ActivityFilter{}) {
		if err != nil {
			t.Fatal(err)
		}
		ids[r.ID.String()] = true
	}
	return ids
}

// check compares what the workers were told with what is stored: every 201 has its row, every row its 201, and every
// other answer is the 500 that promises that nothing was stored.
func (w *workers) check(t *testing.T) {
	t.Helper()
	w.stop.Store(true)
	w.posting.Wait()
	stored := rows(t, w.site)
	for id := range w.created {
		if !stored[id] {
			t.Errorf("%s was acknowledged and is gone", id)
		}
	}
	for id := range stored {
		if !w.created[id] {
			t.Errorf("%s is stored and was not acknowledged", id)
		}
	}
	for body := range w.bodies {
		if body != `{"error":"Failed to record activity"}` {
			t.Errorf("answered %s", body)
		}
	}
	t.Logf("answers by status: %v, rows: %d", w.statuses, len(stored))
}

// ready reports what the readiness probe says.
func ready(s *sitekit.Site) bool { return s.Client().Get(path.Readyz).StatusCode == http.StatusOK }

func TestADatabaseThatStopsLosesNothingAndIsUsedAgainWhenItIsBack(t *testing.T) {
	t.Parallel()
	server := testkit.Server(t)
	s := sitekit.Start(t, "DATABASE_URL="+server.URL(pgserver.DefaultDatabase))
	w := startWorkers(s, 20)
	w.answered(t, http.StatusCreated, 200)
	if err := server.Halt(t.Context()); err != nil {
		t.Fatal(err)
	}
	w.answered(t, http.StatusInternalServerError, 50)
	if ready(s) {
		t.Error("ready without a database")
	}
	if s.Client().Get(path.Healthz).StatusCode != http.StatusOK {
		t.Error("not alive without a database")
	}
	if err := server.Resume(t.Context()); err != nil {
		t.Fatal(err)
	}
	await(t, func() bool { return ready(s) })
	before := func() int { w.mu.Lock(); defer w.mu.Unlock(); return w.statuses[http.StatusCreated] }()
	w.answered(t, http.StatusCreated, before+200)
	w.check(t)
}

// A server that is killed in the middle of commits leaves outcomes unknown: they are settled when it is back, and nobody
// is told otherwise meanwhile.
func TestADatabaseThatIsKilledAmidCommitsLosesNothing(t *testing.T) {
	t.Parallel()
	server := testkit.Server(t)
	s := sitekit.Start(t, "DATABASE_URL="+server.URL(pgserver.DefaultDatabase))
	w := startWorkers(s, 20)
	for round := range 3 {
		created := func() int { w.mu.Lock(); defer w.mu.Unlock(); return w.statuses[http.StatusCreated] }()
		w.answered(t, http.StatusCreated, created+200)
		old := server.PID()
		if err := syscall.Kill(old, syscall.SIGKILL); err != nil {
			t.Fatalf("round %d: %v", round, err)
		}
		await(t, func() bool { return server.PID() != old && ready(s) })
	}
	w.check(t)
}
