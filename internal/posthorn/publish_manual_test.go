package posthorn_test

import (
	"context"
	"encoding/json"
	"errors"
	"testing"

	"github.com/google/go-cmp/cmp"

	"posthorn/internal/posthorn"
)

// manualBench publishes by hand into memory.
type manualBench struct {
	*posthorn.ManualPublisher
	*publishBench
	notes  *fakeDeliveries
	stored map[posthorn.EventID]bool
}

func newManualBench() *manualBench {
	b := &manualBench{publishBench: newPublishBench(), notes: &fakeDeliveries{}, stored: map[posthorn.EventID]bool{}}
	b.ManualPublisher = posthorn.NewManualPublisher(b.Publisher, b, b.notes)
	return b
}

func (b *manualBench) ListEvents(context.Context, posthorn.TenantID, posthorn.EventQuery) (posthorn.EventRows, error) {
	return posthorn.EventRows{}, nil
}

func (b *manualBench) Event(_ context.Context, _ posthorn.TenantID, id posthorn.EventID) (posthorn.EventTrace, error) {
	if !b.stored[id] {
		return posthorn.EventTrace{}, posthorn.Errorf(posthorn.NotFound, "Not found")
	}
	return posthorn.EventTrace{}, nil
}

func (b *manualBench) send(t *testing.T, in posthorn.ManualEvent) (posthorn.ManualResult, error) {
	t.Helper()
	made, err := b.Publish(t.Context(), posthorn.Actor{Name: "Amara"}, b.types.tenant, in)
	if err == nil && !made.ID.IsZero() {
		b.stored[made.ID] = true
	}
	return made, err
}

func TestAnEventByHandIsPublishedAndNoted(t *testing.T) {
	t.Parallel()
	b := newManualBench()
	made, err := b.send(t, posthorn.ManualEvent{
		Event: "submission.completed", Application: b.app.ID.String(), UserID: "u_1", Data: json.RawMessage(`{"a":"<&>"}`), Anyway: true,
	})
	if err != nil || len(b.recorded) != 1 {
		t.Fatal(made, err)
	}
	e := b.recorded[0][0]
	if e.ID != made.ID || e.ApplicationID != b.app.ID || string(e.Data) != `{"uid":"u_1","a":"<&>"}` || e.Test || !e.OccurredAt.Equal(e.ID.Time()) {
		t.Errorf("event %+v %s", e, e.Data)
	}
	if len(b.notes.audit) != 1 {
		t.Fatalf("%d entries", len(b.notes.audit))
	}
	note := b.notes.audit[0]
	want := map[string]any{"event": "submission.completed", "applicationId": b.app.ID.String()}
	if note.Action != posthorn.ActionEventPublished || note.Subject != e.ID.String() || note.Actor.Name != "Amara" || cmp.Diff(want, note.After) != "" {
		t.Errorf("entry %+v", note)
	}
}

func TestAFormPublishesOnceThoughItIsSentTwice(t *testing.T) {
	t.Parallel()
	b := newManualBench()
	in := posthorn.ManualEvent{
		Event: "submission.completed", Data: json.RawMessage(`{}`), Anyway: true, Form: &posthorn.IdempotencyKey{Scope: "form:x", Key: "1"},
	}
	first, err := b.send(t, in)
	if err != nil || first.Repeated {
		t.Fatal(first, err)
	}
	again, err := b.send(t, in)
	if err != nil || !again.Repeated || again.ID != first.ID || len(b.recorded) != 1 || len(b.notes.audit) != 1 {
		t.Errorf("%+v %v, %d recorded, %d entries", again, err, len(b.recorded), len(b.notes.audit))
	}

	// A process that ended after the note left an event to publish.
	in.Form = &posthorn.IdempotencyKey{Scope: "form:x", Key: "2"}
	b.err = errors.New("gone")
	if _, err := b.send(t, in); err == nil {
		t.Fatal("no error")
	}
	lost := b.recorded[1][0].ID
	b.err = nil
	if again, err = b.send(t, in); err != nil || again.Repeated || again.ID != lost || b.recorded[2][0].ID != lost || len(b.notes.audit) != 2 {
		t.Errorf("%+v %v, want %s", again, err, lost)
	}
}

func TestWhatDoesNotFitIsPublishedOnlyWhereThatIsAllowedAndWanted(t *testing.T) {
	t.Parallel()
	b := newManualBench()
	schema := json.RawMessage(`{"type":"object","required":["amount"]}`)
	example := json.RawMessage(`{"amount":1}`)
	for _, c := range []struct {
		enforcement posthorn.Enforcement
		anyway      bool
		published   bool
	}{
		{posthorn.EnforcementOff, false, true},
		{posthorn.EnforcementWarn, false, false},
		{posthorn.EnforcementWarn, true, true},
		{posthorn.EnforcementReject, false, false},
		{posthorn.EnforcementReject, true, false},
	} {
		if _, _, err := b.types.Put(t.Context(), posthorn.Actor{}, b.types.tenant, posthorn.EventTypePut{
			Event: "payment.settled", Description: new("Settled."), Schema: schema, Example: example, Enforcement: &c.enforcement,
		}); err != nil {
			t.Fatal(err)
		}
		b.recorded, b.notes.audit = nil, nil
		made, err := b.send(t, posthorn.ManualEvent{Event: "payment.settled", Data: json.RawMessage(`{}`), Anyway: c.anyway})
		if err != nil || made.ID.IsZero() == c.published || (len(b.recorded) == 1) != c.published || (len(b.notes.audit) == 1) != c.published {
			t.Errorf("%+v: %+v %v, %d recorded, %d entries", c, made, err, len(b.recorded), len(b.notes.audit))
		}
		misfit := c.enforcement != posthorn.EnforcementOff
		if (len(made.Fit.Violations) == 1) != misfit || made.Fit.Rejected() != (c.enforcement == posthorn.EnforcementReject) {
			t.Errorf("%+v: fit %+v", c, made.Fit)
		}
		if c.published && misfit && len(b.recorded[0][0].Misfits) != 1 {
			t.Errorf("%+v: the event does not say what does not fit", c)
		}
	}
}

func TestWrongInputOfAnEventByHandNamesTheField(t *testing.T) {
	t.Parallel()
	b := newManualBench()
	data := json.RawMessage(`{}`)
	for field, in := range map[string]posthorn.ManualEvent{
		"event":         {Event: "payment.unknown", Data: data},
		"data":          {Event: "submission.completed", Data: json.RawMessage(`[1]`)},
		"applicationId": {Event: "submission.completed", Data: data, Application: "app_nobody"},
	} {
		_, err := b.send(t, in)
		wantKind(t, err, posthorn.Invalid, field)
	}
	_, err := b.send(t, posthorn.ManualEvent{Event: "activity.recorded", Data: data})
	wantKind(t, err, posthorn.Invalid, "event")
	_, err = b.send(t, posthorn.ManualEvent{Event: "integration.failed", Data: data})
	wantKind(t, err, posthorn.Invalid, "data")
	big := make([]byte, posthorn.MaxEventBytes)
	for i := range big {
		big[i] = 'a'
	}
	_, err = b.send(t, posthorn.ManualEvent{Event: "submission.completed", Data: json.RawMessage(`{"a":"` + string(big) + `"}`)})
	wantKind(t, err, posthorn.TooLarge)
	if len(b.recorded) != 0 || len(b.notes.audit) != 0 {
		t.Errorf("%d recorded, %d entries", len(b.recorded), len(b.notes.audit))
	}
}
