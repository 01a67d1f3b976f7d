package postgres

import (
	"encoding/binary"
	"fmt"
	"regexp"
	"slices"
	"strings"
	"time"

	"github.com/google/uuid"
)

const day = 24 * time.Hour

const (
	// maxDailyRetention is up to when partitions are days: about 40 of them cost nothing, 400 cost every new connection
	// 50 ms. Beyond it, and without a retention, they are months.
	maxDailyRetention = 90 * day
	// daysAhead and monthsAhead are how many whole partitions there are after the current one.
	daysAhead   = 7
	monthsAhead = 2
	// clockSkew is how far behind this process's clock may be and still find a partition for its ids.
	clockSkew = day
)

// partitioned is a table that is partitioned by id, and how long its rows are kept; zero means for ever.
type partitioned struct {
	table     string
	retention time.Duration
	// keptBy selects a row where a partition, given by the bounds of its ids, must not be dropped yet; empty for never.
	keptBy string
	// storage are the storage parameters of a partition. It has those of a table of its own, not those of its parent.
	storage string
}

// width is the length of new partitions.
type width int

const (
	daily width = iota
	monthly
)

func (p partitioned) width() width {
	if p.retention > 0 && p.retention <= maxDailyRetention {
		return daily
	}
	return monthly
}

// floor returns the start, in UTC, of the day or month that t lies in.
func (w width) floor(t time.Time) time.Time {
	y, m, d := t.UTC().Date()
	if w == monthly {
		d = 1
	}
	return time.Date(y, m, d, 0, 0, 0, 0, time.UTC)
}

// after returns the start of the n-th day or month after the one that t lies in.
func (w width) after(t time.Time, n int) time.Time {
	if w == monthly {
		return w.floor(t).AddDate(0, n, 0)
	}
	return w.floor(t).AddDate(0, 0, n)
}

// wanted is what must be covered at a moment: from a little before it to the horizon.
func (p partitioned) wanted(now time.Time) span {
	w, ahead := p.width(), daysAhead
	if w == monthly {
		ahead = monthsAhead
	}
	return span{daily.floor(now.Add(-clockSkew)), w.after(now, ahead+1)}
}

// expired reports whether every row that a partition of the span can hold is past the retention.
func (p partitioned) expired(s span, now time.Time) bool {
	return p.retention > 0 && !s.to.After(now.Add(-p.retention))
}

// span is a stretch of time from an instant up to, not including, another.
type span struct{ from, to time.Time }

// missing returns the partitions that have to be made so that wanted is covered: whole days or months, cut where they
// would overlap one that exists. existing is sorted and does not overlap.
func missing(existing []span, wanted span, w width) []span {
	var plan []span
	for at := wanted.from; at.Before(wanted.to); {
		next := span{w.floor(at), w.after(at, 1)}
		covered := false
		for _, e := range existing {
			switch {
			case !e.to.After(at):
				next.from = latest(next.from, e.to)
			case !e.from.After(at):
				covered, at = true, e.to
			case e.from.Before(next.to):
				next.to = e.from
			}
		}
		if !covered {
			plan = append(plan, next)
			at = next.to
		}
	}
	return plan
}

func latest(a, b time.Time) time.Time {
	if a.After(b) {
		return a
	}
	return b
}

// coveredUntil returns how far from t on there are partitions without a gap; t itself when there is none for it.
func coveredUntil(existing []span, t time.Time) time.Time {
	for _, e := range slices.SortedFunc(slices.Values(existing), bySpan) {
		if !e.from.After(t) && e.to.After(t) {
			t = e.to
		}
	}
	return t
}

func bySpan(a, b span) int { return a.from.Compare(b.from) }

const nameDate = "20060102"

// name returns the name of a table's partition for the span: events_p20260101_20260102.
func (s span) name(table string) string {
	return table + "_p" + s.from.Format(nameDate) + "_" + s.to.Format(nameDate)
}

// spanOfName reads a span back from the name that span.name made.
func spanOfName(table, name string) (span, error) {
	from, to, _ := strings.Cut(strings.TrimPrefix(name, table+"_p"), "_")
	start, err := time.Parse(nameDate, from)
	if err != nil {
		return span{}, fmt.Errorf("name of partition %s: %w", name, err)
	}
	end, err := time.Parse(nameDate, to)
	if err != nil {
		return span{}, fmt.Errorf("name of partition %s: %w", name, err)
	}
	return span{start, end}, nil
}

// bound returns the smallest id of the millisecond: 12 hexadecimal digits of time, then zeros.
func bound(t time.Time) uuid.UUID {
	var id uuid.UUID
	binary.BigEndian.PutUint64(id[:8], uint64(max(t.UnixMilli(), 0))<<16)
	return id
}

// bounds returns the span as PostgreSQL writes and reads the bounds of a partition.
func (s span) bounds() string {
	return fmt.Sprintf("FOR VALUES FROM ('%s') TO ('%s')", bound(s.from), bound(s.to))
}

var boundsPattern = regexp.MustCompile(`^FOR VALUES FROM \('([0-9a-f-]{36})'\) TO \('([0-9a-f-]{36})'\)$`)

// spanOfBounds reads a span back from bounds that span.bounds made.
func spanOfBounds(text string) (span, error) {
	m := boundsPattern.FindStringSubmatch(text)
	if m == nil {
		return span{}, fmt.Errorf("bounds %q are not a range of ids", text)
	}
	var s span
	for i, at := range []*time.Time{&s.from, &s.to} {
		id, err := uuid.Parse(m[i+1])
		if err != nil {
			return span{}, fmt.Errorf("bounds %q: %w", text, err)
		}
		*at = time.UnixMilli(int64(binary.BigEndian.Uint64(id[:8]) >> 16)).UTC()
		if bound(*at) != id {
			return span{}, fmt.Errorf("bounds %q are not those of a time", text)
		}
	}
	return s, nil
}
