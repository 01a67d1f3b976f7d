package pages

import (
	"cmp"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"

	"posthorn/internal/posthorn"
	"posthorn/views/layout"
	"posthorn/views/path"
	"posthorn/views/ui"
)

// Names of the filters of the audit log beside those that other lists have.
const (
	FilterActor   = "actor"
	FilterAction  = "action"
	FilterSubject = "subject"
)

// AuditProps is the audit log as a page.
type AuditProps struct {
	Page layout.PageProps
	List AuditListProps
}

// AuditListProps is the audit log with its filters: the fragment that is swapped when a filter changes.
type AuditListProps struct {
	Page   posthorn.AuditPage
	Filter posthorn.AuditFilter
	// Values are the filters as they stand in the query string; links add to them.
	Values url.Values
	// Beyond says that the address asks for a page that is not the first.
	Beyond bool
	// Faults says what is wrong with which filter; nothing is listed then.
	Faults map[string]string
	Facets posthorn.AuditFacets
	// Owner says that the reader has the pages of members.
	Owner    bool
	Location *time.Location
	Now      time.Time
}

// framed is the page without the words of this search in the find field of the frame.
func (p AuditProps) framed() layout.PageProps {
	page := p.Page
	page.Query = ""
	return page
}

// without is the log without some of its filters.
func (p AuditListProps) without(names ...string) string {
	return path.With(path.SettingsAudit, without(p.Values, names...))
}

func (p AuditListProps) actorChip() ui.FilterChipProps {
	return ui.FilterChipProps{ID: "f-actor", Label: "Who", Value: chosenLabel(p.actorOptions()), ClearURL: p.without(FilterActor)}
}

// actorOptions are the members and whoever else acted, and whom the address asks for beside them.
func (p AuditListProps) actorOptions() []ui.Option {
	options := []ui.Option{{Label: "Anyone", Selected: p.Filter.Actor == ""}}
	for i := range p.Facets.Users {
		options = append(options, ui.Option{Value: p.Facets.Users[i].ID.String(), Label: p.Facets.Users[i].Name})
	}
	for i := range p.Facets.Former {
		options = append(options, ui.Option{Value: p.Facets.Former[i].ID.String(), Label: p.Facets.Former[i].Name + " (removed)"})
	}
	for _, name := range p.Facets.Actors {
		options = append(options, ui.Option{Value: name, Label: upperFirst(name)})
	}
	return selected(options, p.Filter.Actor)
}

// selected marks the option with a value, and adds one where there is none.
func selected(options []ui.Option, values ...string) []ui.Option {
	for _, value := range values {
		i := slices.IndexFunc(options, func(o ui.Option) bool { return o.Value == value })
		if i < 0 {
			options, i = append(options, ui.Option{Value: value, Label: value}), len(options)
		}
		options[i].Selected = true
	}
	return options
}

func (p AuditListProps) actionChip() ui.FilterChipProps {
	var words []string
	for _, a := range p.Filter.Actions {
		words = append(words, actionWords(a))
	}
	value := strings.Join(words, ", ")
	if len(words) > 2 {
		value = strconv.Itoa(len(words)) + " actions"
	}
	return ui.FilterChipProps{ID: "f-action", Label: "Action", Value: value, ClearURL: p.without(FilterAction), Hidden: len(p.Facets.Actions) == 0 && value == ""}
}

// actionOptions are the actions that occur, in words.
func (p AuditListProps) actionOptions() []ui.Option {
	var options []ui.Option
	for _, a := range p.Facets.Actions {
		options = append(options, ui.Option{Value: string(a), Label: actionWords(a)})
	}
	values := make([]string, len(p.Filter.Actions))
	for i, a := range p.Filter.Actions {
		values[i] = string(a)
	}
	options = selected(options, values...)
	for i := range options {
		options[i].Label = actionWords(posthorn.Action(options[i].Value))
	}
	slices.SortFunc(options, func(a, b ui.Option) int { return strings.Compare(a.Label, b.Label) })
	return options
}

func (p AuditListProps) subjectChip() ui.FilterChipProps {
	return ui.FilterChipProps{ID: "f-subject", Label: "Changed", Value: p.Filter.Subject, ClearURL: p.without(FilterSubject)}
}

func (p AuditListProps) time() timeFilter {
	return timeFilter{values: p.Values, from: p.Filter.From, to: p.Filter.To, location: p.Location, now: p.Now}
}

func (p AuditListProps) timeChip() ui.FilterChipProps {
	return p.time().chip(p.without(FilterRange, FilterFrom, FilterTo))
}

// chips are the filters that the form shows.
func (p AuditListProps) chips() []ui.FilterChipProps {
	return []ui.FilterChipProps{p.actorChip(), p.actionChip(), p.subjectChip(), p.timeChip()}
}

func (p AuditListProps) filtered() bool { return p.filterWords() != "" }

// filterWords names all filters in words.
func (p AuditListProps) filterWords() string {
	return filterSentence(p.Filter.Text, nil, p.chips(), timeChip)
}

var auditColumns = []ui.Column{
	{Label: "Time", Class: "max-sm:hidden"}, {Label: "What"}, {Label: "Who", Class: "max-md:hidden"},
}

func (p AuditListProps) columns() []ui.Column {
	columns := slices.Clone(auditColumns)
	columns[0].Label = "Time, " + zoneName(p.Now, p.Location)
	return columns
}

func (p AuditListProps) clock(e *posthorn.AuditEntry) ui.TimeProps {
	return ui.TimeProps{At: e.CreatedAt(), Now: p.Now, Zone: p.Location, Style: ui.Clock}
}

