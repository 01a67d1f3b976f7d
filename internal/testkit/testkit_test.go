package testkit

import (
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
)

func TestMain(m *testing.M) { Main(m) }

func TestEveryTestHasADatabaseOfItsOwnThatIsReady(t *testing.T) {
	t.Parallel()
	for range 4 {
		t.Run("", func(t *testing.T) {
			t.Parallel()
			conn, err := pgx.Connect(t.Context(), URL(t))
			if err != nil {
				t.Fatal(err)
			}
			defer func() { _ = conn.Close(t.Context()) }()
			var tenants, partitions int
			err = conn.QueryRow(t.Context(), `SELECT (SELECT count(*) FROM tenants),
				(SELECT count(*) FROM pg_inherits WHERE inhparent = 'events'::regclass)`).Scan(&tenants, &partitions)
			if err != nil || tenants != 0 || partitions < 8 {
				t.Errorf("%d tenants and %d partitions of events (%v), want none and at least 8", tenants, partitions, err)
			}
			if _, err := conn.Exec(t.Context(), `INSERT INTO tenants (id, name) VALUES (gen_random_uuid(), 'n')`); err != nil {
				t.Error(err)
			}
		})
	}
}

func TestADatabaseIsGoneAfterItsTestEvenWhenSomebodyIsStillConnected(t *testing.T) {
	t.Parallel()
	var url string
	t.Run("the test", func(t *testing.T) {
		url = EmptyURL(t)
		if _, err := pgx.Connect(t.Context(), url); err != nil {
			t.Fatal(err)
		}
	})
	conn, err := pgx.Connect(t.Context(), url)
	if err == nil {
		_ = conn.Close(t.Context())
	}
	if err == nil || !strings.Contains(err.Error(), "does not exist") {
		t.Errorf("connecting says %v, want that the database does not exist", err)
	}
}

func TestProcessesThatStartAtOnceShareATemplate(t *testing.T) {
	t.Parallel()
	want := shared(t).template
	var wg sync.WaitGroup
	for range 3 {
		wg.Go(func() {
			s, err := join(t.Context())
			if err != nil {
				t.Error(err)
				return
			}
			if s.template != want {
				t.Errorf("template %s, want %s", s.template, want)
			}
			if err := s.close(t.Context()); err != nil {
				t.Error(err)
			}
		})
	}
	wg.Wait()
}

func TestOnlyWhatIsOldIsSwept(t *testing.T) {
	t.Parallel()
	now := time.Date(2026, 3, 10, 12, 0, 0, 0, time.UTC)
	stamp := func(at time.Time) string { return strings.TrimPrefix(cloneName(at), clonePrefix) }
	for _, c := range []struct {
		name string
		want bool
	}{
		{clonePrefix + stamp(now), false},
		{clonePrefix + stamp(now.Add(-59*time.Minute)), false},
		{clonePrefix + stamp(now.Add(-61*time.Minute)), true},
		{clonePrefix + "by hand", false},
		{templatePrefix + "20260310_abc", false},
		{templatePrefix + "20260309_abc", false},
		{templatePrefix + "20260307_abc", true},
		{templatePrefix + "unfinished", false},
	} {
		if got := leftover(c.name, now); got != c.want {
			t.Errorf("%s swept: %v, want %v", c.name, got, c.want)
		}
	}
}

func BenchmarkClone(b *testing.B) {
	for b.Loop() {
		URL(b)
	}
}
