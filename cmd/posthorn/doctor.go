package main

import (
	"context"
	"errors"
	"fmt"

	"posthorn/internal/app"
)

// doctor looks at everything that Posthorn needs, changes nothing, and says what is wrong and what to do about it.
func doctor(ctx context.Context, e env, args []string) error {
	if err := parse(e.flags("doctor"), args); err != nil {
		return err
	}
	healthy := true
	for _, f := range app.Examine(ctx, e.environ) {
		mark := "ok  "
		if f.Problem != "" {
			mark, healthy = "FAIL", false
		}
		fmt.Fprintf(e.stdout, "%s  %s: %s\n", mark, f.Subject, f.State())
		if f.Remedy != "" {
			fmt.Fprintf(e.stdout, "      %s\n", f.Remedy)
		}
	}
	if !healthy {
		return errors.New("something is wrong")
	}
	return nil
}
