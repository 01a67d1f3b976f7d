package postgres

import (
	"context"
	"encoding/json"
	"fmt"
	"strings"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"posthorn/internal/posthorn"
)

// resourceTable is where the resources of a kind are.
type resourceTable struct {
	kind posthorn.ResourceKind
	name string
	// own are the columns beside those that all kinds have, each with what is read of it where that is something else.
	own []resourceColumn
	// values are what own are written with, targets where they are read to; read is called after that.
	values  func(r posthorn.Resource) []any
	targets func(r posthorn.Resource) (targets []any, read func())
	// text is the column that the free text looks at, filters are the conditions by the names of the filters.
	text    string
	filters map[string]func(c *conditions, tenant posthorn.TenantID, value string)
}

// resourceColumn is a column, and the expression that reads it; empty for the column itself.
type resourceColumn struct{ name, read string }

// tableOf returns the table of a kind.
func tableOf(kind posthorn.ResourceKind) *resourceTable {
	switch kind {
	case posthorn.KindInvitation:
		return &invitationTable
	case posthorn.KindSubmission:
		return &submissionTable
	case posthorn.KindVerification:
		return &verificationTable
	default:
		return &integrationTable
	}
}

// nullable is a column of text that may be NULL.
func nullable(name string) resourceColumn { return resourceColumn{name, "coalesce(" + name + ", '')"} }

// plain are columns that are read as they are.
func plain(names ...string) []resourceColumn {
	columns := make([]resourceColumn, len(names))
	for i, name := range names {
		columns[i].name = name
	}
	return columns
}

// equals is a filter by the exact value of a column.
func equals(column string) func(*conditions, posthorn.TenantID, string) {
	return func(c *conditions, _ posthorn.TenantID, value string) { c.and(column+" = %s", value) }
}

// equalsFolded is equals for a column whose index has lower case.
func equalsFolded(column string) func(*conditions, posthorn.TenantID, string) {
	return func(c *conditions, _ posthorn.TenantID, value string) {
		c.and("lower("+column+") = lower(%s) AND "+column+" = %s", value, value)
	}
}

