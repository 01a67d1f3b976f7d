package postgres

import (
	"context"
	"log/slog"
	"sync"
	"time"

	"posthorn/internal/posthorn"
)

const (
	// apiKeyUseDelay is how long the notes of uses are gathered before they are written together.
	apiKeyUseDelay = time.Second
	// apiKeyUseTimeout bounds one write.
	apiKeyUseTimeout = 5 * time.Second
)

// apiKeyUses holds which keys were used, until that is written. It is as long as the list of keys at most.
type apiKeyUses struct {
	mu      sync.Mutex
	pending map[posthorn.APIKeyID]time.Time
	// wake holds one token while there is something to write.
	wake chan struct{}
}

func newAPIKeyUses() *apiKeyUses {
	return &apiKeyUses{pending: map[posthorn.APIKeyID]time.Time{}, wake: make(chan struct{}, 1)}
}

// NoteAPIKeyUse has the time of a use written by RunAPIKeyUses. A key that waits to be written is not noted again.
func (a *Accounts) NoteAPIKeyUse(id posthorn.APIKeyID, at time.Time) {
	u := a.uses
	u.mu.Lock()
	defer u.mu.Unlock()
	if _, noted := u.pending[id]; noted {
		return
	}
	u.pending[id] = at
	select {
	case u.wake <- struct{}{}:
	default:
	}
}

func (u *apiKeyUses) take() map[posthorn.APIKeyID]time.Time {
	u.mu.Lock()
	defer u.mu.Unlock()
	taken := u.pending
	u.pending = map[posthorn.APIKeyID]time.Time{}
	return taken
}

// RunAPIKeyUses writes when keys were used, until ctx ends, and then what is left. A write that fails is logged and given up:
// the next use is noted again.
func (a *Accounts) RunAPIKeyUses(ctx context.Context) {
	for ctx.Err() == nil {
		select {
		case <-a.uses.wake:
			_ = pause(ctx, apiKeyUseDelay) // the end of ctx ends the wait, and what is pending is written all the same
			a.writeAPIKeyUses(ctx)
		case <-ctx.Done():
		}
	}
	a.writeAPIKeyUses(ctx)
}

func (a *Accounts) writeAPIKeyUses(ctx context.Context) {
	var c columns
	for id, at := range a.uses.take() {
		c.add(id.UUID(), at)
	}
	if c.values == nil {
		return
	}
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), apiKeyUseTimeout)
	defer cancel()
	// Rows are locked in order, because another process may write the same keys.
	_, err := a.db.pool.Exec(ctx, `WITH used AS (
  SELECT k.id, u.at FROM api_keys k JOIN unnest($1::uuid[], $2::timestamptz[]) AS u (id, at) ON u.id = k.id
   ORDER BY k.id FOR NO KEY UPDATE OF k)
UPDATE api_keys k SET last_used_at = used.at FROM used
 WHERE k.id = used.id AND (k.last_used_at IS NULL OR k.last_used_at < used.at)`, c.args()...)
	if err != nil {
		a.db.log.WarnContext(ctx, "use of api keys not noted", slog.Int("keys", len(c.values[0])),
			slog.Any("error", translate(err, "note the use of api keys")))
	}
}
