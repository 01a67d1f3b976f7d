package pages

import (
	"bytes"
	"encoding/json"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/a-h/templ"

	"posthorn/internal/posthorn"
	"posthorn/views/layout"
	"posthorn/views/ui"
)

// FieldSeen carries the version of an event type that a form was made from.
const FieldSeen = "seen"

// CatalogueProps is the list of event types.
type CatalogueProps struct {
	Page layout.PageProps
	// Query is what is looked for, empty for everything.
	Query string
	// groups are the types that were found, by category.
	groups []catalogueGroup
	// found and all count the types.
	found, all int
}

// catalogueGroup is a category with its types.
type catalogueGroup struct {
	name, label string
	types       []posthorn.EventType
}

// NewCatalogueProps finds the types whose name, description or category has every word of the query.
func NewCatalogueProps(types []posthorn.EventType, query string) CatalogueProps {
	p := CatalogueProps{Query: query, all: len(types)}
	words := strings.Fields(strings.ToLower(query))
	for _, t := range types {
		label := posthorn.CategoryLabel(t.Category)
		text := strings.ToLower(t.Event + " " + label + " " + t.Description)
		if slices.ContainsFunc(words, func(w string) bool { return !strings.Contains(text, w) }) {
			continue
		}
		p.found++
		i := slices.IndexFunc(p.groups, func(g catalogueGroup) bool { return g.name == t.Category })
		if i < 0 {
			i = len(p.groups)
			p.groups = append(p.groups, catalogueGroup{name: t.Category, label: label})
		}
		p.groups[i].types = append(p.groups[i].types, t)
	}
	return p
}

// summary says how much of the catalogue is listed.
func (p CatalogueProps) summary() string {
	if p.found == p.all {
		return eventTypes(p.all)
	}
	return strconv.Itoa(p.found) + " of " + eventTypes(p.all)
}

func eventTypes(n int) string {
	if n == 1 {
		return "1 event type"
	}
	return strconv.Itoa(n) + " event types"
}

// EventTypeProps is the page of one event type.
type EventTypeProps struct {
	Page layout.PageProps
	Type posthorn.EventType
	// Fields says what is wrong with the form of the enforcement.
	Fields   map[string]string
	Location *time.Location
	Now      time.Time
}

// changed reports whether the organisation added the type or changed it.
func (p EventTypeProps) changed() bool { return !p.Type.UpdatedAt.IsZero() }

// EventTypeFormProps is the form of an organisation's own event type.
type EventTypeFormProps struct {
	Page layout.PageProps
	// Known is the name of the type that is edited, empty for a new one.
	Known string
	// The fields are what is stored, or what was typed before.
	Event, Description, Schema, Example string
	Enforcement                         posthorn.Enforcement
	// Seen is the version that the form was made from, empty for a new type.
	Seen string
	// Error is the sentence about what no field is to blame for.
	Error string
	// Fields says what is wrong with which field.
	Fields map[string]string
	// Conflict is there when somebody else changed the type since the form was opened.
	Conflict *Conflict
	Location *time.Location
}

// eventTypeFormID is the id of the form, for buttons outside of it.
const eventTypeFormID = "event-type-form"

// guard asks before what was typed is lost. A form that came back has unsaved text from the start.
func (p EventTypeFormProps) guard() templ.Attributes {
	attrs := templ.Attributes{"data-guard": true}
	if len(p.Fields) > 0 || p.Error != "" || p.Conflict != nil {
		attrs["data-dirty"] = "1"
	}
	return attrs
}

