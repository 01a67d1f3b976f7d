package postgres_test

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"posthorn/internal/jsonschema"
	"posthorn/internal/postgres"
	"posthorn/internal/posthorn"
)

// webhooksOver is the use cases on a database, which allow every URL.
func webhooksOver(db *postgres.DB) *posthorn.Webhooks {
	return posthorn.NewWebhooks(postgres.NewWebhooks(db), posthorn.WebhooksConfig{
		Sealer: plainBox{}, Catalogue: posthorn.NewEventTypes(postgres.NewEventTypes(db), jsonschema.Compiler{}),
		CheckTarget: func(context.Context, string) string { return "" }, CheckURL: func(string) string { return "" },
		Changed: func(posthorn.WebhookID) {},
	})
}

func TestAWebhookThatIsMendedBeginsWithACleanRecord(t *testing.T) {
	t.Parallel()
	db, tenant := newTenant(t)
	store := postgres.NewWebhooks(db)
	for name, c := range map[string]struct {
		before posthorn.WebhookState
		change func(w *posthorn.Webhook)
		clean  bool
	}{
		"activated after Posthorn disabled it": {posthorn.WebhookDisabled, func(w *posthorn.Webhook) { w.Status.State = posthorn.WebhookActive }, true},
		"activated after a pause":              {posthorn.WebhookInactive, func(w *posthorn.Webhook) { w.Status.State = posthorn.WebhookActive }, true},
		"another URL":                          {posthorn.WebhookActive, func(w *posthorn.Webhook) { w.URL += "/v2" }, true},
		"another name":                         {posthorn.WebhookActive, func(w *posthorn.Webhook) { w.Name = "Other" }, false},
		"paused":                               {posthorn.WebhookActive, func(w *posthorn.Webhook) { w.Status.State = posthorn.WebhookInactive }, false},
		"stale": {posthorn.WebhookDisabled, func(w *posthorn.Webhook) {
			w.Status.State, w.Version = posthorn.WebhookActive, 5
		}, false},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := insertHook(t, store, tenant, func(w *posthorn.Webhook) { w.Status.State = c.before })
			exec(t, db, `INSERT INTO webhook_health (webhook_id, failing_since, throttled_until) VALUES ($1, now() - interval '5 days', now() + interval '1 hour')`, w.ID.UUID())
			c.change(&w)
			w.Version++
			if _, err := store.UpdateWebhook(t.Context(), w, nil); err != nil && !errors.Is(err, posthorn.ErrStaleWebhook) {
				t.Fatal(err)
			}
			var clean bool
			err := db.Pool().QueryRow(t.Context(), `SELECT failing_since IS NULL AND throttled_until IS NULL FROM webhook_health WHERE webhook_id = $1`, w.ID.UUID()).Scan(&clean)
			if err != nil || clean != c.clean {
				t.Errorf("clean %t, want %t, %v", clean, c.clean, err)
			}
		})
	}
}

func TestAWebhookThatIsActiveAgainIsNotDisabledByItsFirstFailure(t *testing.T) {
	t.Parallel()
	s := newSending(t)
	w := s.hook("submission.completed")
	fail := func() {
		t.Helper()
		s.publish(s.event("submission.completed"))
		s.finish(result(s.claim(posthorn.ClaimRequest{}).Jobs[0], 503))
	}
	fail()
	s.exec(`UPDATE webhook_health SET failing_since = now() - interval '5 days'`)
	fail()
	if n := s.one(`SELECT count(*) FROM webhooks WHERE state = 'disabled'`); n != 1 {
		t.Fatal("it is not disabled")
	}
	if _, err := webhooksOver(s.db).SetActive(t.Context(), posthorn.CommandLine(), s.tenant, w.ID, true); err != nil {
		t.Fatal(err)
	}
	s.exec(`DELETE FROM due`)
	fail()
	if n := s.one(`SELECT count(*) FROM webhooks WHERE state = 'active'`); n != 1 {
		t.Error("it is disabled again")
	}
}

