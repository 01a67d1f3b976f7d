package posthorn_test

import (
	"context"
	"encoding/json"
	"errors"
	"maps"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"posthorn/internal/posthorn"
)

// publishBench publishes into memory.
type publishBench struct {
	*posthorn.Publisher
	types    eventTypesFixture
	app      posthorn.Application
	recorded [][]posthorn.Event
	err      error
	// applicationReads is how often the applications were read; mu guards it.
	applicationReads int
	mu               sync.Mutex
}

func newPublishBench() *publishBench {
	b := &publishBench{types: newEventTypes(), app: posthorn.Application{ID: posthorn.NewApplicationID(), Name: "Checkout", ExternalID: "client_1"}}
	b.Publisher = posthorn.NewPublisher(recorderFunc(b.record), b.types.EventTypes, b)
	return b
}

// recorderFunc is a posthorn.EventRecorder that is a function.
type recorderFunc func(ctx context.Context, events []posthorn.Event) ([]posthorn.Published, error)

func (f recorderFunc) Publish(ctx context.Context, events []posthorn.Event) ([]posthorn.Published, error) {
	return f(ctx, events)
}

func (b *publishBench) ListApplications(context.Context, posthorn.TenantID) ([]posthorn.Application, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.applicationReads++
	return []posthorn.Application{{ID: posthorn.NewApplicationID(), Name: "Other"}, b.app}, nil
}

func (b *publishBench) record(_ context.Context, events []posthorn.Event) ([]posthorn.Published, error) {
	b.recorded = append(b.recorded, events)
	published := make([]posthorn.Published, len(events))
	for i, e := range events {
		published[i] = posthorn.Published{ID: e.ID, Event: e.Type, Deliveries: 2}
	}
	return published, b.err
}

func (b *publishBench) publish(t *testing.T, body string) ([]posthorn.Published, bool, error) {
	t.Helper()
	return b.Publish(t.Context(), b.types.tenant, []byte(body))
}

// one publishes an event and returns what was recorded.
func (b *publishBench) one(t *testing.T, body string) posthorn.Event {
	t.Helper()
	b.recorded = nil
	if _, batch, err := b.publish(t, body); err != nil || batch || len(b.recorded) != 1 || len(b.recorded[0]) != 1 {
		t.Fatalf("publish %.200s: batch %v, %v, %d recorded", body, batch, err, len(b.recorded))
	}
	return b.recorded[0][0]
}

func TestAPublishedEventIsRecordedAsItWasGiven(t *testing.T) {
	t.Parallel()
	b := newPublishBench()
	before := time.Now().Add(-time.Millisecond)
	e := b.one(t, `{"event":"submission.completed","data":{ "b" : 1.50, "a":"\u00e9" }}`)
	if string(e.Data) != `{ "b" : 1.50, "a":"\u00e9" }` || e.Type != "submission.completed" || e.TenantID != b.types.tenant || e.Key != "" ||
		!e.ApplicationID.IsZero() || e.Test || !e.OccurredAt.Equal(e.ID.Time()) || e.OccurredAt.Before(before) {
		t.Errorf("event %+v", e)
	}
	e = b.one(t, `{"event":"submission.completed","data":{},"id":"order 7","timestamp":"2024-01-15T11:30:00.1239+01:00","applicationId":"client_1","userId":"u_1","more":[]}`)
	if e.Key != "order 7" || posthorn.FormatTime(e.OccurredAt) != "2024-01-15T10:30:00.123Z" || e.ApplicationID != b.app.ID || string(e.Data) != `{"uid":"u_1"}` {
		t.Errorf("event %+v %s", e, e.Data)
	}
	if e = b.one(t, `{"event":"submission.completed","data":{},"applicationId":"`+b.app.ID.String()+`"}`); e.ApplicationID != b.app.ID {
		t.Errorf("application %s", e.ApplicationID)
	}
	if e = b.one(t, `{"event":"submission.completed","data":{},"id":null,"timestamp":null,"applicationId":null,"userId":null}`); e.Key != "" || !e.ApplicationID.IsZero() || string(e.Data) != `{}` {
		t.Errorf("null is not absent: %+v", e)
	}
}

func TestTheUserBecomesTheUIDWhereThereIsNone(t *testing.T) {
	t.Parallel()
	b := newPublishBench()
	for data, want := range map[string]string{
		`{}`: `{"uid":"u_1"}`, `{ "a": 1 }`: `{"uid":"u_1", "a": 1 }`, `{"uid":"x"}`: `{"uid":"x"}`, `{"a":{"uid":"x"}}`: `{"uid":"u_1","a":{"uid":"x"}}`,
	} {
		if e := b.one(t, `{"event":"submission.completed","userId":"u_1","data":`+data+`}`); string(e.Data) != want {
			t.Errorf("%s became %s, want %s", data, e.Data, want)
		}
	}
	integration := `{"event":"integration.failed","data":{"provider":"x"}}`
	_, _, err := b.publish(t, integration)
	wantKind(t, err, posthorn.Invalid, "data")
	if e := b.one(t, strings.Replace(integration, `"data"`, `"userId":"u_1","data"`, 1)); string(e.Data) != `{"uid":"u_1","provider":"x"}` {
		t.Errorf("data %s", e.Data)
	}
	b.one(t, `{"event":"integration.failed","data":{"uid":"u_1"}}`)
}

