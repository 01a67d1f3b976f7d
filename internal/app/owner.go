package app

import (
	"context"
	"crypto/rand"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"

	"posthorn/internal/config"
	"posthorn/internal/posthorn"
)

// Names that a first tenant gets when nobody chose others.
const (
	DefaultTenant = "Posthorn"
	DefaultEmail  = "owner@posthorn.localhost"
	defaultOwner  = "Owner"
)

// signInFile keeps the sign-in of a development installation, in the data folder, so that each start prints the same.
const signInFile = "sign-in.json"

// firstOwner makes the first tenant where nobody has to be asked for it: from POSTHORN_ADMIN_EMAIL and its password, or,
// in development, with a sign-in that is made up and kept. Otherwise /setup asks a person.
func (a *App) firstOwner(ctx context.Context) error {
	switch {
	case a.Config.AdminEmail != "":
		_, err := a.Accounts.FirstOwner(ctx, posthorn.Actor{Name: "configuration"}, posthorn.NewTenant{
			Name: DefaultTenant, OwnerEmail: a.Config.AdminEmail, OwnerPassword: a.Config.AdminPassword.Reveal(),
		})
		if posthorn.KindOf(err) == posthorn.Conflict {
			return nil
		}
		if err != nil {
			return fmt.Errorf("create the first owner from POSTHORN_ADMIN_EMAIL: %w", err)
		}
		a.Log.InfoContext(ctx, "first owner created", slog.String("email", a.Config.AdminEmail))
		return nil
	case a.Config.Env == config.Development:
		_, err := a.Bootstrap(ctx, posthorn.NewTenant{Name: DefaultTenant, OwnerEmail: DefaultEmail, OwnerName: defaultOwner})
		if errors.Is(err, ErrSetUpElsewhere) {
			return nil
		}
		return err
	default:
		return nil
	}
}

// ErrSetUpElsewhere reports that there is a tenant whose sign-in is not kept in the data folder.
var ErrSetUpElsewhere = errors.New("there is a tenant already, and its credentials were shown when it was made; use `posthorn user` to add people")

// Bootstrap makes the first tenant with its owner, an API key and its API secret, and returns what a script needs to
// know. An empty password is made up. In development the result is kept in the data folder and a second call returns it
// again; in production a second call is ErrSetUpElsewhere.
func (b *Backend) Bootstrap(ctx context.Context, t posthorn.NewTenant) (posthorn.Bootstrap, error) {
	if kept, err := b.SignIn(ctx); err == nil {
		return kept, nil
	} else if !errors.Is(err, ErrSetUpElsewhere) {
		return posthorn.Bootstrap{}, err
	}
	if t.OwnerPassword == "" {
		t.OwnerPassword = rand.Text()
	}
	t.WithCredentials = true
	made, err := b.Accounts.FirstOwner(ctx, posthorn.CommandLine(), t)
	switch {
	case posthorn.KindOf(err) == posthorn.Conflict:
		return posthorn.Bootstrap{}, ErrSetUpElsewhere
	case err != nil:
		return posthorn.Bootstrap{}, err
	case b.Config.Env != config.Development:
		return made, nil
	}
	return made, b.keepSignIn(made)
}

// SignIn returns the sign-in that is kept in the data folder of a development installation, if it belongs to a tenant of
// this database; ErrSetUpElsewhere when there is none.
func (b *Backend) SignIn(ctx context.Context) (posthorn.Bootstrap, error) {
	var kept posthorn.Bootstrap
	if b.Config.Env != config.Development {
		return kept, ErrSetUpElsewhere
	}
	raw, err := os.ReadFile(b.signInPath())
	if errors.Is(err, fs.ErrNotExist) {
		return kept, ErrSetUpElsewhere
	}
	if err != nil {
		return kept, fmt.Errorf("read the kept sign-in: %w", err)
	}
	if err := json.Unmarshal(raw, &kept); err != nil {
		return kept, fmt.Errorf("read the kept sign-in %s: %w", b.signInPath(), err)
	}
	_, err = b.Accounts.TenantByID(ctx, kept.TenantID)
	if posthorn.KindOf(err) == posthorn.NotFound {
		return posthorn.Bootstrap{}, ErrSetUpElsewhere // of another database
	}
	return kept, err
}

func (b *Backend) signInPath() string { return filepath.Join(b.Config.DataDir, signInFile) }

// keepSignIn writes the file whole or not at all, for its owner alone.
func (b *Backend) keepSignIn(made posthorn.Bootstrap) error {
	raw, err := json.MarshalIndent(made, "", "  ") //nolint:gosec // G117: keeping the password is what the file is for
	if err != nil {
		return fmt.Errorf("keep the sign-in: %w", err)
	}
	// CreateTemp makes the file 0600.
	f, err := os.CreateTemp(b.Config.DataDir, signInFile+".*")
	if err != nil {
		return fmt.Errorf("keep the sign-in: %w", err)
	}
	_, err = f.Write(append(raw, '\n'))
	if err = errors.Join(err, f.Sync(), f.Close()); err == nil {
		err = os.Rename(f.Name(), b.signInPath())
	}
	if err != nil {
		return errors.Join(fmt.Errorf("keep the sign-in: %w", err), os.Remove(f.Name()))
	}
	return nil
}
