package main

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"text/tabwriter"

	"posthorn/internal/app"
	"posthorn/internal/posthorn"
)

// user makes and lists people, and resets a password.
func user(ctx context.Context, e env, args []string) error {
	return e.choose(ctx, "user", args, map[string]action{"create": createUser, "list": listUsers, "reset-password": resetPassword})
}

// tenantOf returns the tenant that a flag names, or the first one.
func tenantOf(ctx context.Context, b *app.Backend, flag string) (posthorn.TenantID, error) {
	if flag == "" {
		return b.Accounts.FirstTenantID(ctx)
	}
	id, err := posthorn.ParseTenantID(flag)
	if err != nil {
		return id, fmt.Errorf("--tenant: %w", err)
	}
	_, err = b.Accounts.TenantByID(ctx, id)
	return id, err
}

func createUser(ctx context.Context, e env, args []string) error {
	f := e.flags("user create")
	tenant := f.String("tenant", "", "id of the tenant (default the first)")
	email := f.String("email", "", "email to sign in with")
	name := f.String("name", "", "name")
	role := f.String("role", string(posthorn.RoleMember), "owner, admin or member")
	externalID := f.String("external-id", "", "the user's id in activity, such as a Clerk id")
	if err := parse(f, args); err != nil {
		return err
	}
	b, err := e.backend(ctx)
	if err != nil {
		return err
	}
	password := rand.Text()
	made, err := func() (posthorn.User, error) {
		id, err := tenantOf(ctx, b, *tenant)
		if err != nil {
			return posthorn.User{}, err
		}
		return b.Accounts.CreateUser(ctx, posthorn.CommandLine(), posthorn.NewUser{
			TenantID: id, Email: *email, Name: *name, Role: posthorn.Role(*role), ExternalID: *externalID, Password: password,
		})
	}()
	if err = errors.Join(err, b.Close(ctx)); err != nil {
		return err
	}
	fmt.Fprintf(e.stdout, "User      %s\nEmail     %s\nPassword  %s\n", made.ID, made.Email, password)
	return nil
}

func listUsers(ctx context.Context, e env, args []string) error {
	f := e.flags("user list")
	tenant := f.String("tenant", "", "id of the tenant (default the first)")
	if err := parse(f, args); err != nil {
		return err
	}
	b, err := e.backend(ctx)
	if err != nil {
		return err
	}
	users, err := func() ([]posthorn.User, error) {
		id, err := tenantOf(ctx, b, *tenant)
		if err != nil {
			return nil, err
		}
		return b.Accounts.ListUsers(ctx, id)
	}()
	if err = errors.Join(err, b.Close(ctx)); err != nil {
		return err
	}
	w := tabwriter.NewWriter(e.stdout, 0, 0, 2, ' ', 0)
	for _, u := range users {
		fmt.Fprintf(w, "%s\t%s\t%s\t%s\t%s\n", u.ID, u.Role, u.Email, u.Name, u.ExternalID)
	}
	return w.Flush()
}

func resetPassword(ctx context.Context, e env, args []string) error {
	f := e.flags("user reset-password")
	email := f.String("email", "", "email of the user")
	if err := parse(f, args); err != nil {
		return err
	}
	b, err := e.backend(ctx)
	if err != nil {
		return err
	}
	password := rand.Text()
	err = b.Accounts.ResetPassword(ctx, posthorn.CommandLine(), *email, password)
	if err = errors.Join(err, b.Close(ctx)); err != nil {
		return err
	}
	fmt.Fprintf(e.stdout, "Password  %s\nEvery browser of this user is signed out.\n", password)
	return nil
}