func TestAnIntegrationHasAUIDOfThatVeryName(t *testing.T) {
	t.Parallel()
	b := newPublishBench()
	for _, data := range []string{`{"uid":null}`, `{"UID":"x"}`, `{"Uid":"x"}`, `{"uid":"x","uid":null}`, `{"a":{"uid":"x"}}`} {
		_, _, err := b.publish(t, `{"event":"integration.created","data":`+data+`}`)
		wantKind(t, err, posthorn.Invalid, "data")
		if !strings.Contains(err.Error(), "userId must be given") {
			t.Errorf("%s: %v", data, err)
		}
	}
	for data, want := range map[string]string{
		`{"uid":null}`:            `{"uid":"u_1"}`,
		`{"a":1, "uid" : null }`:  `{"a":1, "uid" : "u_1" }`,
		`{"UID":"x"}`:             `{"uid":"u_1","UID":"x"}`,
		`{"\u0075id":"x"}`:        `{"\u0075id":"x"}`,
		`{"uid":"","provider":1}`: `{"uid":"","provider":1}`,
	} {
		for _, event := range []string{"integration.created", "submission.completed"} {
			if e := b.one(t, `{"event":"`+event+`","userId":"u_1","data":`+data+`}`); string(e.Data) != want {
				t.Errorf("%s: %s became %s, want %s", event, data, e.Data, want)
			}
		}
	}
}

// What is kept of an event of a large batch must not keep the whole batch, and whoever changes the body afterwards must not
// change the event.
func TestAnEventSharesNothingWithTheBodyThatItCameIn(t *testing.T) {
	t.Parallel()
	b := newPublishBench()
	body := []byte(`[{"event":"submission.completed","id":"order-7","data":{"a":"b"}},{"event":"integration.created","data":{"uid":"u_1"}},
{"event":"integration.created","userId":"u_2","data":{"uid":null}}]`)
	if _, _, err := b.Publish(t.Context(), b.types.tenant, body); err != nil {
		t.Fatal(err)
	}
	for i := range body {
		body[i] = '#'
	}
	for i, want := range []string{`{"a":"b"}`, `{"uid":"u_1"}`, `{"uid":"u_2"}`} {
		e := b.recorded[0][i]
		if string(e.Data) != want || cap(e.Data) > 2*len(want)+16 || e.Key != "" && e.Key != "order-7" || strings.Contains(e.Type, "#") {
			t.Errorf("event %d is %s %q %s", i, e.Type, e.Key, e.Data)
		}
	}
}

func TestTheLastOfRepeatedMembersCountsHoweverItIsSpelled(t *testing.T) {
	t.Parallel()
	b := newPublishBench()
	e := b.one(t, ` {"event":"submission.created","data":[],"Event":"x","id":"a\"b\u00e9","\u0065vent" : "submission.completed","data" :{"x":[1,{"y":"}"}]} } `)
	if e.Type != "submission.completed" || e.Key != `a"bé` || string(e.Data) != `{"x":[1,{"y":"}"}]}` {
		t.Errorf("event %+v", e)
	}
	nested := func(n int) string { return strings.Repeat(`{"a":`, n) + `"[[["` + strings.Repeat(`}`, n) }
	b.one(t, `{"event":"submission.completed","data":`+nested(256)+`}`)
	_, _, err := b.publish(t, `{"event":"submission.completed","data":`+nested(257)+`}`)
	wantKind(t, err, posthorn.Invalid, "data")
}

