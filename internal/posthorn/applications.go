package posthorn

import (
	"context"
	"fmt"
	"strings"
	"time"
)

// The actions on applications.
const (
	ActionApplicationCreated Action = "application.created"
	ActionApplicationUpdated Action = "application.updated"
	ActionApplicationDeleted Action = "application.deleted"
)

// MaxApplications is how many applications a tenant may have.
const MaxApplications = 1000

// Applications is what people do with the applications of their tenant. Publishing sees a change at once where it names an
// application that it did not know, and within a second otherwise, in every process.
type Applications struct{ store ApplicationStore }

// NewApplications makes the use cases.
func NewApplications(store ApplicationStore) *Applications { return &Applications{store: store} }

// ApplicationUse is an application with what uses it.
type ApplicationUse struct {
	Application
	CreatedAt time.Time
	// Webhooks are those that are limited to it, by name.
	Webhooks []NamedWebhook
}

// NamedWebhook is a webhook as a sentence names it.
type NamedWebhook struct {
	ID   WebhookID
	Name string
}

// ApplicationInput is what a person says about an application.
type ApplicationInput struct {
	Name string
	// ExternalID is its id in the world of the workers, empty for none.
	ExternalID string
	// Form is the key of the form that asked, nil for none.
	Form *IdempotencyKey
}

// MadeApplication is a new application.
type MadeApplication struct {
	Application
	// Repeated says that the form was sent before: the application is the one that was made then.
	Repeated bool
}

// ApplicationStore keeps applications. Implemented by package postgres. What does not exist in the tenant is NotFound, an
// external id in use is Conflict with the field named.
type ApplicationStore interface {
	// ListApplicationUses returns the applications of a tenant by name.
	ListApplicationUses(ctx context.Context, tenant TenantID) ([]ApplicationUse, error)
	ApplicationUse(ctx context.Context, tenant TenantID, id ApplicationID) (ApplicationUse, error)
	// InsertApplication stores an application. With a form key that was used before it stores nothing and returns the one that
	// was made then. It is ErrTooManyApplications when the tenant has MaxApplications.
	InsertApplication(ctx context.Context, a Application, at time.Time, form *IdempotencyKey, entry AuditEntry) (ApplicationID, error)
	// UpdateApplication lets change see the application and writes what it returns, while no other change of it is under
	// way. Without an entry nothing is written.
	UpdateApplication(ctx context.Context, tenant TenantID, id ApplicationID, change func(Application) (Application, *AuditEntry)) error
	// DeleteApplication deletes an application that nothing uses. Otherwise it calls used with what uses it, and returns the
	// error that it makes of it.
	DeleteApplication(ctx context.Context, tenant TenantID, id ApplicationID, used func(ApplicationUse) error, entry func(Application) AuditEntry) error
}

// ErrTooManyApplications refuses one more than MaxApplications.
var ErrTooManyApplications = Errorf(Conflict, "This organisation has %d applications already, and that is the most. Delete one that is not needed.", MaxApplications)

// administers is an error unless a signed-in person is an owner or admin.
func (s *SignedIn) administers() error {
	if !s.User.Role.Administers() {
		return Errorf(Forbidden, "Only owners and admins of the organisation can do this.")
	}
	return nil
}

// List returns the applications of a tenant by name, with what uses them.
func (x *Applications) List(ctx context.Context, tenant TenantID) ([]ApplicationUse, error) {
	return x.store.ListApplicationUses(ctx, tenant)
}

// Get returns an application of a tenant with what uses it, or NotFound.
func (x *Applications) Get(ctx context.Context, tenant TenantID, id ApplicationID) (ApplicationUse, error) {
	a, err := x.store.ApplicationUse(ctx, tenant, id)
	return a, noApplication(id, err)
}

// noApplication says which application is not there.
func noApplication(id ApplicationID, err error) error {
	if KindOf(err) == NotFound {
		return Because(NotFound, "There is no application with the id "+id.String()+".", err)
	}
	return err
}

