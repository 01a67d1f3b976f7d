package postgres_test

import (
	"context"
	"errors"
	"testing"
	"time"

	"posthorn/internal/postgres"
	"posthorn/internal/testkit"
)

// beat gives signs of life in turn, and checks how many each counts.
func beat(t *testing.T, want int, dispatchers ...*postgres.Dispatchers) {
	t.Helper()
	for i, d := range dispatchers {
		if err := d.Beat(t.Context()); err != nil {
			t.Fatal(err)
		}
		if got := d.Live(); got != want {
			t.Errorf("dispatcher %d counts %d, want %d", i, got, want)
		}
	}
}

// silent has every dispatcher been silent for a time.
func silent(t *testing.T, db *postgres.DB, d time.Duration) {
	t.Helper()
	if _, err := db.Pool().Exec(t.Context(), `UPDATE dispatchers SET seen_at = seen_at - $1::interval`, d); err != nil {
		t.Fatal(err)
	}
}

func rowsOf(t *testing.T, db *postgres.DB) (n int) {
	t.Helper()
	if err := db.Pool().QueryRow(t.Context(), `SELECT count(*) FROM dispatchers`).Scan(&n); err != nil {
		t.Fatal(err)
	}
	return n
}

func TestDispatchersCountEachOther(t *testing.T) {
	t.Parallel()
	db := testkit.DB(t)
	a, b, c := postgres.NewDispatchers(db), postgres.NewDispatchers(db), postgres.NewDispatchers(db)
	if a.Live() != 1 {
		t.Errorf("%d before the first beat, want 1", a.Live())
	}
	beat(t, 1, a)
	beat(t, 2, b, a)
	beat(t, 3, c, a, b)
}

func TestADispatcherThatWasSilentForFifteenSecondsDoesNotCount(t *testing.T) {
	t.Parallel()
	db := testkit.DB(t)
	a, b := postgres.NewDispatchers(db), postgres.NewDispatchers(db)
	beat(t, 1, b)
	silent(t, db, 10*time.Second)
	beat(t, 2, a)
	silent(t, db, 5*time.Second)
	beat(t, 1, a)
	if n := rowsOf(t, db); n != 2 {
		t.Errorf("%d rows, want 2", n)
	}
	beat(t, 2, b, a) // it was not dead
	silent(t, db, time.Hour)
	beat(t, 1, a)
	if n := rowsOf(t, db); n != 1 {
		t.Errorf("%d rows, want that of the dispatcher that lives", n)
	}
}

func TestADispatcherCountsWhileItWorks(t *testing.T) {
	t.Parallel()
	db := testkit.DB(t)
	a, b := postgres.NewDispatchers(db), postgres.NewDispatchers(db)
	beat(t, 1, a)
	ctx, cancel := context.WithCancel(t.Context())
	cause := errors.New("the end of the work")
	err := b.During(ctx, func() error {
		if b.Live() != 2 {
			t.Errorf("it begins as one of %d, want 2", b.Live())
		}
		cancel() // it is told to stop, and goes on for a while
		beat(t, 2, a)
		return cause
	})
	if !errors.Is(err, cause) {
		t.Errorf("ended with %v", err)
	}
	beat(t, 1, a)
	if n := rowsOf(t, db); n != 1 {
		t.Errorf("%d rows, want 1", n)
	}
}

func TestTheLastCountHoldsWhileTheDatabaseIsAway(t *testing.T) {
	t.Parallel()
	db := testkit.DB(t)
	a, b := postgres.NewDispatchers(db), postgres.NewDispatchers(db)
	beat(t, 1, b)
	beat(t, 2, a)
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if err := a.Beat(ctx); err == nil || a.Live() != 2 {
		t.Errorf("counts %d after %v", a.Live(), err)
	}
}
