package main

import (
	"context"
	"errors"
	"fmt"
)

// migrate brings the schema up to date and makes the partitions; serve does the same at its start.
func migrate(ctx context.Context, e env, args []string) error {
	if err := parse(e.flags("migrate"), args); err != nil {
		return err
	}
	b, err := e.backend(ctx)
	if err != nil {
		return err
	}
	current, _, err := b.DB.SchemaVersion(ctx)
	if err == nil {
		fmt.Fprintf(e.stdout, "The schema is at version %d.\n", current)
	}
	return errors.Join(err, b.Close(ctx))
}
