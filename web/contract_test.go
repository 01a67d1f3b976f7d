package web_test

import (
	"bytes"
	"encoding/json"
	"maps"
	"net/http"
	"regexp"
	"slices"
	"strings"
	"testing"

	"posthorn/internal/openapi"
	"posthorn/internal/posthorn"
	"posthorn/internal/sitekit"
	"posthorn/views/path"
	"posthorn/web"
)

// The tests of this file walk every operation of the document. Each call is also compared with the document by sitekit.

var pathParameter = regexp.MustCompile(`:\w+|\{\w+\}`)

// accessOf is who the document lets call an operation.
func accessOf(o *openapi.Operation) web.Access {
	switch {
	case o.Secret != "":
		return web.Worker
	case o.Scope == string(posthorn.ScopeRead):
		return web.APIRead
	case o.Scope == string(posthorn.ScopeWrite):
		return web.APIWrite
	case o.Scope == string(posthorn.ScopePublish):
		return web.APIPublish
	default:
		return web.Anyone
	}
}

func TestTheDocumentHasEveryRouteOfTheAPIAndNoOther(t *testing.T) {
	t.Parallel()
	documented := map[string]web.Access{}
	for _, o := range openapi.Load().Operations() {
		documented[o.Method+" "+pathParameter.ReplaceAllString(o.Path, "*")] = accessOf(o)
	}
	for _, r := range web.Routes() {
		if !strings.HasPrefix(r.Path, "/api/") {
			continue
		}
		name := r.Method + " " + pathParameter.ReplaceAllString(r.Path, "*")
		access, known := documented[name]
		switch {
		case !known:
			t.Errorf("%s is a route that openapi.yaml does not have", name)
		case access != r.Access:
			t.Errorf("%s: openapi.yaml asks for another key than the route", name)
		}
		delete(documented, name)
	}
	for name := range documented {
		t.Errorf("%s is in openapi.yaml and is no route", name)
	}
}

// world is a site with one of everything that the API shows, for calls of every operation.
type world struct {
	*sitekit.Site
	client *sitekit.Client
	// all has every scope.
	all string
	// ids are those of what is there, by the variable that stands for them in command lines.
	ids map[string]string
}

var allScopes = []posthorn.Scope{posthorn.ScopeRead, posthorn.ScopeWrite, posthorn.ScopePublish}

// newWorld fills a site. Its webhook is called Ledger and leads to a receiver.
func newWorld(t *testing.T) *world {
	t.Helper()
	receiver := newTestReceiver(t, http.StatusOK, "ok")
	w := &world{Site: sitekit.Start(t, apiTestVariables...), ids: map[string]string{}}
	w.client, w.all = w.Client(), scopedKey(t, w.Site, w.Owner.TenantID, allScopes...)
	hook := makeWebhook(t, w.Site, func(in *posthorn.WebhookInput) { in.URL = &receiver.URL })
	w.ids["WEBHOOK_ID"] = hook.ID.String()
	w.ids["ACTIVITY_ID"] = w.PostActivity(nil)
	w.fill(t)
	return w
}

// apiTestVariables let tests call as often as they like.
var apiTestVariables = []string{
	"POSTHORN_ALLOW_HTTP_TARGETS=true", "POSTHORN_ALLOW_TARGET_CIDRS=127.0.0.0/8", "POSTHORN_API_RATE=1000000", "POSTHORN_API_BURST=1000000",
}

// fill makes what the examples of the document make: whatever a POST creates has an id for the operations about one of it.
func (w *world) fill(t *testing.T) {
	t.Helper()
	for _, o := range openapi.Load().Operations() {
		if o.Method != http.MethodPost || len(o.Parameters) > 0 && o.Parameters[0].In == "path" || o.Scope == "" {
			continue
		}
		a := w.call(o, w.all, nil)
		var made struct{ ID string }
		if err := json.Unmarshal([]byte(a.Text), &made); err != nil || a.StatusCode >= http.StatusBadRequest {
			t.Fatalf("%s: %d %s", o.ID, a.StatusCode, a.Text)
		}
		for _, other := range openapi.Load().Operations() {
			if strings.HasPrefix(other.Path, o.Path+"/{") {
				w.ids[other.Parameters[0].Variable] = made.ID
			}
		}
	}
	var deliveries struct{ Data []struct{ ID string } }
	await(t, "the delivery is there", func() bool {
		a := w.client.Get(path.APIDeliveries+"?status=success", "X-API-Key", w.all)
		return json.Unmarshal([]byte(a.Text), &deliveries) == nil && len(deliveries.Data) > 0
	})
	w.ids["DELIVERY_ID"] = deliveries.Data[0].ID
	await(t, "nothing is under way any more", func() bool {
		return strings.HasPrefix(w.client.Get(path.APIDeliveries+"?status=pending", "X-API-Key", w.all).Text, `{"data":[],`)
	})
}

// target is the address of an operation with the ids of what is there.
func (w *world) target(o *openapi.Operation) string {
	target := o.Path
	for _, p := range o.Parameters {
		if p.In == "path" {
			target = strings.Replace(target, "{"+p.Name+"}", w.ids[p.Variable], 1)
		}
	}
	return target
}

// example is the body of an operation that fits this world, nil for none.
func (w *world) example(o *openapi.Operation) []byte {
	if o.Body == nil {
		return nil
	}
	body := bytes.Clone(o.Body.Examples[0].JSON)
	if o.ID == "putWebhook" {
		return []byte(`{"id":"` + w.ids["WEBHOOK_ID"] + `","name":"Ledger","headers":{"X-Env":"test"}}`)
	}
	return body
}

