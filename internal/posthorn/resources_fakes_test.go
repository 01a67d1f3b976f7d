package posthorn_test

import (
	"context"
	"encoding/json"
	"errors"
	"slices"
	"sync"
	"testing"

	"github.com/google/uuid"

	"posthorn/internal/posthorn"
)

// fakeResources is a store in memory. What goes in and out of it is copied by way of the API's own form where that matters.
type fakeResources struct {
	mu         sync.Mutex
	resources  map[uuid.UUID]posthorn.Resource
	keys       map[posthorn.IdempotencyKey]uuid.UUID
	changes    []posthorn.ResourceChange
	screenings []posthorn.Screening
	audit      []posthorn.AuditEntry
	query      posthorn.ResourceQuery
	// fail is the answer to every change, nil for none.
	fail error
}

var errNoResource = posthorn.Errorf(posthorn.NotFound, "Not found")

// copyOf is a resource that shares nothing that a change could reach.
func copyOf(r posthorn.Resource) posthorn.Resource {
	switch r := r.(type) {
	case *posthorn.Invitation:
		return new(*r)
	case *posthorn.Submission:
		return new(*r)
	case *posthorn.Verification:
		return new(*r)
	case *posthorn.Integration:
		return new(*r)
	}
	panic("unknown kind")
}

func (s *fakeResources) find(tenant posthorn.TenantID, kind posthorn.ResourceKind, id uuid.UUID) (posthorn.Resource, error) {
	r, ok := s.resources[id]
	if !ok || r.Head().TenantID != tenant || r.Head().Kind != kind {
		return nil, errNoResource
	}
	return copyOf(r), nil
}

func (s *fakeResources) ListResources(_ context.Context, tenant posthorn.TenantID, q posthorn.ResourceQuery) (out posthorn.ResourceRows, err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.query = q
	for _, r := range s.resources {
		if r.Head().TenantID == tenant && r.Head().Kind == q.Kind {
			out.Resources = append(out.Resources, copyOf(r))
		}
	}
	slices.SortFunc(out.Resources, func(a, b posthorn.Resource) int { return slices.Compare(b.Head().UUID[:], a.Head().UUID[:]) })
	out.HasOlder = len(out.Resources) > q.Position.Limit
	out.Resources = out.Resources[:min(len(out.Resources), q.Position.Limit)]
	return out, nil
}

func (s *fakeResources) Resource(_ context.Context, tenant posthorn.TenantID, kind posthorn.ResourceKind, id uuid.UUID) (d posthorn.ResourceDetail, err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if d.Resource, err = s.find(tenant, kind, id); err != nil {
		return d, err
	}
	for _, c := range slices.Backward(s.changes) {
		if c.Resource == id {
			d.Changes = append(d.Changes, c)
		}
	}
	return d, nil
}

func (s *fakeResources) InsertResource(
	_ context.Context, r posthorn.Resource, made posthorn.ResourceChange, key *posthorn.IdempotencyKey,
) (posthorn.Resource, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.fail != nil {
		return nil, s.fail
	}
	if key != nil {
		if first, known := s.keys[*key]; known {
			return copyOf(s.resources[first]), nil
		}
		s.keys[*key] = r.Head().UUID
	}
	s.resources[r.Head().UUID] = copyOf(r)
	s.changes = append(s.changes, made)
	return r, nil
}

func (s *fakeResources) ResourceMadeWith(
	_ context.Context, tenant posthorn.TenantID, kind posthorn.ResourceKind, key posthorn.IdempotencyKey,
) (posthorn.Resource, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.find(tenant, kind, s.keys[key])
}

func (s *fakeResources) ChangeResource(
	_ context.Context, tenant posthorn.TenantID, kind posthorn.ResourceKind, id uuid.UUID,
	change func(posthorn.Resource) (*posthorn.ResourceChange, error),
) (posthorn.Resource, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	r, err := s.find(tenant, kind, id)
	if err != nil {
		return nil, err
	}
	c, err := change(r)
	if err != nil || c == nil {
		return r, err
	}
	s.resources[id], s.changes = copyOf(r), append(s.changes, *c)
	return r, nil
}

func (s *fakeResources) DeleteResource(
	_ context.Context, tenant posthorn.TenantID, kind posthorn.ResourceKind, id uuid.UUID,
	last func(posthorn.Resource) (posthorn.ResourceChange, posthorn.AuditEntry, error),
) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	r, err := s.find(tenant, kind, id)
	if err != nil {
		return err
	}
	c, entry, err := last(r)
	if err != nil {
		return err
	}
	delete(s.resources, id)
	s.changes, s.audit = append(s.changes, c), append(s.audit, entry)
	return nil
}

