package posthorn_test

import (
	"context"
	"slices"
	"time"

	"posthorn/internal/posthorn"
)

// claim notes what came of a form, or returns what came of it before.
func claim[T any](s *fakeAccounts, form *posthorn.IdempotencyKey, made T) (first T, repeated bool) {
	if form == nil {
		return made, false
	}
	if before, ok := s.forms[*form]; ok {
		first, _ = before.(T)
		return first, true
	}
	if s.forms == nil {
		s.forms = map[posthorn.IdempotencyKey]any{}
	}
	s.forms[*form] = made
	return made, false
}

func (s *fakeAccounts) InsertAPIKey(
	_ context.Context, k posthorn.APIKey, form *posthorn.IdempotencyKey, e posthorn.AuditEntry,
) (posthorn.APIKeyID, error) {
	made, repeated := claim(s, form, k.ID)
	if !repeated {
		s.keys, s.audit = append(s.keys, k), append(s.audit, e)
	}
	return made, nil
}

func (s *fakeAccounts) ListAPIKeys(context.Context, posthorn.TenantID) ([]posthorn.APIKey, error) {
	return s.keys, nil
}

func (s *fakeAccounts) APIKey(_ context.Context, tenant posthorn.TenantID, id posthorn.APIKeyID) (posthorn.APIKey, error) {
	return s.key(func(k posthorn.APIKey) bool { return k.TenantID == tenant && k.ID == id })
}

func (s *fakeAccounts) APIKeyByHash(_ context.Context, hash [32]byte) (posthorn.APIKey, error) {
	return s.key(func(k posthorn.APIKey) bool { return k.Hash == hash })
}

func (s *fakeAccounts) key(is func(posthorn.APIKey) bool) (posthorn.APIKey, error) {
	if i := slices.IndexFunc(s.keys, is); i >= 0 {
		return s.keys[i], nil
	}
	return posthorn.APIKey{}, errNone
}

func (s *fakeAccounts) RevokeAPIKey(_ context.Context, k posthorn.APIKey, e posthorn.AuditEntry) error {
	for i := range s.keys {
		if s.keys[i].ID == k.ID {
			s.keys[i].RevokedAt = k.RevokedAt
		}
	}
	s.audit = append(s.audit, e)
	return nil
}

func (s *fakeAccounts) NoteAPIKeyUse(id posthorn.APIKeyID, _ time.Time) { s.used = append(s.used, id) }

func (s *fakeAccounts) APISecrets(_ context.Context, tenant posthorn.TenantID) ([]posthorn.SealedSecret, error) {
	var own []posthorn.SealedSecret
	for _, secret := range slices.Backward(s.secrets) {
		if secret.TenantID == tenant {
			own = append(own, secret)
		}
	}
	return own, nil
}

func (s *fakeAccounts) MarkAPISecretRevealed(
	_ context.Context, id posthorn.SigningSecretID, at time.Time, e posthorn.AuditEntry,
) error {
	for i := range s.secrets {
		if s.secrets[i].ID == id && s.secrets[i].RevealedAt.IsZero() {
			s.secrets[i].RevealedAt = at
			s.audit = append(s.audit, e)
			return nil
		}
	}
	return posthorn.ErrSecretShown
}

func (s *fakeAccounts) ReplaceAPISecret(
	_ context.Context, c posthorn.SecretChange, form *posthorn.IdempotencyKey, e posthorn.AuditEntry,
) (bool, error) {
	if _, repeated := claim(s, form, c.Secret.ID); repeated {
		return true, nil
	}
	if c.OldExpires.IsZero() {
		s.secrets = nil
	}
	for i := range s.secrets {
		if s.secrets[i].Current() {
			s.secrets[i].ExpiresAt = c.OldExpires
		}
	}
	s.secrets, s.audit = append(s.secrets, c.Secret), append(s.audit, e)
	return false, nil
}

func (s *fakeAccounts) RetireAPISecrets(_ context.Context, _ posthorn.TenantID, e posthorn.AuditEntry) (int, error) {
	before := len(s.secrets)
	s.secrets = slices.DeleteFunc(s.secrets, func(secret posthorn.SealedSecret) bool { return !secret.Current() })
	ended := before - len(s.secrets)
	e.SecretsEnded(ended)
	s.audit = append(s.audit, e)
	return ended, nil
}