// position says which part of the log is shown.
func (p AuditListProps) position() string {
	n := len(p.Page.Entries)
	switch {
	case p.Page.PrevCursor == "" && p.Page.NextCursor == "":
		return counted(int64(n), false, "entry", "entries")
	case p.Page.PrevCursor == "":
		return "Newest " + strconv.Itoa(n)
	default:
		return strconv.Itoa(n) + " older entries"
	}
}

func (p AuditListProps) pager() ui.PagerProps {
	return cursorPager(p.position(), path.SettingsAudit, p.Values, p.Page.PrevCursor, p.Page.NextCursor)
}

// actorURL is the log of what whoever made an entry did.
func (p AuditListProps) actorURL(e *posthorn.AuditEntry) string {
	who := e.Actor.Name
	if !e.Actor.UserID.IsZero() {
		who = e.Actor.UserID.String()
	}
	return path.With(path.SettingsAudit, url.Values{FilterActor: {who}})
}

// subjectLogURL is the log of what became of what an entry is about.
func subjectLogURL(e *posthorn.AuditEntry) string {
	return path.With(path.SettingsAudit, url.Values{FilterSubject: {e.Subject}})
}

// subjectPages are the pages of what an entry can be about, by the prefix of its id.
var subjectPages = map[string]func(string) string{
	"wh": path.Webhook, "whd": path.Delivery, "evt": path.Event, "rpl": path.Replay, "app": path.SettingsApplication, "user": path.SettingsMember,
}

// subjectURL is the page of what an entry is about, empty where there is none that the reader has.
func (p AuditListProps) subjectURL(e *posthorn.AuditEntry) string {
	kind, _, _ := strings.Cut(e.Subject, "_")
	to, ok := subjectPages[kind]
	switch {
	case strings.HasPrefix(string(e.Action), "event_type."):
		return path.EventType(e.Subject)
	case !ok || strings.HasSuffix(string(e.Action), ".deleted") || strings.HasSuffix(string(e.Action), ".removed"):
		return ""
	case kind == "user" && (!p.Owner || nameOf(p.Facets.Users, e.Subject) == ""):
		return ""
	}
	return to(e.Subject)
}

// subject is what an entry is about, as people call it, where that is known.
func (p AuditListProps) subject(e *posthorn.AuditEntry) string {
	for _, fields := range []map[string]any{e.After, e.Before} {
		for _, name := range []string{"name", "email"} {
			if text, ok := fields[name].(string); ok && text != "" {
				return text
			}
		}
	}
	if strings.HasPrefix(string(e.Action), "event_type.") {
		return e.Subject
	}
	return cmp.Or(nameOf(p.Facets.Users, e.Subject), nameOf(p.Facets.Former, e.Subject))
}

// nameOf is the name of the user with an id, empty when there is none.
func nameOf(users []posthorn.User, id string) string {
	for i := range users {
		if users[i].ID.String() == id {
			return users[i].Name
		}
	}
	return ""
}

// actionOverrides are the actions whose names do not read as what happened.
var actionOverrides = map[posthorn.Action]string{
	posthorn.ActionTenantCreated:            "Organisation created",
	posthorn.ActionLimitsUpdated:            "Limits changed",
	posthorn.ActionUserCreated:              "Member added",
	posthorn.ActionUserUpdated:              "Member changed",
	posthorn.ActionRoleChanged:              "Role changed",
	posthorn.ActionUserRemoved:              "Member removed",
	posthorn.ActionResetLinkMade:            "Password reset link made",
	posthorn.ActionProfileUpdated:           "Profile changed",
	posthorn.ActionPreferencesUpdated:       "Preferences changed",
	posthorn.ActionPasswordChanged:          "Password changed",
	posthorn.ActionPasswordReset:            "Password reset",
	posthorn.ActionSignedOutEverywhere:      "Signed out everywhere",
	posthorn.ActionMemberInvited:            "Member invited",
	posthorn.ActionMemberInvitationRevoked:  "Member invitation revoked",
	posthorn.ActionMemberInvitationAccepted: "Member invitation accepted",
	posthorn.ActionFailedReplayed:           "Failed deliveries replayed",
	posthorn.ActionMissedReplayed:           "Missed events replayed",
	posthorn.ActionSecretRetired:            "Webhook’s old secret ended",
	posthorn.ActionAPISecretRetired:         "Old API secret ended",
}

// actionWords says what was done: "Webhook secret rotated". The name of an action is what it was done to, and how.
func actionWords(a posthorn.Action) string {
	if words, ok := actionOverrides[a]; ok {
		return words
	}
	words := strings.NewReplacer("_", " ", ".", " ").Replace(string(a))
	words = strings.ReplaceAll(" "+words, " api ", " API ")
	return upperFirst(strings.TrimSpace(words))
}

// fieldWords is the name of a field as people read it: "maxInFlight" is "Max in flight".
func fieldWords(field string) string {
	var b strings.Builder
	for i, r := range field {
		switch {
		case r == '_' || r == '.':
			b.WriteByte(' ')
		case r >= 'A' && r <= 'Z' && i > 0 && field[i-1] >= 'a' && field[i-1] <= 'z':
			b.WriteByte(' ')
			b.WriteRune(r + 'a' - 'A')
		default:
			b.WriteRune(r)
		}
	}
	words := strings.ReplaceAll(" "+b.String(), " api ", " API ")
	return upperFirst(strings.TrimSpace(words))
}