// call calls an operation with its example, or with another body.
func (w *world) call(o *openapi.Operation, key string, body []byte, headers ...string) sitekit.Answer {
	if body == nil {
		body = w.example(o)
	}
	return w.callAt(o, w.target(o), key, body, headers...)
}

func (w *world) callAt(o *openapi.Operation, target, key string, body []byte, headers ...string) sitekit.Answer {
	all := []string{}
	if key != "" {
		all = append(all, "Authorization", "Bearer "+key)
	}
	if o.Body == nil {
		return w.client.Do(o.Method, target, nil, append(all, headers...)...)
	}
	return w.client.Do(o.Method, target, bytes.NewReader(body), append(append(all, "Content-Type", "application/json"), headers...)...)
}

// keyed are the operations that need an API key, those that delete at the end.
func keyed() []*openapi.Operation {
	all := slices.DeleteFunc(openapi.Load().Operations(), func(o *openapi.Operation) bool { return o.Scope == "" })
	slices.SortStableFunc(all, func(a, b *openapi.Operation) int {
		return strings.Compare(deletes(a), deletes(b))
	})
	return all
}

func deletes(o *openapi.Operation) string {
	if o.Method == http.MethodDelete {
		return "last"
	}
	return ""
}

func TestEveryOperationDoesWhatItsExampleSays(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	for _, o := range keyed() {
		a := w.call(o, w.all, nil)
		if !slices.ContainsFunc(o.Answers, func(answer openapi.Answer) bool {
			return answer.Status == a.StatusCode && answer.Status < http.StatusBadRequest
		}) {
			t.Errorf("%s: %d %s", o.ID, a.StatusCode, a.Text)
		}
	}
}

func TestWhatAnOperationDoesNotKnowInABodyIsIgnored(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	for _, o := range keyed() {
		if o.Body == nil {
			continue
		}
		var object map[string]any
		if err := json.Unmarshal(w.example(o), &object); err != nil {
			t.Fatal(err)
		}
		object["unknownMember"] = map[string]any{"a": []int{1}}
		body, err := json.Marshal(object)
		if err != nil {
			t.Fatal(err)
		}
		if a := w.call(o, w.all, body); a.StatusCode >= http.StatusBadRequest {
			t.Errorf("%s: %d %s", o.ID, a.StatusCode, a.Text)
		}
	}
}

func TestEveryOperationAsksForAKeyWithItsScope(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	for _, o := range keyed() {
		checkAPIError(t, w.call(o, "", nil), http.StatusUnauthorized, "unauthorized")
		checkAPIError(t, w.call(o, "ph_live_"+strings.Repeat("a", 32), nil), http.StatusUnauthorized, "unauthorized")
		others := slices.DeleteFunc(slices.Clone(allScopes), func(s posthorn.Scope) bool { return string(s) == o.Scope })
		a := w.call(o, scopedKey(t, w.Site, w.Owner.TenantID, others...), nil)
		if text := checkAPIError(t, a, http.StatusForbidden, "forbidden"); !strings.Contains(text, o.Scope) {
			t.Errorf("%s does not name the scope %s: %s", o.ID, o.Scope, text)
		}
	}
}

func TestWhatAnotherTenantOwnsIsNotThereForAnyOperation(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	second, _ := newTenant(t, w.Site)
	stranger := scopedKey(t, w.Site, second.TenantID, allScopes...)
	for _, o := range keyed() {
		if !strings.Contains(o.Path, "{id}") {
			if a := w.call(o, stranger, nil); o.Method == http.MethodGet {
				for variable, id := range w.ids {
					if strings.Contains(a.Text, id) {
						t.Errorf("%s shows %s of another tenant", o.ID, variable)
					}
				}
			}
			continue
		}
		before := w.state(t)
		checkAPIError(t, w.call(o, stranger, nil), http.StatusNotFound, "not_found")
		if after := w.state(t); !maps.Equal(after, before) {
			t.Errorf("%s changed what another tenant owns:\n%v\n%v", o.ID, before, after)
		}
	}
}

// state is what there is to read of everything that has an id.
func (w *world) state(t *testing.T) map[string]string {
	t.Helper()
	out := map[string]string{}
	for _, o := range keyed() {
		if o.Method == http.MethodGet && strings.Contains(o.Path, "{id}") {
			out[o.ID] = w.call(o, w.all, nil).Text
		}
	}
	return out
}

func TestAnIDThatNobodyHasIsNotFoundByAnyOperation(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	for _, o := range keyed() {
		if !strings.Contains(o.Path, "{id}") {
			continue
		}
		id := w.ids[o.Parameters[0].Variable]
		prefix, _, _ := strings.Cut(id, "_")
		for name, wrong := range map[string]string{
			"nobody's": prefix + "_0000000000000000000001", "another kind": "user_" + id[len(prefix)+1:], "no id": "1", "cut": id[:len(id)-1],
			"too long": id + "0", "upper case": strings.ToUpper(id), "zero": "%00", "a slash": "..%2f" + id, "text": "%F0%9F%A6%84",
		} {
			target := strings.Replace(o.Path, "{id}", wrong, 1)
			t.Log(o.ID, name)
			checkAPIError(t, w.callAt(o, target, w.all, w.example(o)), http.StatusNotFound, "not_found")
		}
	}
}
