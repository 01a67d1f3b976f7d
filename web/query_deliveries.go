package web

import (
	"maps"
	"net/url"
	"slices"
	"strings"
	"time"

	"posthorn/internal/posthorn"
)

// Names of the filters of the delivery log beside those that it shares with others.
const (
	filterOver        = "overMs"
	filterMinAttempts = "minAttempts"
	// filterCode is a status, a class of statuses or a class of errors; it becomes the filter that it means.
	filterCode = "code"
)

// deliveryQuery is the query string of the delivery log, understood.
type deliveryQuery struct {
	filter posthorn.DeliveryFilter
	// values are the filters as they stand in links: unknown and empty parameters dropped, the position left out.
	values url.Values
	page   posthorn.PageRequest
}

// parseDeliveryPage reads the query string of a page of the log. Times without a zone are in loc. The error names each bad
// parameter.
func parseDeliveryPage(in url.Values, loc *time.Location, now time.Time) (deliveryQuery, error) {
	p := readQuery(maps.Clone(in))
	q := deliveryQuery{values: p.kept}
	p.in.Del(pageLimit)
	p.code()
	q.filter = p.deliveryFilter(loc, now)
	q.page = p.page()
	return q, p.err()
}

// code puts what the choice of a response means in its place. It wins over what is typed beside it.
func (p *queryParser) code() {
	text := strings.TrimSpace(p.in.Get(filterCode))
	if text == "" {
		return
	}
	name := filterErrorClass
	if _, ok := posthorn.ParseStatusRange(text); ok {
		name = filterStatusCode
	} else if !posthorn.ErrorClass(text).Valid() {
		p.faults[filterCode] = "must be a status such as 404, a class such as 5xx, or a class of errors such as timeout"
		return
	}
	p.in.Del(filterStatusCode)
	p.in.Del(filterErrorClass)
	p.in.Set(name, text)
}

// deliveryIDs reads ids; what is none, and what is too many, is left out.
func deliveryIDs(texts []string) []posthorn.DeliveryID {
	var ids []posthorn.DeliveryID
	for _, text := range texts {
		if id, err := posthorn.ParseDeliveryID(text); err == nil && !slices.Contains(ids, id) && len(ids) < posthorn.MaxDeliveryRows {
			ids = append(ids, id)
		}
	}
	return ids
}
