package postgres

import (
	"context"

	"github.com/jackc/pgx/v5"

	"posthorn/internal/posthorn"
)

var _ posthorn.FormNotes = (*DeliveryLog)(nil)

// NoteOnce writes an entry of the audit log, unless the form was sent before.
func (s *DeliveryLog) NoteOnce(
	ctx context.Context, entry posthorn.AuditEntry, form *posthorn.IdempotencyKey, made string,
) (first string, err error) {
	err = s.db.inTx(ctx, "note "+string(entry.Action), func(tx pgx.Tx) error {
		var repeated bool
		if first, repeated, err = claimFormKey(ctx, tx, form, made); err != nil || repeated {
			return err
		}
		return writeAudit(ctx, tx, entry)
	})
	return first, err
}
