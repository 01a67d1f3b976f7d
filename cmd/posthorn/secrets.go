package main

import (
	"context"
	"errors"
	"fmt"
	"strings"
)

// secrets looks after the encryption of what is stored.
func secrets(ctx context.Context, e env, args []string) error {
	return e.choose(ctx, "secrets", args, map[string]action{"rotate-key": rotateKey})
}

// namedAtMost is how many ids an error lists.
const namedAtMost = 20

// rotateKey encrypts everything under the first key of POSTHORN_SECRET_KEY. It needs no downtime when every server has the new
// key as its first one by then, and had it as another before any of them began to write with it.
func rotateKey(ctx context.Context, e env, args []string) error {
	if err := parse(e.flags("secrets rotate-key"), args); err != nil {
		return err
	}
	b, err := e.backend(ctx)
	if err != nil {
		return err
	}
	report, err := b.DB.Reseal(ctx, b.Box)
	fmt.Fprintf(e.stdout, "Re-encrypted under the first key of POSTHORN_SECRET_KEY: %d. Under it already: %d.\n", report.Resealed, report.Current)
	switch {
	case err != nil:
	case len(report.Unreadable) > 0:
		err = fmt.Errorf("these open with no key of POSTHORN_SECRET_KEY and were left as they are; add the key that they were encrypted with: %s",
			enumerate(report.Unreadable))
	case report.Stale > 0:
		err = fmt.Errorf("%d values were changed all the while; run it again", report.Stale)
	default:
		fmt.Fprintln(e.stdout, "Every stored secret opens with that key alone. Once all servers have it first, the others can be removed.")
	}
	return errors.Join(err, b.Close(ctx))
}

// enumerate lists ids, cut where there are many.
func enumerate(ids []string) string {
	if more := len(ids) - namedAtMost; more > 0 {
		return fmt.Sprintf("%s and %d more", strings.Join(ids[:namedAtMost], ", "), more)
	}
	return strings.Join(ids, ", ")
}