func (in *ApplicationInput) check() error {
	var faults fieldFaults
	in.Name = faults.name(FieldName, in.Name)
	in.ExternalID = faults.externalID(in.ExternalID)
	// An id that looks like Posthorn's own could name two applications at once.
	if _, err := ParseApplicationID(in.ExternalID); err == nil {
		faults.add(FieldExternalID, "must not have the form of a Posthorn id")
	}
	return faults.err()
}

// Create makes an application. Wrong input is Invalid with the fields named, an external id in use Conflict.
func (x *Applications) Create(ctx context.Context, who SignedIn, in ApplicationInput) (MadeApplication, error) {
	if err := who.administers(); err != nil {
		return MadeApplication{}, err
	}
	if err := in.check(); err != nil {
		return MadeApplication{}, err
	}
	a := Application{ID: NewApplicationID(), TenantID: who.Tenant.ID, Name: in.Name, ExternalID: in.ExternalID}
	entry := audit(a.TenantID, who.actor(), ActionApplicationCreated, a.ID.String(), nil, a.auditFields())
	made, err := x.store.InsertApplication(ctx, a, databaseNow(), in.Form, entry)
	if err != nil {
		return MadeApplication{}, fmt.Errorf("create %s in %s: %w", a.ID, a.TenantID, err)
	}
	if made != a.ID {
		first, err := x.Get(ctx, a.TenantID, made)
		return MadeApplication{Application: first.Application, Repeated: true}, err
	}
	return MadeApplication{Application: a}, nil
}

func (a *Application) auditFields() map[string]any {
	fields := map[string]any{"name": a.Name}
	if a.ExternalID != "" {
		fields["externalId"] = a.ExternalID
	}
	return fields
}

// Update changes name and external id of an application. Wrong input is Invalid with the fields named, an external id in use
// Conflict.
func (x *Applications) Update(ctx context.Context, who SignedIn, id ApplicationID, in ApplicationInput) error {
	if err := who.administers(); err != nil {
		return err
	}
	if err := in.check(); err != nil {
		return err
	}
	err := x.store.UpdateApplication(ctx, who.Tenant.ID, id, func(was Application) (Application, *AuditEntry) {
		is := was
		is.Name, is.ExternalID = in.Name, in.ExternalID
		if is == was {
			return is, nil
		}
		entry := audit(was.TenantID, who.actor(), ActionApplicationUpdated, id.String(), was.auditFields(), is.auditFields())
		return is, &entry
	})
	if err != nil {
		return fmt.Errorf("update %s: %w", id, noApplication(id, err))
	}
	return nil
}

// Delete deletes an application that no webhook is limited to; otherwise it is Conflict and names them. Events and activity
// keep the application's id.
func (x *Applications) Delete(ctx context.Context, who SignedIn, id ApplicationID) error {
	if err := who.administers(); err != nil {
		return err
	}
	err := x.store.DeleteApplication(ctx, who.Tenant.ID, id, usedApplication, func(a Application) AuditEntry {
		return audit(a.TenantID, who.actor(), ActionApplicationDeleted, id.String(), a.auditFields(), nil)
	})
	if err != nil {
		return fmt.Errorf("delete %s: %w", id, noApplication(id, err))
	}
	return nil
}

// namedInErrors is how many webhooks an error names before it counts the rest.
const namedInErrors = 3

// usedApplication says which webhooks keep an application from being deleted.
func usedApplication(a ApplicationUse) error {
	quoted := make([]string, 0, namedInErrors)
	for _, w := range a.Webhooks[:min(namedInErrors, len(a.Webhooks))] {
		quoted = append(quoted, "“"+w.Name+"”")
	}
	names := strings.Join(quoted, ", ")
	if more := len(a.Webhooks) - namedInErrors; more > 0 {
		names += fmt.Sprintf(" and %d more", more)
	}
	return Errorf(Conflict, "%s is still used by the webhooks %s. Give them another application, or delete them first.", a.Name, names)
}