func TestApplicationsAreReadOnceASecondAndOnceForUnknownOnes(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		b := newPublishBench()
		event := func(application string) string {
			return `{"event":"submission.completed","data":{},"applicationId":"` + application + `"}`
		}
		wantReads := func(what string, want int) {
			t.Helper()
			if b.applicationReads != want {
				t.Errorf("%s: the applications were read %d times, want %d", what, b.applicationReads, want)
			}
			b.applicationReads = 0
		}
		known := event("client_1")
		published, _, err := b.publish(t, "["+strings.Repeat(known+","+event(b.app.ID.String())+",", 249)+known+"]")
		if err != nil || len(published) != 499 {
			t.Fatalf("%d published: %v", len(published), err)
		}
		for _, e := range b.recorded[0] {
			if e.ApplicationID != b.app.ID {
				t.Fatalf("application %s", e.ApplicationID)
			}
		}
		wantReads("a batch", 1)
		<-time.After(999 * time.Millisecond)
		b.one(t, known)
		wantReads("within a second", 0)
		<-time.After(time.Millisecond)
		b.one(t, known)
		wantReads("after a second", 1)
		<-time.After(time.Millisecond)
		_, _, err = b.publish(t, "["+strings.Repeat(event("client_2")+",", 99)+event("client_3")+"]")
		if posthorn.KindOf(err) != posthorn.Invalid {
			t.Errorf("unknown applications: %v", err)
		}
		wantReads("a batch with unknown ones", 1)
		b.app.ExternalID = "client_2"
		<-time.After(time.Millisecond)
		if e := b.one(t, event("client_2")); e.ApplicationID != b.app.ID {
			t.Errorf("one that was just made: %s", e.ApplicationID)
		}
		b.Publisher = posthorn.NewPublisher(recorderFunc(b.record), b.types.EventTypes, failingApplications{})
		if _, _, err := b.publish(t, known); posthorn.KindOf(err) != posthorn.Unavailable {
			t.Errorf("applications that cannot be read: %v", err)
		}
	})
}

// failingApplications cannot be read.
type failingApplications struct{}

func (failingApplications) ListApplications(context.Context, posthorn.TenantID) ([]posthorn.Application, error) {
	return nil, posthorn.Errorf(posthorn.Unavailable, "The database is not available, try again")
}

func TestWrongEventsAreRefusedWithEveryFieldNamed(t *testing.T) {
	t.Parallel()
	b := newPublishBench()
	const fine = `"data":{}`
	for name, tc := range map[string]struct {
		body   string
		fields []string
	}{
		"no fields":             {`{}`, []string{"event", "data"}},
		"no data":               {`{"event":"submission.completed"}`, []string{"data"}},
		"data is null":          {`{"event":"submission.completed","data":null}`, []string{"data"}},
		"data is a list":        {`{"event":"submission.completed","data":[]}`, []string{"data"}},
		"data is text":          {`{"event":"submission.completed","data":"{}"}`, []string{"data"}},
		"data too deep":         {`{"event":"submission.completed","data":` + strings.Repeat(`{"a":`, 500) + `1` + strings.Repeat(`}`, 500) + `}`, []string{"data"}},
		"unknown type":          {`{"event":"submission.lost",` + fine + `}`, []string{"event"}},
		"type of another case":  {`{"event":"Submission.completed",` + fine + `}`, []string{"event"}},
		"no type":               {`{"event":"",` + fine + `}`, []string{"event"}},
		"type of another type":  {`{"event":7,` + fine + `}`, []string{"event"}},
		"webhooks are ours":     {`{"event":"webhook.disabled",` + fine + `}`, []string{"event"}},
		"deliveries are ours":   {`{"event":"delivery.failed",` + fine + `}`, []string{"event"}},
		"activity is ours":      {`{"event":"activity.recorded",` + fine + `}`, []string{"event"}},
		"empty id":              {`{"event":"submission.completed","id":"",` + fine + `}`, []string{"id"}},
		"long id":               {`{"event":"submission.completed","id":"` + strings.Repeat("a", 256) + `",` + fine + `}`, []string{"id"}},
		"id with NUL":           {`{"event":"submission.completed","id":"a\u0000",` + fine + `}`, []string{"id"}},
		"id of another type":    {`{"event":"submission.completed","id":1,` + fine + `}`, []string{"id"}},
		"timestamp":             {`{"event":"submission.completed","timestamp":"yesterday",` + fine + `}`, []string{"timestamp"}},
		"timestamp before 1970": {`{"event":"submission.completed","timestamp":"1969-12-31T00:00:00Z",` + fine + `}`, []string{"timestamp"}},
		"timestamp as a number": {`{"event":"submission.completed","timestamp":1700000000,` + fine + `}`, []string{"timestamp"}},
		"unknown application":   {`{"event":"submission.completed","applicationId":"client_2",` + fine + `}`, []string{"applicationId"}},
		"user of another type":  {`{"event":"submission.completed","userId":{},` + fine + `}`, []string{"userId"}},
		"several":               {`{"event":1,"id":2,"timestamp":3,"applicationId":4,"userId":5,"data":6}`, []string{"event", "id", "timestamp", "applicationId", "userId", "data"}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			_, batch, err := b.publish(t, tc.body)
			wantKind(t, err, posthorn.Invalid, tc.fields...)
			_, inBatch, err := b.publish(t, `[{"event":"submission.completed",`+fine+`},`+tc.body+`]`)
			fields := make([]string, len(tc.fields))
			for i, f := range tc.fields {
				fields[i] = "[1]." + f
			}
			wantKind(t, err, posthorn.Invalid, fields...)
			if batch || !inBatch {
				t.Errorf("batch: %v and %v", batch, inBatch)
			}
		})
	}
}