// likePrefix is the pattern of what begins with a text.
func likePrefix(text string) string {
	return strings.NewReplacer(`\`, `\\`, `%`, `\%`, `_`, `\_`).Replace(strings.TrimSpace(text)) + "%"
}

var invitationTable = resourceTable{
	kind: posthorn.KindInvitation, name: "invitations", text: "customer_email",
	own: append(plain("customer_email", "workflow_id"), nullable("workflow_name"), resourceColumn{name: "sent_at"}, resourceColumn{name: "expires_at"}),
	values: func(r posthorn.Resource) []any {
		i, _ := r.(*posthorn.Invitation)
		return []any{i.CustomerEmail, i.WorkflowID, textOrNull(i.WorkflowName), i.SentAt, nullTime(i.ExpiresAt)}
	},
	targets: func(r posthorn.Resource) ([]any, func()) {
		i, _ := r.(*posthorn.Invitation)
		var expires *time.Time
		return []any{&i.CustomerEmail, &i.WorkflowID, &i.WorkflowName, &i.SentAt, &expires}, func() {
			i.SentAt, i.ExpiresAt = i.SentAt.UTC(), utc(expires)
		}
	},
	filters: map[string]func(*conditions, posthorn.TenantID, string){
		posthorn.FieldCustomerEmail: emailIs, posthorn.FieldWorkflowID: equals("workflow_id"),
	},
}

// emailIs compares addresses without regard to case.
func emailIs(c *conditions, _ posthorn.TenantID, value string) {
	c.and("lower(customer_email) = lower(%s)", strings.TrimSpace(value))
}

var submissionTable = resourceTable{
	kind: posthorn.KindSubmission, name: "submissions", text: "customer_email",
	own: append(plain("customer_email", "workflow_id"), nullable("workflow_name"), resourceColumn{name: "invitation_id"},
		resourceColumn{"responses", "responses::text"}, resourceColumn{name: "submitted_at"}),
	values: func(r posthorn.Resource) []any {
		s, _ := r.(*posthorn.Submission)
		return []any{
			s.CustomerEmail, s.WorkflowID, textOrNull(s.WorkflowName), uuidOrNull(s.InvitationID.UUID()), nullJSON(s.Responses), nullTime(s.SubmittedAt),
		}
	},
	targets: func(r posthorn.Resource) ([]any, func()) {
		s, _ := r.(*posthorn.Submission)
		var invitation *uuid.UUID
		var responses *string
		var submitted *time.Time
		return []any{&s.CustomerEmail, &s.WorkflowID, &s.WorkflowName, &invitation, &responses, &submitted}, func() {
			if invitation != nil {
				s.InvitationID = posthorn.InvitationID(*invitation)
			}
			if responses != nil {
				s.Responses = json.RawMessage(*responses)
			}
			s.SubmittedAt = utc(submitted)
		}
	},
	filters: map[string]func(*conditions, posthorn.TenantID, string){
		posthorn.FieldCustomerEmail: emailIs, posthorn.FieldWorkflowID: equals("workflow_id"),
		posthorn.FieldInvitationID: func(c *conditions, _ posthorn.TenantID, value string) {
			id, _ := posthorn.ParseInvitationID(value) // checked by the domain; the zero id is nobody's
			c.and("invitation_id = %s", id.UUID())
		},
	},
}

var verificationTable = resourceTable{
	kind: posthorn.KindVerification, name: "verifications", text: "user_reference",
	own: append(plain("user_reference", "application_id"), resourceColumn{"checks", "checks::text"}, nullable("decision_reason")),
	values: func(r posthorn.Resource) []any {
		v, _ := r.(*posthorn.Verification)
		return []any{v.UserReference, uuidOrNull(v.ApplicationID.UUID()), string(v.Checks), textOrNull(v.DecisionReason)}
	},
	targets: func(r posthorn.Resource) ([]any, func()) {
		v, _ := r.(*posthorn.Verification)
		var application *uuid.UUID
		var checks string
		return []any{&v.UserReference, &application, &checks, &v.DecisionReason}, func() {
			if application != nil {
				v.ApplicationID = posthorn.ApplicationID(*application)
			}
			v.Checks = json.RawMessage(checks)
		}
	},
	filters: map[string]func(*conditions, posthorn.TenantID, string){
		posthorn.FieldUserReference: equalsFolded("user_reference"),
		posthorn.FieldApplicationID: func(c *conditions, tenant posthorn.TenantID, value string) {
			if id, err := posthorn.ParseApplicationID(value); err == nil {
				c.and("application_id = %s", id.UUID())
			} else {
				c.and("application_id = (SELECT id FROM applications WHERE tenant_id = %s AND external_id = %s)", tenant.UUID(), value)
			}
		},
	},
}

var integrationTable = resourceTable{
	kind: posthorn.KindIntegration, name: "integrations", text: "uid",
	own: append(plain("uid", "provider", "provider_public_name"), nullable("public_address"), resourceColumn{name: "wallet_id"},
		nullable("logo_url"), resourceColumn{name: "is_contract"}, nullable("alias"), resourceColumn{name: "added_on"},
		resourceColumn{name: "last_synced_at"}, resourceColumn{name: "category"}, resourceColumn{name: "type"},
		resourceColumn{name: "total_transactions"}),
	values: func(r posthorn.Resource) []any {
		i, _ := r.(*posthorn.Integration)
		return []any{
			i.UID, i.Provider, i.ProviderPublicName, textOrNull(i.PublicAddress), i.WalletID, textOrNull(i.LogoURL), i.IsContract, textOrNull(i.Alias), i.AddedOn,
			nullTime(i.LastSyncedAt), string(i.Category), string(i.Type), i.TotalTransactions,
		}
	},
	targets: func(r posthorn.Resource) ([]any, func()) {
		i, _ := r.(*posthorn.Integration)
		var synced *time.Time
		targets := []any{
			&i.UID, &i.Provider, &i.ProviderPublicName, &i.PublicAddress, &i.WalletID, &i.LogoURL, &i.IsContract, &i.Alias, &i.AddedOn,
			&synced, &i.Category, &i.Type, &i.TotalTransactions,
		}
		return targets, func() { i.AddedOn, i.LastSyncedAt = i.AddedOn.UTC(), utc(synced) }
	},
	filters: map[string]func(*conditions, posthorn.TenantID, string){
		posthorn.FieldUID: equalsFolded("uid"), posthorn.FieldProvider: equals("provider"), posthorn.FieldCategory: equals("category"),
	},
}

// headColumns are those that all kinds have.
const headColumns = "id, tenant_id, status, created_at, updated_at"

// columns are all columns as they are read.
func (t *resourceTable) columns() string {
	var b strings.Builder
	b.WriteString(headColumns)
	for _, column := range t.own {
		b.WriteString(", ")
		if column.read != "" {
			b.WriteString(column.read)
		} else {
			b.WriteString(column.name)
		}
	}
	return b.String()
}

// scan reads a row of columns.
func (t *resourceTable) scan(row pgx.CollectableRow) (posthorn.Resource, error) {
	r := t.kind.New()
	h := r.Head()
	h.Kind = t.kind
	targets, read := t.targets(r)
	err := row.Scan(append([]any{&h.UUID, (*uuid.UUID)(&h.TenantID), &h.Status, &h.CreatedAt, &h.UpdatedAt}, targets...)...)
	if err != nil {
		return nil, err
	}
	h.CreatedAt, h.UpdatedAt = h.CreatedAt.UTC(), h.UpdatedAt.UTC()
	read()
	return r, nil
}

func (t *resourceTable) insert(ctx context.Context, tx pgx.Tx, r posthorn.Resource) error {
	h := r.Head()
	args := append([]any{h.UUID, h.TenantID.UUID(), string(h.Status), h.CreatedAt, h.UpdatedAt}, t.values(r)...)
	names, places := []string{headColumns}, []string{"$1, $2, $3, $4, $5"}
	for i, column := range t.own {
		names, places = append(names, column.name), append(places, fmt.Sprintf("$%d", i+6))
	}
	_, err := tx.Exec(ctx, fmt.Sprintf(`INSERT INTO %s (%s) VALUES (%s)`, t.name, strings.Join(names, ", "), strings.Join(places, ", ")), args...)
	return err
}

func (t *resourceTable) update(ctx context.Context, tx pgx.Tx, r posthorn.Resource) error {
	h := r.Head()
	args := append([]any{h.UUID, h.TenantID.UUID(), string(h.Status), h.UpdatedAt}, t.values(r)...)
	set := []string{"status = $3, updated_at = $4"}
	for i, column := range t.own {
		set = append(set, fmt.Sprintf("%s = $%d", column.name, i+5))
	}
	_, err := tx.Exec(ctx, fmt.Sprintf(`UPDATE %s SET %s WHERE id = $1 AND tenant_id = $2`, t.name, strings.Join(set, ", ")), args...)
	return err
}
