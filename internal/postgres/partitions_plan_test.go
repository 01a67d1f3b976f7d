package postgres_test

import (
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"posthorn/internal/postgres"
)

// at reads a day, or an instant, in UTC.
func at(t *testing.T, text string) time.Time {
	t.Helper()
	layout := "2006-01-02 15:04"[:len(text)]
	got, err := time.Parse(layout, text)
	if err != nil {
		t.Fatal(err)
	}
	return got
}

// spansOf reads "2026-01-01..2026-01-02 …".
func spansOf(t *testing.T, text string) []postgres.Span {
	t.Helper()
	var spans []postgres.Span
	for s := range strings.FieldsSeq(text) {
		from, to, _ := strings.Cut(s, "..")
		spans = append(spans, postgres.NewSpan(at(t, from), at(t, to)))
	}
	return spans
}

func show(spans []postgres.Span) string {
	var out []string
	for _, s := range spans {
		out = append(out, s.From().Format(time.DateOnly)+".."+s.To().Format(time.DateOnly))
	}
	return strings.Join(out, " ")
}

func TestThePlanFillsTheGapsUpToTheHorizon(t *testing.T) {
	t.Parallel()
	const week, long = 7 * day, 365 * day
	for _, c := range []struct {
		name      string
		retention time.Duration
		now       string
		existing  string
		want      string
	}{
		{
			"days from yesterday to a week ahead", week, "2026-02-26 13:30", "",
			"2026-02-25..2026-02-26 2026-02-26..2026-02-27 2026-02-27..2026-02-28 2026-02-28..2026-03-01 2026-03-01..2026-03-02 " +
				"2026-03-02..2026-03-03 2026-03-03..2026-03-04 2026-03-04..2026-03-05 2026-03-05..2026-03-06",
		},
		{"90 days are still days", 90 * day, "2026-02-26 00:00", "2026-02-01..2026-03-05", "2026-03-05..2026-03-06"},
		{"a longer retention makes months", 91 * day, "2026-02-26 13:30", "", "2026-02-01..2026-03-01 2026-03-01..2026-04-01 2026-04-01..2026-05-01"},
		{"for ever makes months", 0, "2026-11-15 00:00", "", "2026-11-01..2026-12-01 2026-12-01..2027-01-01 2027-01-01..2027-02-01"},
		{
			"on the first of a month, the month before is still needed", 0, "2026-03-01 12:00", "",
			"2026-02-01..2026-03-01 2026-03-01..2026-04-01 2026-04-01..2026-05-01 2026-05-01..2026-06-01",
		},
		{"nothing is missing", week, "2026-02-26 13:30", "2026-02-25..2026-03-06", ""},
		{"a gap between two", week, "2026-02-26 13:30", "2026-02-20..2026-02-27 2026-02-28..2026-03-06", "2026-02-27..2026-02-28"},
		{
			"days end where a month begins", week, "2026-02-26 13:30", "2026-02-25..2026-02-26 2026-03-01..2026-04-01",
			"2026-02-26..2026-02-27 2026-02-27..2026-02-28 2026-02-28..2026-03-01",
		},
		{
			"a month is cut to the days that exist", long, "2026-02-26 13:30", "2026-02-20..2026-02-26 2026-02-27..2026-03-06",
			"2026-02-26..2026-02-27 2026-03-06..2026-04-01 2026-04-01..2026-05-01",
		},
		{
			"months after a long pause leave the time between alone", 0, "2026-09-10 00:00", "2026-01-01..2026-04-01",
			"2026-09-01..2026-10-01 2026-10-01..2026-11-01 2026-11-01..2026-12-01",
		},
		{
			"another zone's clock counts in UTC", week, "2026-02-26 23:59", "2026-02-25..2026-03-06", "",
		},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			now := at(t, c.now).In(time.FixedZone("east", 14*3600))
			got := postgres.NewPartitioned("events", c.retention).Missing(spansOf(t, c.existing), now)
			if diff := cmp.Diff(c.want, show(got)); diff != "" {
				t.Errorf("plan (-want +got):\n%s", diff)
			}
		})
	}
}

func TestAPartitionExpiresWhenItsLastRowDoes(t *testing.T) {
	t.Parallel()
	const retention = 30 * day
	for _, c := range []struct {
		name      string
		retention time.Duration
		span      string
		now       string
		want      bool
	}{
		{"its last millisecond is inside", retention, "2026-01-01..2026-01-02", "2026-01-31 23:59", false},
		{"its last millisecond is just outside", retention, "2026-01-01..2026-01-02", "2026-02-01 00:00", true},
		{"its first day is outside and its last is not", retention, "2026-01-01..2026-02-01", "2026-02-28 00:00", false},
		{"for ever", 0, "1990-01-01..1990-02-01", "2026-02-28 00:00", false},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			got := postgres.NewPartitioned("events", c.retention).Expired(spansOf(t, c.span)[0], at(t, c.now))
			if got != c.want {
				t.Errorf("got %v, want %v", got, c.want)
			}
		})
	}
}

func TestBoundsAreTwelveDigitsOfTimeAndZeros(t *testing.T) {
	t.Parallel()
	s := postgres.NewSpan(time.UnixMilli(0x01a13cdbcc00).UTC(), time.UnixMilli(0x01a142022800).UTC())
	const want = "FOR VALUES FROM ('01a13cdb-cc00-0000-0000-000000000000') TO ('01a14202-2800-0000-0000-000000000000')"
	if s.Bounds() != want {
		t.Errorf("bounds are %s, want %s", s.Bounds(), want)
	}
	if back, err := postgres.SpanOfBounds(want); err != nil || back != s {
		t.Errorf("read back as %v, %v, want %v", back, err, s)
	}
	for _, foreign := range []string{
		"DEFAULT", "FOR VALUES FROM (MINVALUE) TO ('01a14202-2800-0000-0000-000000000000')",
		"FOR VALUES FROM ('01a13cdb-cc00-7000-0000-000000000000') TO ('01a14202-2800-0000-0000-000000000000')",
		"FOR VALUES FROM ('------------------------------------') TO ('01a14202-2800-0000-0000-000000000000')",
	} {
		if s, err := postgres.SpanOfBounds(foreign); err == nil {
			t.Errorf("%s was read as %v", foreign, s)
		}
	}
}
