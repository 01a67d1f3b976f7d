package postgres_test

import (
	"encoding/json"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"posthorn/internal/posthorn"
)

// auditRow is an entry as the table has it.
type auditRow struct {
	ActorID         *string
	Actor, Address  string
	Action, Subject string
	Before, After   map[string]any
}

func (f accountsFixture) audit(t *testing.T, action posthorn.Action) []auditRow {
	t.Helper()
	rows, err := f.db.Pool().Query(t.Context(), `SELECT actor_id::text, actor, address, action, subject, before::text, after::text
 FROM audit_log WHERE action = $1 ORDER BY id`, string(action))
	if err != nil {
		t.Fatal(err)
	}
	defer rows.Close()
	var entries []auditRow
	for rows.Next() {
		var e auditRow
		var before, after *string
		if err := rows.Scan(&e.ActorID, &e.Actor, &e.Address, &e.Action, &e.Subject, &before, &after); err != nil {
			t.Fatal(err)
		}
		for from, to := range map[*string]*map[string]any{before: &e.Before, after: &e.After} {
			if from == nil {
				continue
			}
			if err := json.Unmarshal([]byte(*from), to); err != nil {
				t.Fatal(err)
			}
		}
		entries = append(entries, e)
	}
	if err := rows.Err(); err != nil {
		t.Fatal(err)
	}
	return entries
}

func TestTheAuditLogSaysWhoDidWhatBeforeAndAfter(t *testing.T) {
	t.Parallel()
	f := newAccounts(t)
	made, owner := f.found(t, ownerEmail)
	who := posthorn.SignedIn{User: owner, Session: posthorn.Session{Address: "192.0.2.1"}}
	if err := f.UpdateProfile(t.Context(), who, "Ada L"); err != nil {
		t.Fatal(err)
	}
	id := owner.ID.UUID().String()
	for action, want := range map[posthorn.Action]auditRow{
		posthorn.ActionTenantCreated: {
			Actor: "command line", Action: "tenant.created", Subject: made.TenantID.String(), After: map[string]any{"name": "Acme"},
		},
		posthorn.ActionProfileUpdated: {
			ActorID: &id, Actor: "Ada", Address: "192.0.2.1", Action: "user.profile_updated", Subject: owner.ID.String(),
			Before: map[string]any{"name": "Ada"}, After: map[string]any{"name": "Ada L"},
		},
	} {
		if diff := cmp.Diff([]auditRow{want}, f.audit(t, action), cmpopts.EquateEmpty()); diff != "" {
			t.Errorf("%s (-want +got):\n%s", action, diff)
		}
	}
}