// put sends the body of a PUT.
func put(t *testing.T, ws *posthorn.Webhooks, tenant posthorn.TenantID, body string) (posthorn.WebhookMade, error) {
	t.Helper()
	id, in, err := posthorn.ParseWebhookInput([]byte(body))
	if err != nil {
		return posthorn.WebhookMade{}, err
	}
	return ws.Put(t.Context(), posthorn.CommandLine(), tenant, id, in)
}

func TestOfManyWhoPutTheSameWebhookAtOnceOneCreatesIt(t *testing.T) {
	t.Parallel()
	db, tenant := newTenant(t)
	ws := webhooksOver(db)
	var created, secrets atomic.Int64
	var work sync.WaitGroup
	for i := range 16 {
		work.Go(func() {
			made, err := put(t, ws, tenant, fmt.Sprintf(`{"url":"HTTPS://ledger.example:443/%02000d","events":["*"],"timeoutSeconds":%d}`, 7, i+1))
			if err != nil {
				t.Errorf("put: %v", err)
			}
			if made.Created {
				created.Add(1)
			}
			if made.Secret.Reveal() != "" {
				secrets.Add(1)
			}
		})
	}
	work.Wait()
	var rows int
	if err := db.Pool().QueryRow(t.Context(), `SELECT count(*) FROM webhooks`).Scan(&rows); err != nil {
		t.Fatal(err)
	}
	if created.Load() != 1 || secrets.Load() != 1 || rows != 1 {
		t.Errorf("%d were told that they created it, %d got a secret, %d webhooks", created.Load(), secrets.Load(), rows)
	}
}

func TestEveryoneOfManyWhoChangeAWebhookAtOnceSucceeds(t *testing.T) {
	t.Parallel()
	db, tenant := newTenant(t)
	ws, w := webhooksOver(db), insertHook(t, postgres.NewWebhooks(db), tenant, nil)
	const writers = 24
	var work sync.WaitGroup
	for i := range writers {
		work.Go(func() {
			if _, err := put(t, ws, tenant, fmt.Sprintf(`{"id":"%s","description":"Writer %d"}`, w.ID, i)); err != nil {
				t.Errorf("writer %d: %v", i, err)
			}
		})
	}
	work.Wait()
	if got, err := ws.Get(t.Context(), tenant, w.ID); err != nil || got.Version != 1+writers {
		t.Errorf("version %d, %v", got.Version, err)
	}
}

func TestTheAnswerToARotationIsTheWebhookAsItIsThen(t *testing.T) {
	t.Parallel()
	db, tenant := newTenant(t)
	ws, w := webhooksOver(db), insertHook(t, postgres.NewWebhooks(db), tenant, nil)
	actor := posthorn.Actor{Name: "Nadia"}
	made, err := ws.RotateSecret(t.Context(), actor, tenant, w.ID, posthorn.SecretRotation{Overlap: time.Hour})
	if err != nil {
		t.Fatal(err)
	}
	got, err := ws.Get(t.Context(), tenant, w.ID)
	if diff := cmp.Diff(got, made.Webhook); err != nil || diff != "" || len(got.Secrets) != 2 {
		t.Errorf("%v, %d secrets (-stored +answered):\n%s", err, len(got.Secrets), diff)
	}
	if got.Version != 2 || got.UpdatedBy != "Nadia" || !got.UpdatedAt.After(w.UpdatedAt) {
		t.Errorf("version %d, changed by %s at %s", got.Version, got.UpdatedBy, got.UpdatedAt)
	}
}