func (s *fakeResources) InsertScreening(
	_ context.Context, tenant posthorn.TenantID, id posthorn.SubmissionID, _ *posthorn.IdempotencyKey,
	screen func(*posthorn.Submission, []posthorn.Screening) (posthorn.Screening, []posthorn.ResourceChange, error),
) (posthorn.Screening, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	r, err := s.find(tenant, posthorn.KindSubmission, id.UUID())
	if err != nil {
		return posthorn.Screening{}, err
	}
	submission, ok := r.(*posthorn.Submission)
	if !ok {
		return posthorn.Screening{}, errors.New("not a submission")
	}
	made, changes, err := screen(submission, s.screenings)
	if err == nil {
		s.screenings = append([]posthorn.Screening{made}, s.screenings...)
		s.changes = append(s.changes, changes...)
	}
	return made, err
}

// fakeApplications are the applications of whichever tenant.
type fakeApplications []posthorn.Application

func (a fakeApplications) ListApplications(context.Context, posthorn.TenantID) ([]posthorn.Application, error) {
	return a, nil
}

// resourcesFixture is Resources over fakes, with one application.
type resourcesFixture struct {
	*posthorn.Resources
	store  *fakeResources
	tenant posthorn.TenantID
	app    posthorn.Application
	t      testing.TB
}

func newResources(tb testing.TB) resourcesFixture {
	tb.Helper()
	f := resourcesFixture{
		store:  &fakeResources{resources: map[uuid.UUID]posthorn.Resource{}, keys: map[posthorn.IdempotencyKey]uuid.UUID{}},
		tenant: posthorn.NewTenantID(), t: tb,
		app: posthorn.Application{ID: posthorn.NewApplicationID(), Name: "Onboarding", ExternalID: "client_1"},
	}
	f.Resources = posthorn.NewResources(f.store, fakeApplications{f.app})
	return f
}

// ci is the API key that changes resources in tests.
var ci = posthorn.Actor{Name: "API key CI"}

func (f resourcesFixture) create(kind posthorn.ResourceKind, body string) posthorn.Resource {
	f.t.Helper()
	r, err := f.Create(f.t.Context(), ci, f.tenant, kind, []byte(body), "")
	if err != nil {
		f.t.Fatalf("create a %s from %s: %v", kind, body, err)
	}
	return r
}

func (f resourcesFixture) patch(r posthorn.Resource, body string) (posthorn.Resource, error) {
	return f.Update(f.t.Context(), ci, f.tenant, r.Head().Kind, r.Head().ID(), []byte(body))
}

// patched is patch that must succeed.
func (f resourcesFixture) patched(r posthorn.Resource, body string) posthorn.Resource {
	f.t.Helper()
	changed, err := f.patch(r, body)
	if err != nil {
		f.t.Fatalf("change a %s by %s: %v", r.Head().Kind, body, err)
	}
	return changed
}

// last is the newest entry of the history.
func (f resourcesFixture) last() posthorn.ResourceChange {
	return f.store.changes[len(f.store.changes)-1]
}

// asMap is what is written of a value, decoded.
func asMap(tb testing.TB, v any) map[string]any {
	tb.Helper()
	raw, ok := v.(json.RawMessage)
	if !ok {
		var err error
		if raw, err = json.Marshal(v); err != nil {
			tb.Fatal(err)
		}
	}
	var m map[string]any
	if err := json.Unmarshal(raw, &m); err != nil {
		tb.Fatal(err)
	}
	return m
}

// The bodies that make one of each kind.
var newResource = map[posthorn.ResourceKind]string{
	posthorn.KindInvitation:   `{"customerEmail":"customer@example.com","workflowId":"wf_123456","workflowName":"Basic KYC","expiresAt":"2999-01-19T09:00:00Z"}`,
	posthorn.KindSubmission:   `{"customerEmail":"customer@example.com","workflowId":"wf_123456","workflowName":"Basic KYC","responses":{"firstName":"John","n":1.50}}`,
	posthorn.KindVerification: `{"userReference":"user_123","applicationId":"client_1"}`,
	posthorn.KindIntegration: `{"uid":"user_123","provider":"binance","providerPublicName":"Binance","publicAddress":null,"walletId":"wallet_abc123",
"logoUrl":"https://storage.googleapis.com/kryptos-public/logos/binance.png","isContract":false,"alias":"Main Trading Account",
"addedOn":1640995200000,"lastSyncedAt":1672531200000,"category":"exchange","type":"api","totalTransactions":0}`,
}
