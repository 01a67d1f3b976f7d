package postgres_test

import (
	"slices"
	"testing"

	"posthorn/internal/posthorn"
)

func TestASearchWithoutAnIndexGoesOnWhereItEnded(t *testing.T) {
	t.Parallel()
	l := newLogged(t)
	l.b.log.LookAt(3)
	filter := posthorn.DeliveryFilter{Events: []string{"submission.created", "submission.completed"}, Statuses: []posthorn.DeliveryStatus{posthorn.StatusSuccess}}
	var found []string
	searches := 0
	q := posthorn.DeliveryQuery{Filter: filter, Position: posthorn.DeliveryPosition{Limit: 50}}
	for searches < 20 {
		names, rows := l.list(q)
		searches++
		found = append(found, names...)
		if rows.HasOlder != !rows.Reached.IsZero() {
			t.Errorf("HasOlder %v, reached %s", rows.HasOlder, rows.Reached)
		}
		if rows.Reached.IsZero() {
			break
		}
		q.Position.After = rows.Reached
	}
	slices.Sort(found)
	if searches != 4 || !slices.Equal(found, []string{"success", "test"}) {
		t.Errorf("found %v in %d searches", found, searches)
	}
	n, err := l.b.log.CountDeliveries(t.Context(), l.b.tenant, filter, posthorn.DeliveryID{}, 100)
	if err != nil || !n.More {
		t.Errorf("counted %+v, %v", n, err)
	}
	var exported []string
	for e, err := range posthorn.NewDeliveryFeed(l.b.log).Export(t.Context(), l.b.tenant, filter, true) {
		if err != nil {
			t.Fatal(err)
		}
		exported = append(exported, l.names[e.ID])
	}
	if slices.Sort(exported); !slices.Equal(exported, found) {
		t.Errorf("exported %v", exported)
	}
}

func TestDeliveriesAreCountedUpToABound(t *testing.T) {
	t.Parallel()
	l := newLogged(t)
	count := func(f posthorn.DeliveryFilter, since posthorn.DeliveryID, most int) posthorn.Estimate {
		n, err := l.b.log.CountDeliveries(t.Context(), l.b.tenant, f, since, most)
		if err != nil {
			t.Fatal(err)
		}
		return n
	}
	for name, tc := range map[string]struct{ got, want posthorn.Estimate }{
		"all":        {count(posthorn.DeliveryFilter{}, posthorn.DeliveryID{}, 100), posthorn.Estimate{N: 10}},
		"as many":    {count(posthorn.DeliveryFilter{}, posthorn.DeliveryID{}, 10), posthorn.Estimate{N: 10}},
		"more":       {count(posthorn.DeliveryFilter{}, posthorn.DeliveryID{}, 9), posthorn.Estimate{N: 9, More: true}},
		"of newest":  {count(posthorn.DeliveryFilter{}, l.queued, 100), posthorn.Estimate{}},
		"a producer": {count(posthorn.DeliveryFilter{Text: "order 7"}, posthorn.DeliveryID{}, 100), posthorn.Estimate{N: 1}},
	} {
		if tc.got != tc.want {
			t.Errorf("%s: %+v, want %+v", name, tc.got, tc.want)
		}
	}
	newest, err := l.b.log.NewestDelivery(t.Context(), l.b.tenant)
	if err != nil || newest != l.queued {
		t.Errorf("the newest is %s, %v", l.names[newest], err)
	}
	if none, err := l.b.log.NewestDelivery(t.Context(), posthorn.NewTenantID()); err != nil || !none.IsZero() {
		t.Errorf("another tenant's newest is %s, %v", none, err)
	}
	if rows, err := l.b.log.DeliveriesByID(t.Context(), posthorn.NewTenantID(), []posthorn.DeliveryID{l.queued}); err != nil || len(rows) != 0 {
		t.Errorf("another tenant reads %d rows, %v", len(rows), err)
	}
	if rows, err := l.b.log.DeliveriesByID(t.Context(), l.b.tenant, []posthorn.DeliveryID{l.retrying, l.dead}); err != nil || len(rows) != 2 || rows[0].WebhookName == "" {
		t.Errorf("%d rows, %v", len(rows), err)
	}
}
