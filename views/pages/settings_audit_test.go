package pages

import (
	"testing"

	"posthorn/internal/posthorn"
	"posthorn/views/path"
	"posthorn/views/ui"
)

func TestAFieldOfTheAuditLogIsCalledAsPeopleReadIt(t *testing.T) {
	t.Parallel()
	for field, want := range map[string]string{"maxInFlight": "Max in flight", "apiRate": "API rate", "headers.names": "Headers names", "name": "Name"} {
		if got := fieldWords(field); got != want {
			t.Errorf("%s is called %q, want %q", field, got, want)
		}
	}
}

func TestARemovedMemberCanBeChosenInTheAuditLog(t *testing.T) {
	t.Parallel()
	id, err := posthorn.ParseUserID("user_0351dCkr9cfJXE9A8LHMIk")
	if err != nil {
		t.Fatal(err)
	}
	p := AuditListProps{Filter: posthorn.AuditFilter{Actor: id.String()}, Facets: posthorn.AuditFacets{Former: []posthorn.User{{ID: id, Name: "Mei"}}}}
	want := ui.Option{Value: id.String(), Label: "Mei (removed)", Selected: true}
	if options := p.actorOptions(); len(options) != 2 || options[1] != want {
		t.Errorf("the options are %+v", options)
	}
}

func TestAnEntryAboutAMemberNamesThem(t *testing.T) {
	t.Parallel()
	present, gone := posthorn.UserID{1}, posthorn.UserID{2}
	p := AuditListProps{Facets: posthorn.AuditFacets{
		Users: []posthorn.User{{ID: present, Name: "Bo"}}, Former: []posthorn.User{{ID: gone, Name: "Mei"}},
	}}
	entry := func(id posthorn.UserID) *posthorn.AuditEntry {
		return &posthorn.AuditEntry{Action: posthorn.ActionRoleChanged, Subject: id.String(), After: map[string]any{"role": "admin"}}
	}
	for id, want := range map[posthorn.UserID]string{present: "Bo", gone: "Mei", {3}: ""} {
		if got := p.subject(entry(id)); got != want {
			t.Errorf("the entry is about %q, want %q", got, want)
		}
	}
	if to := p.subjectURL(entry(present)); to != "" {
		t.Errorf("an admin is led to %s, which owners have", to)
	}
	p.Owner = true
	if to := p.subjectURL(entry(present)); to != path.SettingsMember(present.String()) {
		t.Errorf("an owner is led to %q", to)
	}
	if to := p.subjectURL(entry(gone)); to != "" {
		t.Errorf("an owner is led to %s, where nobody is any more", to)
	}
}