func TestABatchIsRecordedTogetherAndAnsweredInOrder(t *testing.T) {
	t.Parallel()
	b := newPublishBench()
	var parts []string
	for i := range posthorn.MaxBatchEvents {
		parts = append(parts, `{"event":"submission.completed","data":{"n":`+strconv.Itoa(i)+`}}`)
	}
	published, batch, err := b.publish(t, " [ "+strings.Join(parts, " ,\n")+" ] ")
	if err != nil || !batch || len(published) != posthorn.MaxBatchEvents || len(b.recorded) != 1 {
		t.Fatalf("%d published, batch %v, %v", len(published), batch, err)
	}
	for i, e := range b.recorded[0] {
		if string(e.Data) != `{"n":`+strconv.Itoa(i)+`}` || published[i].ID != e.ID {
			t.Fatalf("event %d: %s", i, e.Data)
		}
	}
	for name, body := range map[string]string{
		"empty": `[]`, "too many": "[" + strings.Join(append(parts, parts[0]), ",") + "]", "text": `"x"`, "number": `1`, "null": `null`,
	} {
		if _, _, err := b.publish(t, body); posthorn.KindOf(err) != posthorn.Invalid {
			t.Errorf("%s: %v", name, err)
		}
	}
	_, _, err = b.publish(t, `[null,[],1]`)
	wantKind(t, err, posthorn.Invalid, "[0].event", "[1].event", "[2].event")
	if len(b.recorded) != 1 {
		t.Errorf("%d batches recorded", len(b.recorded))
	}
}

func TestTheLimitsOfSizeAreNamed(t *testing.T) {
	t.Parallel()
	b := newPublishBench()
	sized := func(n int) string {
		frame := `{"event":"submission.completed","data":{"x":""}}`
		return strings.Replace(frame, `""`, `"`+strings.Repeat("a", n-len(frame))+`"`, 1)
	}
	b.one(t, sized(posthorn.MaxEventBytes))
	for body, want := range map[string]string{
		sized(posthorn.MaxEventBytes + 1):                              "256 KiB",
		"[" + sized(100) + "," + sized(posthorn.MaxEventBytes+1) + "]": "[1] may have at most 256 KiB",
		sized(posthorn.MaxBatchBytes + 1):                              "8 MiB",
	} {
		_, _, err := b.publish(t, body)
		if posthorn.KindOf(err) != posthorn.TooLarge || !strings.Contains(err.Error(), want) {
			t.Errorf("%d bytes: %v, want %s", len(body), err, want)
		}
	}
}

func TestDataThatDoesNotFitIsHandledAsTheTypeSays(t *testing.T) {
	t.Parallel()
	b := newPublishBench()
	b.types.mustPut(t, paymentSettled)
	const bad = `{"event":"payment.settled","data":{"amount":"12"}}`
	misfits := []string{"/amount must be a number"}
	if e := b.one(t, bad); !slices.Equal(e.Misfits, misfits) {
		t.Errorf("warn: %v", e.Misfits)
	}
	b.types.mustPut(t, `{"event":"payment.settled","enforcement":"reject"}`)
	_, _, err := b.publish(t, bad)
	wantKind(t, err, posthorn.Invalid, "data")
	if !strings.Contains(err.Error(), misfits[0]) {
		t.Errorf("reject: %v", err)
	}
	b.types.mustPut(t, `{"event":"payment.settled","enforcement":"off"}`)
	if e := b.one(t, bad); e.Misfits != nil {
		t.Errorf("off: %v", e.Misfits)
	}
}

func TestAFailureOfTheStoreIsNoFaultOfTheEvents(t *testing.T) {
	t.Parallel()
	b := newPublishBench()
	b.err = posthorn.Errorf(posthorn.Unavailable, "The database is not available, try again")
	_, _, err := b.publish(t, `{"event":"submission.completed","data":{}}`)
	if posthorn.KindOf(err) != posthorn.Unavailable || !errors.Is(err, b.err) {
		t.Errorf("error %v", err)
	}
}

func TestAReceiptSaysWhetherItIsTheFirst(t *testing.T) {
	t.Parallel()
	p := posthorn.Published{Event: "a.b", Deliveries: 2}
	for duplicate, want := range map[bool][]string{false: {"deliveries", "event", "id"}, true: {"deliveries", "duplicate", "event", "id"}} {
		p.Duplicate = duplicate
		raw, err := json.Marshal(p)
		var got map[string]any
		if err := errors.Join(err, json.Unmarshal(raw, &got)); err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(want, slices.Sorted(maps.Keys(got))); diff != "" {
			t.Errorf("%s", raw)
		}
	}
}
