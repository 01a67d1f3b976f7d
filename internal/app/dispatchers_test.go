package app_test

import (
	"testing"

	"posthorn/internal/postgres"
	"posthorn/internal/sitekit"
)

func TestProcessesThatSendFromOneDatabaseCountEachOther(t *testing.T) {
	t.Parallel()
	first := sitekit.Start(t, loopback...)
	another := postgres.NewDispatchers(first.DB)
	counts := func(want int) func() bool {
		return func() bool {
			if err := another.Beat(t.Context()); err != nil {
				t.Fatal(err)
			}
			return another.Live() == want
		}
	}
	await(t, counts(2))
	t.Run("a second joins and stops", func(t *testing.T) {
		startSecond(t, first, loopback...)
		await(t, counts(3))
	})
	if !counts(2)() {
		t.Errorf("%d dispatchers after the second has stopped, want 2", another.Live())
	}
}
