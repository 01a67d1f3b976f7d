package main

import (
	"context"
	"fmt"
)

// printConfig prints every variable with its value, secrets redacted, and where the value comes from.
func printConfig(_ context.Context, e env, args []string) error {
	if err := parse(e.flags("config"), args); err != nil {
		return err
	}
	cfg, err := e.load()
	if err != nil {
		return err
	}
	return cfg.Print(e.stdout)
}

// printVersion prints the version of the binary.
func printVersion(_ context.Context, e env, args []string) error {
	if err := parse(e.flags("version"), args); err != nil {
		return err
	}
	_, err := fmt.Fprintf(e.stdout, "posthorn %s\n", version)
	return err
}
