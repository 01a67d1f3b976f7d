package posthorn_test

import (
	"context"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"posthorn/internal/posthorn"
)

// fakeApplicationStore keeps applications in memory.
type fakeApplicationStore struct {
	uses  []posthorn.ApplicationUse
	audit []posthorn.AuditEntry
}

func (s *fakeApplicationStore) ListApplicationUses(context.Context, posthorn.TenantID) ([]posthorn.ApplicationUse, error) {
	return s.uses, nil
}

func (s *fakeApplicationStore) at(tenant posthorn.TenantID, id posthorn.ApplicationID) int {
	for i, u := range s.uses {
		if u.TenantID == tenant && u.ID == id {
			return i
		}
	}
	return -1
}

func (s *fakeApplicationStore) ApplicationUse(_ context.Context, tenant posthorn.TenantID, id posthorn.ApplicationID) (posthorn.ApplicationUse, error) {
	if i := s.at(tenant, id); i >= 0 {
		return s.uses[i], nil
	}
	return posthorn.ApplicationUse{}, errNone
}

func (s *fakeApplicationStore) InsertApplication(
	_ context.Context, a posthorn.Application, at time.Time, _ *posthorn.IdempotencyKey, entry posthorn.AuditEntry,
) (posthorn.ApplicationID, error) {
	s.uses, s.audit = append(s.uses, posthorn.ApplicationUse{Application: a, CreatedAt: at}), append(s.audit, entry)
	return a.ID, nil
}

func (s *fakeApplicationStore) UpdateApplication(
	_ context.Context, tenant posthorn.TenantID, id posthorn.ApplicationID,
	change func(posthorn.Application) (posthorn.Application, *posthorn.AuditEntry),
) error {
	i := s.at(tenant, id)
	if i < 0 {
		return errNone
	}
	is, entry := change(s.uses[i].Application)
	if entry != nil {
		s.uses[i].Application, s.audit = is, append(s.audit, *entry)
	}
	return nil
}

func (s *fakeApplicationStore) DeleteApplication(
	_ context.Context, tenant posthorn.TenantID, id posthorn.ApplicationID,
	used func(posthorn.ApplicationUse) error, entry func(posthorn.Application) posthorn.AuditEntry,
) error {
	i := s.at(tenant, id)
	if i < 0 {
		return errNone
	}
	if len(s.uses[i].Webhooks) > 0 {
		return used(s.uses[i])
	}
	s.audit = append(s.audit, entry(s.uses[i].Application))
	s.uses = append(s.uses[:i], s.uses[i+1:]...)
	return nil
}

// adminOf is an admin of a tenant.
func adminOf(role posthorn.Role) posthorn.SignedIn {
	tenant := posthorn.Tenant{ID: posthorn.NewTenantID()}
	return posthorn.SignedIn{Tenant: tenant, User: posthorn.User{TenantID: tenant.ID, Name: "Ada", Role: role}}
}

func TestAnApplicationIsCreatedRenamedAndDeletedWithItsEntries(t *testing.T) {
	t.Parallel()
	store := &fakeApplicationStore{}
	x, who := posthorn.NewApplications(store), adminOf(posthorn.RoleAdmin)
	made, err := x.Create(t.Context(), who, posthorn.ApplicationInput{Name: " Web  shop ", ExternalID: " shop "})
	if err != nil || made.Name != "Web shop" || made.ExternalID != "shop" {
		t.Fatalf("%+v, %v", made, err)
	}
	for range 2 { // the second time nothing changes
		if err := x.Update(t.Context(), who, made.ID, posthorn.ApplicationInput{Name: "Shop"}); err != nil {
			t.Fatal(err)
		}
	}
	if err := x.Delete(t.Context(), who, made.ID); err != nil {
		t.Fatal(err)
	}
	type entry struct {
		Action        posthorn.Action
		Before, After map[string]any
	}
	var got []entry
	for _, e := range store.audit {
		got = append(got, entry{e.Action, e.Before, e.After})
	}
	first, renamed := map[string]any{"name": "Web shop", "externalId": "shop"}, map[string]any{"name": "Shop"}
	want := []entry{
		{posthorn.ActionApplicationCreated, nil, first},
		{posthorn.ActionApplicationUpdated, first, renamed},
		{posthorn.ActionApplicationDeleted, renamed, nil},
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("audit (-want +got):\n%s", diff)
	}
}

func TestAnApplicationThatWebhooksUseIsNotDeleted(t *testing.T) {
	t.Parallel()
	store := &fakeApplicationStore{}
	x, who := posthorn.NewApplications(store), adminOf(posthorn.RoleOwner)
	made, err := x.Create(t.Context(), who, posthorn.ApplicationInput{Name: "Shop"})
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{"Ledger", "Risk", "Billing", "CRM", "Mail"} {
		store.uses[0].Webhooks = append(store.uses[0].Webhooks, posthorn.NamedWebhook{Name: name})
	}
	err = x.Delete(t.Context(), who, made.ID)
	wantKind(t, err, posthorn.Conflict)
	if text := err.Error(); !strings.Contains(text, "“Ledger”, “Risk”, “Billing” and 2 more") {
		t.Errorf("the error is %q", text)
	}
}

func TestMembersManageNoApplications(t *testing.T) {
	t.Parallel()
	x, who := posthorn.NewApplications(&fakeApplicationStore{}), adminOf(posthorn.RoleMember)
	wantKind(t, second(x.Create(t.Context(), who, posthorn.ApplicationInput{Name: "Shop"})), posthorn.Forbidden)
	wantKind(t, x.Update(t.Context(), who, posthorn.ApplicationID{1}, posthorn.ApplicationInput{Name: "Shop"}), posthorn.Forbidden)
	wantKind(t, x.Delete(t.Context(), who, posthorn.ApplicationID{1}), posthorn.Forbidden)
}

func TestWhatIsNoApplicationIsRefused(t *testing.T) {
	t.Parallel()
	x, who := posthorn.NewApplications(&fakeApplicationStore{}), adminOf(posthorn.RoleAdmin)
	wantKind(t, second(x.Create(t.Context(), who, posthorn.ApplicationInput{Name: " ", ExternalID: strings.Repeat("x", 513)})),
		posthorn.Invalid, posthorn.FieldName, posthorn.FieldExternalID)
	wantKind(t, second(x.Create(t.Context(), who, posthorn.ApplicationInput{Name: "Shop", ExternalID: posthorn.NewApplicationID().String()})),
		posthorn.Invalid, posthorn.FieldExternalID)
	wantKind(t, x.Update(t.Context(), who, posthorn.ApplicationID{1}, posthorn.ApplicationInput{Name: "Shop"}), posthorn.NotFound)
	wantKind(t, x.Delete(t.Context(), who, posthorn.ApplicationID{1}), posthorn.NotFound)
}