func TestATenantHasABoundedNumberOfWebhooks(t *testing.T) {
	t.Parallel()
	db, tenant := newTenant(t)
	ws, w := webhooksOver(db), insertHook(t, postgres.NewWebhooks(db), tenant, func(w *posthorn.Webhook) { w.Headers = nil })
	exec(t, db, `INSERT INTO webhooks SELECT gen_random_uuid(), tenant_id, application_id, name, description, 'https://many.example/' || n, events,
  header_names, header_values, signature, timeout_seconds, max_attempts, retry_on, rate_limit, max_in_flight, state, state_reason, state_since, state_by,
  version, created_at, created_by, updated_at, updated_by
  FROM webhooks w, generate_series(1, $1::int) n`, posthorn.MaxWebhooks-2)
	const body = `{"url":"https://%s.example/","events":["*"]}`
	if _, err := put(t, ws, tenant, fmt.Sprintf(body, "last")); err != nil {
		t.Fatal(err)
	}
	_, err := put(t, ws, tenant, fmt.Sprintf(body, "more"))
	wantKind(t, err, posthorn.Conflict, "")
	_, err = ws.Duplicate(t.Context(), posthorn.CommandLine(), tenant, w.ID, nil)
	if !errors.Is(err, posthorn.ErrTooManyWebhooks) {
		t.Errorf("a copy: %v", err)
	}
	if _, err := put(t, ws, tenant, fmt.Sprintf(body, "last")); err != nil {
		t.Errorf("a change: %v", err)
	}
	if err := ws.DeleteByID(t.Context(), posthorn.CommandLine(), tenant, w.ID); err != nil {
		t.Fatal(err)
	}
	if _, err := put(t, ws, tenant, fmt.Sprintf(body, "more")); err != nil {
		t.Errorf("after one was deleted: %v", err)
	}
}

func TestAPageOfTheListIsReadWithoutWhatIsSealed(t *testing.T) {
	t.Parallel()
	db, tenant := newTenant(t)
	store := postgres.NewWebhooks(db)
	ids := map[string]posthorn.WebhookID{}
	for i := range 7 {
		name := fmt.Sprintf("Webhook %d", i)
		ids[name] = insertHook(t, store, tenant, func(w *posthorn.Webhook) { w.Name = name }).ID
	}
	page := func(f posthorn.WebhookFilter) (names []string, list posthorn.WebhookList) {
		t.Helper()
		f.Text, f.Limit = "webhook", 3
		list, err := store.ListWebhooks(t.Context(), tenant, f)
		if err != nil {
			t.Fatal(err)
		}
		for _, w := range list.Webhooks {
			names = append(names, strings.TrimPrefix(w.Name, "Webhook "))
			if len(w.Headers) != 2 || w.Headers[0].Sealed != nil {
				t.Errorf("headers %v", w.Headers)
			}
		}
		return names, list
	}
	for name, c := range map[string]struct {
		filter  posthorn.WebhookFilter
		want    string
		skipped int
	}{
		"first":                 {posthorn.WebhookFilter{}, "0 1 2", 0},
		"after":                 {posthorn.WebhookFilter{After: ids["Webhook 2"]}, "3 4 5", 3},
		"the last":              {posthorn.WebhookFilter{After: ids["Webhook 5"]}, "6", 6},
		"before":                {posthorn.WebhookFilter{Before: ids["Webhook 6"]}, "3 4 5", 3},
		"before, near the top":  {posthorn.WebhookFilter{Before: ids["Webhook 1"]}, "0 1 2", 0},
		"after one that is not": {posthorn.WebhookFilter{After: posthorn.NewWebhookID()}, "0 1 2", 0},
		"after one of others":   {posthorn.WebhookFilter{Standing: posthorn.StandingDisabled}, "", 0},
	} {
		names, list := page(c.filter)
		if got := strings.Join(names, " "); got != c.want || list.Skipped != c.skipped || list.Total() != 7 || !list.Any {
			t.Errorf("%s: %q after %d of %d, any %t", name, got, list.Skipped, list.Total(), list.Any)
		}
	}
	none, err := store.ListWebhooks(t.Context(), tenant, posthorn.WebhookFilter{Text: "nothing"})
	if err != nil || len(none.Webhooks) != 0 || !none.Any {
		t.Errorf("%+v, %v", none, err)
	}
	nobody, err := store.ListWebhooks(t.Context(), posthorn.NewTenantID(), posthorn.WebhookFilter{})
	if err != nil || nobody.Any {
		t.Errorf("%+v, %v", nobody, err)
	}
}
