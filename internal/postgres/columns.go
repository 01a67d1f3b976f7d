package postgres

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

// null maps empty text to NULL.
func null[S ~string](s S) any {
	if s == "" {
		return nil
	}
	return string(s)
}

// nullJSON maps absent JSON to NULL and the rest to text.
func nullJSON(raw []byte) any {
	if raw == nil {
		return nil
	}
	return string(raw)
}

// orNull maps the zero value to NULL, in a column of an array.
func orNull[T comparable](v T) *T {
	var zero T
	if v == zero {
		return nil
	}
	return &v
}
