package postgres

import (
	"context"
	"log/slog"
	"math/rand/v2"
	"time"

	"github.com/jackc/pgx/v5"

	"posthorn/internal/posthorn"
)

const (
	// expiryLook is the mean pause between two looks for invitations that have run out.
	expiryLook = 2 * time.Second
	// expiryBatch is how many of them are noted in one transaction.
	expiryBatch = 200
)

// RunExpiry notes invitations that have run out until ctx ends, within seconds of their end. Any number of processes may do so
// on one database: each invitation expires once.
func (s *Resources) RunExpiry(ctx context.Context) {
	for {
		n, err := s.ExpireInvitations(ctx)
		if err != nil && ctx.Err() == nil {
			s.db.log.ErrorContext(ctx, "invitations that have run out are not noted", slog.Any("error", err))
		}
		wait := expiryLook*9/10 + rand.N(expiryLook/5)
		if n == expiryBatch {
			wait = 0 // there may be more
		}
		if pause(ctx, wait) != nil {
			return
		}
	}
}

// ExpireInvitations notes up to expiryBatch invitations that have run out and emits their events, in one transaction. It returns
// how many. Those that somebody else has in hand are left out.
func (s *Resources) ExpireInvitations(ctx context.Context) (n int, err error) {
	var out emitted
	err = s.db.inTx(ctx, "expire invitations", func(tx pgx.Tx) error {
		rows, err := tx.Query(ctx, `SELECT `+invitationTable.columns()+` FROM invitations
 WHERE status = 'sent' AND expires_at IS NOT NULL AND expires_at <= now() ORDER BY expires_at LIMIT $1 FOR UPDATE SKIP LOCKED`, expiryBatch)
		if err != nil {
			return err
		}
		overdue, err := pgx.CollectRows(rows, invitationTable.scan)
		if err != nil {
			return err
		}
		now := time.Now().UTC()
		changes := make([]posthorn.ResourceChange, 0, len(overdue))
		for _, r := range overdue {
			invitation, _ := r.(*posthorn.Invitation)
			c, err := invitation.Expire(now)
			if err != nil {
				return err
			}
			if err := invitationTable.update(ctx, tx, invitation); err != nil {
				return err
			}
			changes = append(changes, c)
		}
		n = len(changes)
		if n > 0 {
			out, err = s.note(ctx, tx, changes...)
		}
		return err
	})
	if err != nil {
		return 0, err
	}
	s.outbox.committed(out)
	if n > 0 {
		s.db.log.InfoContext(ctx, "invitations expired", slog.Int("invitations", n))
	}
	return n, nil
}
