package posthorn

import (
	"context"
	"encoding/json"
	"fmt"
	"slices"
	"time"
)

// The events of screenings.
const (
	eventScreeningCompleted = "aml.screening.completed"
	eventMatchFound         = "aml.match.found"
	eventMatchDismissed     = "aml.match.dismissed"
)

// MaxScreeningMatches is how many matches one screening may have.
const MaxScreeningMatches = 100

// Screening is one comparison of the customer of a submission with sanctions, PEP and adverse media lists.
type Screening struct {
	ID           ScreeningID
	SubmissionID SubmissionID
	// Status is how it ended: "match" while a match stands and "clear" otherwise, unless the request said something else.
	Status string
	// RiskLevel is empty when it was not rated.
	RiskLevel  RiskLevel
	Matches    []AMLMatch
	ScreenedAt time.Time
}

// AMLMatch is an entry of a list that the customer may be.
type AMLMatch struct {
	MatchID     string     `json:"matchId"`
	MatchType   string     `json:"matchType"`
	MatchScore  *float64   `json:"matchScore,omitempty"`
	MatchedName string     `json:"matchedName"`
	SourceList  *string    `json:"sourceList"`
	RiskLevel   *RiskLevel `json:"riskLevel"`
	// Dismissed says that somebody looked at it and found it to be somebody else.
	Dismissed   bool    `json:"dismissed"`
	DismissedBy *string `json:"dismissedBy"`
	Reason      *string `json:"reason"`
}

// Standing is how many matches were not dismissed.
func (s *Screening) Standing() int {
	n := 0
	for i := range s.Matches {
		if !s.Matches[i].Dismissed {
			n++
		}
	}
	return n
}

// MarshalJSON writes the screening as the API does.
func (s *Screening) MarshalJSON() ([]byte, error) {
	return marshal(struct {
		ID           ScreeningID  `json:"id"`
		SubmissionID SubmissionID `json:"submissionId"`
		Status       string       `json:"status"`
		RiskLevel    *RiskLevel   `json:"riskLevel"`
		MatchCount   int          `json:"matchCount"`
		Matches      []AMLMatch   `json:"matches"`
		ScreenedAt   string       `json:"screenedAt"`
	}{s.ID, s.SubmissionID, s.Status, orNull(s.RiskLevel), s.Standing(), append([]AMLMatch{}, s.Matches...), FormatTime(s.ScreenedAt)})
}

// Screen records a screening of a submission from the body of a request, which must be valid JSON. It tells that the screening
// is completed, and of each match that it was found, or dismissed. A match that an earlier screening found needs no more than its
// id to be dismissed. Wrong input is Invalid with the fields named; the key is that of Create.
func (rs *Resources) Screen(ctx context.Context, actor Actor, tenant TenantID, id string, body []byte, key string) (Screening, error) {
	submission, err := findable(KindSubmission, id)
	if err != nil {
		return Screening{}, err
	}
	idempotency, err := resourceKey(tenant, "aml:"+id, key)
	if err != nil {
		return Screening{}, err
	}
	in, err := parseResourceInput(body, true)
	if err != nil {
		return Screening{}, err
	}
	made, err := rs.store.InsertScreening(ctx, tenant, SubmissionID(submission), idempotency,
		func(s *Submission, known []Screening) (Screening, []ResourceChange, error) {
			screening := in.screening(s, actor, known)
			if err := in.faults.err(); err != nil {
				return screening, nil, err
			}
			changes, err := screening.changes(s, actor, inMilliseconds(in.now))
			return screening, changes, err
		})
	return made, missingResource(KindSubmission, id, err)
}

// screening reads a screening.
func (in *resourceInput) screening(s *Submission, actor Actor, known []Screening) Screening {
	out := Screening{ID: NewID[screeningKind](), SubmissionID: SubmissionID(s.UUID), ScreenedAt: inMilliseconds(in.now)}
	in.moment("screenedAt", &out.ScreenedAt)
	if out.ScreenedAt.IsZero() {
		out.ScreenedAt = inMilliseconds(in.now)
	}
	in.optionalLine(fieldStatus, &out.Status)
	choice(in, fieldRiskLevel, &out.RiskLevel, RiskLevels())
	out.Matches = in.matches(actor, known)
	for i := range out.Matches {
		m := &out.Matches[i]
		if _, rated := in.raw(fieldRiskLevel); !rated && !m.Dismissed && m.RiskLevel != nil && m.RiskLevel.Rank() > out.RiskLevel.Rank() {
			out.RiskLevel = *m.RiskLevel
		}
	}
	switch {
	case out.Status != "":
	case out.Standing() > 0:
		out.Status = "match"
	default:
		out.Status = "clear"
	}
	return out
}

// Fields of screenings.
const (
	fieldMatches   = "matches"
	fieldRiskLevel = "riskLevel"
)

