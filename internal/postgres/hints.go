package postgres

import (
	"context"
	"fmt"
	"log/slog"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
)

// hintChannel is the channel of LISTEN and NOTIFY.
const hintChannel = "posthorn_activity"

// How hints travel.
const (
	// hintPause is the least time between two hints: a notification takes a lock that every commit with one waits for.
	hintPause = 200 * time.Millisecond
	// hintRetry is how long to wait before listening again after the connection broke.
	hintRetry = 2 * time.Second
	// hintTimeout bounds sending one.
	hintTimeout = 5 * time.Second
)

// Hints tells the other processes on the same database that activity was recorded, or deliveries made or finished. A hint says nothing more, and one
// that is lost costs time only: what is true is in the tables.
type Hints struct {
	db     *DB
	log    *slog.Logger
	heard  func()
	sender string
	wanted chan struct{}
	// others are told what comes on channels of their own.
	others map[string]func(payload string)
}

// NewHints makes hints; heard is called for each one that another process sent.
func NewHints(db *DB, log *slog.Logger, heard func()) *Hints {
	return &Hints{db: db, log: log, heard: heard, sender: uuid.NewString(), wanted: make(chan struct{}, 1)}
}

// On has heard called with what is sent on another channel, also by this process, and with nothing whenever something may have been
// missed. It is called before RunListener.
func (h *Hints) On(channel string, heard func(payload string)) {
	if h.others == nil {
		h.others = map[string]func(string){}
	}
	h.others[channel] = heard
}

// Send asks for a hint to be sent soon. It never waits.
func (h *Hints) Send() {
	select {
	case h.wanted <- struct{}{}:
	default: // one is on its way already
	}
}

// RunSender sends what was asked for, until ctx ends.
func (h *Hints) RunSender(ctx context.Context) {
	pause := time.NewTicker(hintPause)
	defer pause.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-h.wanted:
		}
		if err := h.send(ctx); err != nil && ctx.Err() == nil {
			h.log.WarnContext(ctx, "hint not sent", slog.Any("error", err))
		}
		select {
		case <-ctx.Done():
			return
		case <-pause.C:
		}
	}
}

func (h *Hints) send(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, hintTimeout)
	defer cancel()
	_, err := h.db.pool.Exec(ctx, `SELECT pg_notify($1, $2)`, hintChannel, h.sender)
	return err
}

// RunListener hears the hints of other processes, until ctx ends. When its connection breaks it comes back.
func (h *Hints) RunListener(ctx context.Context) {
	for ctx.Err() == nil {
		err := h.listen(ctx)
		if ctx.Err() != nil {
			return
		}
		h.log.WarnContext(ctx, "not listening for hints", slog.Any("error", err))
		wait := time.NewTimer(hintRetry)
		select {
		case <-ctx.Done():
		case <-wait.C:
		}
		wait.Stop()
	}
}

// listen holds one connection of its own, outside the pool, so that a pool of any size can be listened beside.
func (h *Hints) listen(ctx context.Context) error {
	conn, err := pgx.ConnectConfig(ctx, h.db.pool.Config().ConnConfig)
	if err != nil {
		return fmt.Errorf("connect to listen: %w", err)
	}
	defer func() {
		closing, cancel := context.WithTimeout(context.WithoutCancel(ctx), time.Second)
		defer cancel()
		_ = conn.Close(closing) // it is going anyway
	}()
	if _, err := conn.Exec(ctx, "LISTEN "+hintChannel); err != nil {
		return fmt.Errorf("listen: %w", err)
	}
	for channel := range h.others {
		if _, err := conn.Exec(ctx, "LISTEN "+pgx.Identifier{channel}.Sanitize()); err != nil {
			return fmt.Errorf("listen on %s: %w", channel, err)
		}
	}
	h.heard() // what was sent while nobody listened
	for _, heard := range h.others {
		heard("")
	}
	for {
		n, err := conn.WaitForNotification(ctx)
		if err != nil {
			return fmt.Errorf("wait for a hint: %w", err)
		}
		if heard, ok := h.others[n.Channel]; ok {
			heard(n.Payload)
		} else if n.Payload != h.sender {
			h.heard()
		}
	}
}
