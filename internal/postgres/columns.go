package postgres

import (
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5/pgtype"
)

// columns turns rows into the arrays that unnest takes: one slice a column.
type columns struct{ values [][]any }

// add appends one row; every row has the same number of values.
func (c *columns) add(row ...any) {
	if c.values == nil {
		c.values = make([][]any, len(row))
	}
	for i, v := range row {
		c.values[i] = append(c.values[i], v)
	}
}

// args returns the columns as the arguments of a statement.
func (c *columns) args() []any {
	args := make([]any, len(c.values))
	for i, column := range c.values {
		args[i] = column
	}
	return args
}

// nullJSON maps absent JSON to NULL and the rest to text.
func nullJSON(raw []byte) any {
	if raw == nil {
		return nil
	}
	return string(raw)
}

// Columns of the hot path, in types that the driver encodes without reflection.
type (
	uuidColumn     = pgtype.FlatArray[pgtype.UUID]
	textColumn     = pgtype.FlatArray[pgtype.Text]
	intColumn      = pgtype.FlatArray[pgtype.Int4]
	realColumn     = pgtype.FlatArray[pgtype.Float4]
	intervalColumn = pgtype.FlatArray[pgtype.Interval]
)

// The values of such columns, and of single arguments; the zero value is NULL.

func uuidOrNull(id uuid.UUID) pgtype.UUID { return pgtype.UUID{Bytes: id, Valid: id != uuid.Nil} }

func textOrNull[S ~string](text S) pgtype.Text {
	return pgtype.Text{String: string(text), Valid: text != ""}
}

func intOrNull(n int) pgtype.Int4 { return pgtype.Int4{Int32: int32(n), Valid: n != 0} } //nolint:gosec // G115: a status code

// msOrNull is a duration in milliseconds.
func msOrNull(d time.Duration) pgtype.Float4 {
	return pgtype.Float4{Float32: float32(d.Seconds() * 1000), Valid: d != 0}
}

func intervalOf(d time.Duration) pgtype.Interval {
	return pgtype.Interval{Microseconds: d.Microseconds(), Valid: true}
}
