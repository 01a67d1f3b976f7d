package posthorn_test

import (
	"testing"

	"posthorn/internal/posthorn"
)

func TestAFormTestsOnceThoughItIsSentTwice(t *testing.T) {
	t.Parallel()
	b := newDeliveriesBench()
	trial := posthorn.Trial{Event: "submission.completed", Form: &posthorn.IdempotencyKey{Scope: "form:x", Key: "1"}}
	first, err := b.Try(t.Context(), b.actor, b.types.tenant, b.hook.ID, trial)
	if err != nil {
		t.Fatal(err)
	}
	again, err := b.Try(t.Context(), b.actor, b.types.tenant, b.hook.ID, trial)
	if err != nil || again.ID != first.ID || len(b.store.audit) != 1 {
		t.Errorf("%s and %s, %v, %d entries", first.ID, again.ID, err, len(b.store.audit))
	}
	// What is published again is the same event, which stores nothing.
	for _, e := range b.published {
		if e.ID != b.published[0].ID || !e.OccurredAt.Equal(e.ID.Time()) || !e.Test || e.Webhook != b.hook.ID {
			t.Errorf("event %+v", e)
		}
	}
	trial.Form = nil
	other, err := b.Try(t.Context(), b.actor, b.types.tenant, b.hook.ID, trial)
	if err != nil || other.ID == first.ID || len(b.store.audit) != 2 {
		t.Errorf("without a form %s, %v, %d entries", other.ID, err, len(b.store.audit))
	}
}
