package posthorn

import (
	"context"
	"fmt"
)

// FormNotes writes audit entries about what changes nothing that is stored by itself. Implemented by package postgres.
type FormNotes interface {
	// NoteOnce writes an entry, and that a form made something, unless the form was sent before: then it writes nothing and
	// returns what the form made the first time. Without a form every time is the first.
	NoteOnce(ctx context.Context, entry AuditEntry, form *IdempotencyKey, made string) (first string, err error)
}

// noteOnce notes an event before it is published, and returns the one that the form made the first time, which is it as a
// rule.
func noteOnce(ctx context.Context, notes FormNotes, entry AuditEntry, form *IdempotencyKey, made EventID) (EventID, error) {
	text, err := notes.NoteOnce(ctx, entry, form, made.String())
	if err != nil {
		return EventID{}, err
	}
	first, err := ParseEventID(text)
	if err != nil {
		return EventID{}, fmt.Errorf("read what a form made: %w", err)
	}
	return first, nil
}
