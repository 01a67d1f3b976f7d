package main

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"text/tabwriter"

	"posthorn/internal/posthorn"
)

// tenant makes and lists organisations, and sets their limits.
func tenant(ctx context.Context, e env, args []string) error {
	return e.choose(ctx, "tenant", args, map[string]action{"create": createTenant, "list": listTenants, "limits": tenantLimits})
}

// action is one of the things that a command with several can do.
type action func(ctx context.Context, e env, args []string) error

// choose runs the action that the first argument names.
func (e env) choose(ctx context.Context, name string, args []string, actions map[string]action) error {
	if len(args) > 0 {
		if do, ok := actions[args[0]]; ok {
			return do(ctx, e, args[1:])
		}
	}
	for _, c := range commands() {
		if c.name == name {
			fmt.Fprintf(e.stderr, "Usage: posthorn %s %s\n", name, c.args)
		}
	}
	return errUsage
}

func createTenant(ctx context.Context, e env, args []string) error {
	f := e.flags("tenant create")
	asJSON := f.Bool("json", false, "print JSON for scripts")
	name := f.String("name", "", "name of the organisation")
	email := f.String("email", "", "email of its owner")
	owner := f.String("owner", "", "name of its owner")
	if err := parse(f, args); err != nil {
		return err
	}
	b, err := e.backend(ctx)
	if err != nil {
		return err
	}
	made, err := b.Accounts.CreateTenant(ctx, posthorn.CommandLine(), posthorn.NewTenant{
		Name: *name, OwnerEmail: *email, OwnerName: *owner, OwnerPassword: rand.Text(), WithCredentials: true,
	})
	if err = errors.Join(err, b.Close(ctx)); err != nil {
		return err
	}
	return printCredentials(e.stdout, made, *asJSON)
}

func listTenants(ctx context.Context, e env, args []string) error {
	if err := parse(e.flags("tenant list"), args); err != nil {
		return err
	}
	b, err := e.backend(ctx)
	if err != nil {
		return err
	}
	tenants, err := b.Accounts.ListTenants(ctx)
	if err = errors.Join(err, b.Close(ctx)); err != nil {
		return err
	}
	w := tabwriter.NewWriter(e.stdout, 0, 0, 2, ' ', 0)
	for _, t := range tenants {
		fmt.Fprintf(w, "%s\t%s\t%s\n", t.ID, posthorn.FormatTime(t.CreatedAt), t.Name)
	}
	return w.Flush()
}