// EventTypeDifferences lists the fields on which the form of what is stored and one's own disagree. Of documents it has the
// lines that differ; how they are laid out is no difference.
func EventTypeDifferences(theirs, mine *EventTypeFormProps) []Difference {
	var out []Difference
	if a, b := strings.TrimSpace(theirs.Description), strings.TrimSpace(mine.Description); a != b {
		out = append(out, Difference{"Description", a, b})
	}
	for _, d := range []Difference{{"JSON Schema of data", theirs.Schema, mine.Schema}, {"Example of data", theirs.Example, mine.Example}} {
		if a, b := compactJSON(d.Theirs), compactJSON(d.Yours); !bytes.Equal(a, b) {
			d.Theirs, d.Yours = differingLines(EditableJSON(a), EditableJSON(b))
			out = append(out, d)
		}
	}
	if theirs.Enforcement != mine.Enforcement {
		out = append(out, Difference{"When data does not fit", enforcementWords[theirs.Enforcement].label, enforcementWords[mine.Enforcement].label})
	}
	return out
}

// compactJSON is a document without its layout; what is no JSON stays as it is.
func compactJSON(text string) []byte {
	var out bytes.Buffer
	if json.Compact(&out, []byte(text)) != nil {
		return []byte(text)
	}
	return out.Bytes()
}

// differingLines cuts off the lines with which two texts begin and end alike.
func differingLines(a, b string) (string, string) {
	x, y := strings.Split(a, "\n"), strings.Split(b, "\n")
	for len(x) > 0 && len(y) > 0 && x[0] == y[0] {
		x, y = x[1:], y[1:]
	}
	for len(x) > 0 && len(y) > 0 && x[len(x)-1] == y[len(y)-1] {
		x, y = x[:len(x)-1], y[:len(y)-1]
	}
	return shownLines(x), shownLines(y)
}

// maxDifferingLines is how many lines of a document a difference shows.
const maxDifferingLines = 20

func shownLines(lines []string) string {
	if more := len(lines) - maxDifferingLines; more > 0 {
		lines = append(slices.Clone(lines[:maxDifferingLines]), "… "+plural(more, "more line"))
	}
	return strings.Join(lines, "\n")
}

// focus is the field to start with: the first bad one, else the first one of a new type.
func (p EventTypeFormProps) focus() string {
	bad := firstFault(p.Fields, posthorn.FieldEvent, posthorn.FieldDescription, posthorn.FieldSchema, posthorn.FieldExample, posthorn.FieldEnforcement)
	if bad == "" && p.Known == "" && p.Error == "" {
		return posthorn.FieldEvent
	}
	return bad
}

// alert is the error when no field says it already.
func (p EventTypeFormProps) alert() string {
	if len(p.Fields) > 0 {
		return ""
	}
	return p.Error
}

// enforcementWords are the enforcements in words: what they are called, and what they do.
var enforcementWords = map[posthorn.Enforcement]struct {
	label, text string
	tone        ui.Tone
	icon        ui.IconName
}{
	posthorn.EnforcementOff:    {"Off", "Events are accepted and not compared with the schema.", ui.Neutral, ui.IconSlash},
	posthorn.EnforcementWarn:   {"Warn", "Events are accepted, and their pages say what did not fit.", ui.Neutral, ui.IconInfo},
	posthorn.EnforcementReject: {"Reject", "Events that do not fit are refused with 422 and the reasons.", ui.Accent, ui.IconShield},
}

func enforcementBadge(e posthorn.Enforcement) ui.BadgeProps {
	words := enforcementWords[e]
	return ui.BadgeProps{Label: words.label, Tone: words.tone, Icon: words.icon}
}

// enforcementChoices is the three enforcements, each with what it does.
func enforcementChoices(chosen posthorn.Enforcement, fields map[string]string, hideLegend bool) ui.ChoicesProps {
	p := ui.ChoicesProps{
		Name: posthorn.FieldEnforcement, Legend: "When data does not fit the schema", HideLegend: hideLegend,
		Error: fieldFault(fields, posthorn.FieldEnforcement, "Enforcement"), Autofocus: fields[posthorn.FieldEnforcement] != "",
	}
	for _, e := range posthorn.Enforcements() {
		words := enforcementWords[e]
		p.Choices = append(p.Choices, ui.Choice{Value: string(e), Label: words.label, Hint: words.text, Selected: e == chosen})
	}
	return p
}
