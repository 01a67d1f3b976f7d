package pages

import (
	"testing"

	"posthorn/internal/posthorn"
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
