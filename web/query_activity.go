package web

import (
	"fmt"
	"maps"
	"net/url"
	"slices"
	"strings"
	"time"

	"posthorn/internal/posthorn"
)

// Names of the filters of the feed, in the query string and in the form.
const (
	filterText        = "q"
	filterType        = "type"
	filterRisk        = "risk"
	filterBlockchain  = "blockchain"
	filterStatus      = "status"
	filterApplication = "application"
	filterUser        = "user"
	filterRange       = "range"
	filterFrom        = "from"
	filterTo          = "to"
	filterMetadata    = "metadata."
	// pageAfter and pageBefore continue the feed below and above a record.
	pageAfter  = "after"
	pageBefore = "before"
)

// Each word and each condition is looked up on its own, so their number is what a query costs.
const (
	maxWords      = 20
	maxConditions = 10
)

// activityQuery is the query string of the feed, understood.
type activityQuery struct {
	filter posthorn.ActivityFilter
	// values are the filters as they stand in links: unknown and empty parameters dropped, the position left out.
	values        url.Values
	after, before posthorn.ActivityID
}

// parseActivityQuery reads the query string. Times without a zone are in loc. The error names each bad parameter.
func parseActivityQuery(in url.Values, loc *time.Location, now time.Time) (activityQuery, error) {
	p := readQuery(in)
	q := activityQuery{values: p.kept}
	q.filter = posthorn.ActivityFilter{
		Types:       parseList(p, filterType, posthorn.ActivityTypes()),
		RiskLevels:  parseList(p, filterRisk, posthorn.RiskLevels()),
		Blockchains: p.list(filterBlockchain),
		Application: p.one(filterApplication),
		User:        p.one(filterUser),
		Text:        p.one(filterText),
		Metadata:    p.metadata(),
	}
	if words := len(posthorn.SearchWords(q.filter.Text)); words > maxWords {
		p.faults[filterText] = fmt.Sprintf("must be at most %d words", maxWords)
	}
	if status := parseList(p, filterStatus, []posthorn.ActivityStatus{posthorn.ActivityOK, posthorn.ActivityError}); len(status) == 1 {
		q.filter.Status = status[0]
	}
	q.filter.From, q.filter.To = p.period(loc, now)
	q.after = p.position(pageAfter)
	q.before = p.position(pageBefore)
	if !q.after.IsZero() && !q.before.IsZero() {
		p.faults[pageBefore] = "cannot be used together with " + pageAfter
	}
	return q, p.err()
}

// metadata returns every "metadata.key=value".
func (p *queryParser) metadata() []posthorn.MetadataCondition {
	var conditions []posthorn.MetadataCondition
	for _, name := range slices.Sorted(maps.Keys(p.in)) {
		key, ok := strings.CutPrefix(name, filterMetadata)
		if !ok || key == "" || !p.storable(name, key) {
			continue
		}
		for _, v := range p.list(name) {
			conditions = append(conditions, posthorn.MetadataCondition{Key: key, Value: v})
		}
	}
	if len(conditions) > maxConditions {
		p.faults[strings.TrimSuffix(filterMetadata, ".")] = fmt.Sprintf("must be at most %d conditions", maxConditions)
		return nil
	}
	return conditions
}

// position reads an id to continue from. It is not kept: a changed filter starts at the top.
func (p *queryParser) position(name string) posthorn.ActivityID {
	v := p.in.Get(name)
	if v == "" {
		return posthorn.ActivityID{}
	}
	id, err := posthorn.ParseActivityID(v)
	if err != nil {
		p.faults[name] = "must be the id of a record"
	}
	return id
}
