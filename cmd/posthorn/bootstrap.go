package main

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"

	"posthorn/internal/app"
	"posthorn/internal/posthorn"
)

// bootstrap makes the first tenant and prints how to use it. The password comes from POSTHORN_ADMIN_PASSWORD or is made
// up: an argument would be seen by every process of the machine.
func bootstrap(ctx context.Context, e env, args []string) error {
	f := e.flags("bootstrap")
	asJSON := f.Bool("json", false, "print JSON for scripts")
	tenant := f.String("tenant", app.DefaultTenant, "name of the organisation")
	email := f.String("email", "", "email of its owner (default POSTHORN_ADMIN_EMAIL, else "+app.DefaultEmail+")")
	name := f.String("name", "", "name of its owner")
	if err := parse(f, args); err != nil {
		return err
	}
	b, err := e.backend(ctx)
	if err != nil {
		return err
	}
	made, err := b.Bootstrap(ctx, posthorn.NewTenant{
		Name: *tenant, OwnerName: *name, OwnerEmail: cmp.Or(*email, b.Config.AdminEmail, app.DefaultEmail),
		OwnerPassword: b.Config.AdminPassword.Reveal(),
	})
	if err = errors.Join(err, b.Close(ctx)); err != nil {
		return err
	}
	return printCredentials(e.stdout, made, *asJSON)
}

// printCredentials prints what is shown once.
func printCredentials(w io.Writer, made posthorn.Bootstrap, asJSON bool) error {
	if asJSON {
		return json.NewEncoder(w).Encode(made) //nolint:gosec // G117: the password is shown once, here
	}
	_, err := fmt.Fprintf(w, "Tenant      %s\nOwner       %s\nEmail       %s\nPassword    %s\nAPI key     %s\nAPI secret  %s\n",
		made.TenantID, made.UserID, made.Email, made.Password, made.APIKey, made.APISecret)
	return err
}