// matches reads the list of matches; faults name the place in the list, "matches[2].matchedName".
func (in *resourceInput) matches(actor Actor, known []Screening) []AMLMatch {
	raw, ok := in.raw(fieldMatches)
	if !ok {
		return nil
	}
	var items []map[string]json.RawMessage
	if json.Unmarshal(raw, &items) != nil || slices.ContainsFunc(items, func(m map[string]json.RawMessage) bool { return m == nil }) {
		in.faults.add(fieldMatches, "must be a list of objects")
		return nil
	}
	if len(items) > MaxScreeningMatches {
		in.faults.add(fieldMatches, fmt.Sprintf("must be at most %d", MaxScreeningMatches))
		return nil
	}
	matches := make([]AMLMatch, len(items))
	for i, object := range items {
		one := &resourceInput{inputParser: inputParser{object: object}, creates: true, now: in.now}
		matches[i] = one.match(actor, known)
		for field, rule := range one.faults.fields {
			in.faults.add(fmt.Sprintf("%s[%d].%s", fieldMatches, i, field), rule)
		}
		if slices.ContainsFunc(matches[:i], func(m AMLMatch) bool { return m.MatchID == matches[i].MatchID }) {
			in.faults.add(fmt.Sprintf("%s[%d].matchId", fieldMatches, i), "must not be given twice")
		}
	}
	return matches
}

// match reads one match. What it leaves out is as in the newest screening that knew it.
func (in *resourceInput) match(actor Actor, known []Screening) AMLMatch {
	var m AMLMatch
	var id string
	if in.optionalLine("matchId", &id); id == "" {
		id = NewID[amlMatchKind]().String()
	} else if before := findMatch(known, id); before != nil {
		m, in.creates = *before, false // what is needed is there
		m.Dismissed, m.DismissedBy, m.Reason = false, nil, nil
	}
	m.MatchID = id
	in.line("matchType", &m.MatchType)
	in.line("matchedName", &m.MatchedName)
	in.score(&m.MatchScore)
	in.nullableLine("sourceList", &m.SourceList)
	level := valueOr(m.RiskLevel)
	choice(in, fieldRiskLevel, &level, RiskLevels())
	m.RiskLevel = orNull(level)
	in.truth("dismissed", &m.Dismissed)
	if m.Dismissed {
		by := actor.Name
		in.optionalLine("dismissedBy", &by)
		m.DismissedBy = orNull(by)
		var reason string
		in.prose("reason", &reason)
		m.Reason = orNull(reason)
	}
	return m
}

// findMatch returns the match with an id as the newest screening that has it tells of it, nil for none.
func findMatch(known []Screening, id string) *AMLMatch {
	for i := range known {
		for j := range known[i].Matches {
			if m := &known[i].Matches[j]; m.MatchID == id {
				return m
			}
		}
	}
	return nil
}

func (in *resourceInput) score(into **float64) {
	raw, ok := in.raw("matchScore")
	if !ok {
		return
	}
	var score float64
	if json.Unmarshal(raw, &score) != nil || score < 0 || score > 1 {
		in.faults.add("matchScore", "must be a number from 0 to 1")
		return
	}
	*into = &score
}

// nullableLine is optionalLine for a text that is nil when there is none.
func (in *resourceInput) nullableLine(field string, into **string) {
	text := valueOr(*into)
	in.optionalLine(field, &text)
	*into = orNull(text)
}

// valueOr is what a pointer leads to, the zero value for nil.
func valueOr[T any](p *T) T {
	if p == nil {
		var none T
		return none
	}
	return *p
}

// matchData is what the source document says of a match that was found.
type matchData struct {
	SubmissionID string     `json:"submissionId"`
	MatchID      string     `json:"matchId"`
	MatchType    string     `json:"matchType"`
	MatchScore   *float64   `json:"matchScore,omitempty"`
	MatchedName  string     `json:"matchedName"`
	SourceList   *string    `json:"sourceList"`
	RiskLevel    *RiskLevel `json:"riskLevel"`
}

// changes are the entries of the submission's history about a screening, with the events that tell of it.
func (s *Screening) changes(of *Submission, actor Actor, at time.Time) ([]ResourceChange, error) {
	submission := of.ID()
	changes := make([]ResourceChange, 0, 1+len(s.Matches))
	add := func(event string, data any) error {
		c, err := newChange(&of.ResourceHead, actor.Name, of.Status, nil, event, data, at)
		changes = append(changes, c)
		return err
	}
	if err := add(eventScreeningCompleted, struct {
		SubmissionID string     `json:"submissionId"`
		ScreeningID  string     `json:"screeningId"`
		Status       string     `json:"status"`
		MatchCount   int        `json:"matchCount"`
		RiskLevel    *RiskLevel `json:"riskLevel"`
		ScreenedAt   string     `json:"screenedAt"`
	}{submission, s.ID.String(), s.Status, s.Standing(), orNull(s.RiskLevel), FormatTime(s.ScreenedAt)}); err != nil {
		return nil, err
	}
	for i := range s.Matches {
		m := &s.Matches[i]
		data := matchData{submission, m.MatchID, m.MatchType, m.MatchScore, m.MatchedName, m.SourceList, m.RiskLevel}
		var err error
		if m.Dismissed {
			err = add(eventMatchDismissed, struct {
				matchData
				DismissedBy *string `json:"dismissedBy"`
				Reason      *string `json:"reason"`
			}{data, m.DismissedBy, m.Reason})
		} else {
			err = add(eventMatchFound, data)
		}
		if err != nil {
			return nil, err
		}
	}
	return changes, nil
}
