package postgres

import (
	"context"
	"encoding/json"
	"fmt"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"posthorn/internal/posthorn"
)

const screeningColumns = `id, submission_id, status, coalesce(risk_level, ''), matches::text, screened_at`

func scanScreening(row pgx.CollectableRow) (s posthorn.Screening, err error) {
	var matches string
	err = row.Scan((*uuid.UUID)(&s.ID), (*uuid.UUID)(&s.SubmissionID), &s.Status, &s.RiskLevel, &matches, &s.ScreenedAt)
	if err != nil {
		return s, err
	}
	s.ScreenedAt = s.ScreenedAt.UTC()
	if err := json.Unmarshal([]byte(matches), &s.Matches); err != nil {
		return s, fmt.Errorf("read the matches of %s: %w", s.ID, err)
	}
	return s, nil
}

// screeningsOf are the newest screenings of a submission, newest first; not nil.
func screeningsOf(ctx context.Context, in runner, submission uuid.UUID) ([]posthorn.Screening, error) {
	rows, err := in.Query(ctx, `SELECT `+screeningColumns+` FROM aml_screenings WHERE submission_id = $1 ORDER BY id DESC LIMIT $2`,
		submission, posthorn.MaxScreenings)
	if err != nil {
		return nil, err
	}
	return pgx.CollectRows(rows, scanScreening)
}

// InsertScreening stores a screening of a submission that it has locked, once for each key.
func (s *Resources) InsertScreening(
	ctx context.Context, tenant posthorn.TenantID, id posthorn.SubmissionID, key *posthorn.IdempotencyKey,
	screen func(s *posthorn.Submission, known []posthorn.Screening) (posthorn.Screening, []posthorn.ResourceChange, error),
) (made posthorn.Screening, err error) {
	var out emitted
	err = s.db.inTx(ctx, "screen "+id.String(), func(tx pgx.Tx) error {
		r, err := findResource(ctx, tx, tenant, posthorn.KindSubmission, id.UUID(), "FOR UPDATE")
		if err != nil {
			return err
		}
		known, err := screeningsOf(ctx, tx, id.UUID())
		if err != nil {
			return err
		}
		submission, _ := r.(*posthorn.Submission)
		var changes []posthorn.ResourceChange
		if made, changes, err = screen(submission, known); err != nil {
			return err
		}
		first, repeated, err := claimFormKey(ctx, tx, key, made.ID.UUID().String())
		if err != nil {
			return err
		}
		if repeated {
			made, err = findScreening(ctx, tx, first)
			return err
		}
		if err := insertScreening(ctx, tx, tenant, &made); err != nil {
			return err
		}
		out, err = s.note(ctx, tx, changes...)
		return err
	})
	if err == nil {
		s.outbox.committed(out)
	}
	return made, err
}

func insertScreening(ctx context.Context, tx pgx.Tx, tenant posthorn.TenantID, s *posthorn.Screening) error {
	matches, err := json.Marshal(append([]posthorn.AMLMatch{}, s.Matches...))
	if err != nil {
		return fmt.Errorf("write the matches of %s: %w", s.ID, err)
	}
	_, err = tx.Exec(ctx, `INSERT INTO aml_screenings (id, tenant_id, submission_id, status, risk_level, matches, screened_at)
VALUES ($1, $2, $3, $4, $5, $6::text::json, $7)`,
		s.ID.UUID(), tenant.UUID(), s.SubmissionID.UUID(), s.Status, textOrNull(s.RiskLevel), string(matches), s.ScreenedAt)
	return err
}

func findScreening(ctx context.Context, in runner, id string) (posthorn.Screening, error) {
	rows, err := in.Query(ctx, `SELECT `+screeningColumns+` FROM aml_screenings WHERE id = $1`, id)
	if err != nil {
		return posthorn.Screening{}, err
	}
	return pgx.CollectExactlyOneRow(rows, scanScreening)
}
