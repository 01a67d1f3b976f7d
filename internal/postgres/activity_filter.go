package postgres

import (
	"encoding/json"
	"fmt"
	"slices"
	"strings"

	"posthorn/internal/posthorn"
)

// conditions gathers the WHERE clause of a query and its arguments.
type conditions struct {
	clauses []string
	args    []any
}

// arg adds an argument and returns its placeholder.
func (c *conditions) arg(value any) string {
	c.args = append(c.args, value)
	return fmt.Sprintf("$%d", len(c.args))
}

// and adds a condition; every %s in it takes the placeholder of the next value.
func (c *conditions) and(format string, values ...any) {
	placeholders := make([]any, len(values))
	for i, v := range values {
		placeholders[i] = c.arg(v)
	}
	c.clauses = append(c.clauses, fmt.Sprintf(format, placeholders...))
}

// where returns the clause, which is never empty: every query is within a tenant.
func (c *conditions) where() string { return strings.Join(c.clauses, " AND ") }

// activityConditions turns a scope and a filter into SQL. Times become bounds on the id, which prune partitions.
func activityConditions(scope posthorn.ActivityScope, f posthorn.ActivityFilter) *conditions {
	c := &conditions{}
	c.and("tenant_id = %s", scope.TenantID.UUID())
	if scope.UserID != "" {
		c.and("user_id = %s", scope.UserID)
	}
	if f.User != "" {
		c.and("user_id = %s", f.User)
	}
	oneOf(c, "activity_type", f.Types)
	oneOf(c, "risk_level", f.RiskLevels)
	oneOf(c, "blockchain", f.Blockchains)
	switch f.Status {
	case posthorn.ActivityError:
		c.and("status_code >= 400")
	case posthorn.ActivityOK:
		c.and("status_code < 400")
	}
	if f.Application != "" {
		c.and("client_app_id = %s", f.Application)
	}
	if !f.From.IsZero() {
		c.and("id >= %s", posthorn.ActivityIDAt(f.From).UUID())
	}
	if !f.To.IsZero() {
		c.and("id < %s", posthorn.ActivityIDAt(f.To).UUID())
	}
	if words := posthorn.SearchWords(f.Text); len(words) > 0 {
		c.and("search @@ %s::text::tsquery", prefixQuery(words))
	}
	for _, m := range f.Metadata {
		c.metadata(m)
	}
	return c
}

// oneOf adds an equality, or for several values a list. A single value is an equality because only that lets the
// planner read the index in the order of the feed.
func oneOf[S ~string](c *conditions, column string, values []S) {
	switch len(values) {
	case 0:
	case 1:
		c.and(column+" = %s", string(values[0]))
	default:
		list := make([]string, len(values))
		for i, v := range values {
			list[i] = string(v)
		}
		c.and(column+" = ANY (%s::text[])", list)
	}
}

// prefixQuery asks for every word as the beginning of a term.
func prefixQuery(words []string) string {
	quoted := make([]string, len(words))
	for i, w := range words {
		quoted[i] = "'" + strings.NewReplacer(`'`, `''`, `\`, `\\`).Replace(w) + "':*"
	}
	return strings.Join(quoted, " & ")
}

// metadata adds containment in every reading of the condition: the value as text and, where it is one, as a number, a
// truth value or null; the key as it is and, where it has dots, as a path.
func (c *conditions) metadata(m posthorn.MetadataCondition) {
	values := []any{m.Value}
	var literal any
	if json.Unmarshal([]byte(m.Value), &literal) == nil {
		switch literal.(type) {
		case float64:
			if posthorn.IndexableNumber(m.Value) {
				values = append(values, json.RawMessage(m.Value))
			}
		case bool, nil:
			values = append(values, json.RawMessage(m.Value))
		}
	}
	paths := [][]string{{m.Key}}
	if parts := strings.Split(m.Key, "."); len(parts) > 1 {
		paths = append(paths, parts)
	}
	var readings []string
	for _, path := range paths {
		for _, v := range values {
			for _, key := range slices.Backward(path) {
				v = map[string]any{key: v}
			}
			// Strings, and raw numbers that were just parsed, always marshal.
			object, _ := json.Marshal(v)
			readings = append(readings, "metadata @> "+c.arg(string(object))+"::text::jsonb")
		}
	}
	c.clauses = append(c.clauses, "("+strings.Join(readings, " OR ")+")")
}
