package pages

import (
	"encoding/json"
	"net/url"
	"strconv"
	"strings"

	"posthorn/internal/posthorn"
	"posthorn/views/path"
	"posthorn/views/ui"
)

// recordTitle names a record in the title of its page.
func recordTitle(a *posthorn.Activity) string {
	return strings.ToUpper(string(a.Type)) + " record · Activity"
}

// kind is what was done: "Transaction check".
func (p RecordProps) kind() string { return upperFirst(subjectNoun(p.Record.Type)) + " check" }

// over stands above the subject: "Ethereum transaction", "Entity".
func (p RecordProps) over() string {
	if p.Record.Blockchain == "" {
		return upperFirst(subjectNoun(p.Record.Type))
	}
	return chainName(p.Record.Blockchain) + " " + subjectNoun(p.Record.Type)
}

func (p RecordProps) listURL() string { return path.With(path.Activity, p.Values) }

// drawerURL is a record over the same feed, empty for none.
func (p RecordProps) drawerURL(id posthorn.ActivityID) string {
	if id.IsZero() {
		return ""
	}
	return path.With(path.ActivityRecord(id.String()), p.Values)
}

// pageURL is a record as a page, empty for none.
func (p RecordProps) pageURL(id posthorn.ActivityID) string {
	if id.IsZero() {
		return ""
	}
	return path.With(path.ActivityRecordPage(id.String()), p.Values)
}

func (p RecordProps) drawer() ui.DrawerProps {
	return ui.DrawerProps{
		Label: p.kind(), Lead: ui.Chip(engineChip(p.Record.Type)), TitleID: "record-title",
		CloseURL: p.listURL(), CloseTitle: documentTitleOfFeed, RowID: rowID(p.Record.ID),
		NewerURL: p.drawerURL(p.Neighbours.Newer), OlderURL: p.drawerURL(p.Neighbours.Older), PageURL: p.pageURL(p.Record.ID),
	}
}

// score is the record's score, and whether it has one.
func (p RecordProps) score() (score float64, ok bool) {
	if p.Record.RiskScore == nil {
		return 0, false
	}
	return *p.Record.RiskScore, true
}

// statusText names a status code: "OK", "Service Unavailable".
func (p RecordProps) statusText() string { return posthorn.StatusPhrase(p.Record.StatusCode) }

// recordFact is one line of the details.
type recordFact struct {
	label string
	text  string
	mono  bool
	// copies names the text on its copy button, empty for none.
	copies string
	// url leads to the other records that have it.
	url string
}

// subjectFacts are the parts of what was checked.
func (p RecordProps) subjectFacts() []recordFact {
	r := &p.Record
	find := func(text string) string { return path.With(path.Activity, url.Values{FilterText: {text}}) }
	facts := []recordFact{
		{label: "Blockchain", text: r.Blockchain},
		{label: "Transaction hash", text: r.TransactionHash, mono: true, copies: "transaction hash", url: find(r.TransactionHash)},
		{label: "Address", text: r.Address, mono: true, copies: "address", url: find(r.Address)},
		{label: "Entity name", text: r.EntityName, copies: "entity name"},
		{label: "Entity ID", text: r.EntityID, mono: true, copies: "entity ID", url: find(r.EntityID)},
	}
	return given(facts)
}

// originFacts say whose check it was and under which ids others know it. All of them stand on every record.
func (p RecordProps) originFacts() []recordFact {
	r := &p.Record
	user := recordFact{label: "User", text: r.UserID, mono: true, copies: "user ID"}
	if p.ShowUser {
		user.url = path.With(path.Activity, url.Values{FilterUser: {r.UserID}})
	}
	app := recordFact{label: "Application", text: r.ClientAppName}
	appID := recordFact{label: "Application ID", text: r.ClientAppID, mono: true, copies: "application ID"}
	if r.ClientAppID != "" {
		appID.url = path.With(path.Activity, url.Values{FilterApplication: {r.ClientAppID}})
	}
	facts := []recordFact{
		user, app, appID,
		{label: "Request ID", text: r.RequestID.String(), mono: true, copies: "request ID"},
		{label: "Response ID", text: r.ResponseID, mono: true, copies: "response ID"},
		{label: "Record ID", text: r.ID.String(), mono: true, copies: "record ID"},
	}
	return facts
}

func given(facts []recordFact) []recordFact {
	kept := facts[:0]
	for _, f := range facts {
		if f.text != "" {
			kept = append(kept, f)
		}
	}
	return kept
}

func (p RecordProps) documents() []ui.JSONTreeProps {
	r := &p.Record
	return []ui.JSONTreeProps{
		{ID: "json-summary", Title: "Response summary", Raw: r.ResponseSummary},
		{ID: "json-response", Title: "Response payload", Raw: r.ResponsePayload},
		{ID: "json-request", Title: "Request payload", Raw: r.RequestPayload},
		{ID: "json-metadata", Title: "Metadata", Raw: r.Metadata},
	}
}

// reason is one finding of an engine, as far as its payload says it in a common shape.
type reason struct {
	label string
	// how tells the way to the subject: "direct", "2 hops away".
	how string
	// percent is its share of the whole, 0 when it gave none.
	percent float64
}

// share writes the percentage.
func (r reason) share() string { return strconv.FormatFloat(r.percent, 'f', -1, 64) + "%" }

// maxReasons bounds the list above the details; the payload below is complete.
const maxReasons = 8

// reasons lists the findings that the response payload has under "indicators", "signals" or "exposures", the first of them that is
// there. Each is a text, or an object that is named by its category, name, type or label.
func (p RecordProps) reasons() []reason {
	var payload struct{ Indicators, Signals, Exposures json.RawMessage }
	if json.Unmarshal(p.Record.ResponsePayload, &payload) != nil {
		return nil
	}
	for _, raw := range []json.RawMessage{payload.Indicators, payload.Signals, payload.Exposures} {
		var items []json.RawMessage
		if json.Unmarshal(raw, &items) != nil {
			continue
		}
		if found := readReasons(items); len(found) > 0 {
			return found
		}
	}
	return nil
}

func readReasons(items []json.RawMessage) []reason {
	var found []reason
	for _, item := range items {
		if r, ok := readReason(item); ok {
			found = append(found, r)
		}
		if len(found) == maxReasons {
			break
		}
	}
	return found
}

func readReason(item json.RawMessage) (reason, bool) {
	var text string
	if json.Unmarshal(item, &text) == nil && text != "" {
		return reason{label: label(text)}, true
	}
	var fields map[string]any
	if json.Unmarshal(item, &fields) != nil {
		return reason{}, false
	}
	r := reason{}
	for _, key := range []string{"category", "name", "type", "label"} {
		if name, ok := fields[key].(string); ok && name != "" {
			r.label = label(name)
			break
		}
	}
	if hops, ok := fields["hops"].(float64); ok && hops > 0 {
		r.how = strconv.FormatFloat(hops, 'f', -1, 64) + " hops away"
	} else if exposure, ok := fields["exposure"].(string); ok {
		r.how = shortened(exposure)
	}
	if share, ok := fields["share"].(float64); ok && share > 0 && share <= 1 {
		r.percent, _ = strconv.ParseFloat(strconv.FormatFloat(share*100, 'f', 1, 64), 64)
	}
	return r, r.label != ""
}

// label writes a code for reading: "sanctioned_entity" is "Sanctioned entity".
func label(code string) string { return shortened(upperFirst(strings.ReplaceAll(code, "_", " "))) }
