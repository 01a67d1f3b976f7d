package app

import (
	"context"
	"log/slog"

	"posthorn/internal/postgres"
	"posthorn/internal/posthorn"
)

// limiter is the rate limiter of a server, which hears what others on the same database ask of it.
type limiter struct {
	*posthorn.RateLimiter
	log *slog.Logger
	// changed holds one token while settings are to be read again.
	changed chan struct{}
}

// openLimiter makes the limiter, with the settings as they are.
func (a *App) openLimiter(ctx context.Context) (*limiter, error) {
	l := &limiter{
		RateLimiter: posthorn.NewRateLimiter(postgres.NewRateLimits(a.DB), a.apiLimit()),
		log:         a.Log, changed: make(chan struct{}, 1),
	}
	if err := l.Reread(ctx); err != nil {
		return nil, err
	}
	a.hints.On(postgres.RateLimitsChannel, postgres.HeardRateLimits(l.RateLimiter, func() { //nolint:contextcheck // it hears for as long as the process lives
		select {
		case l.changed <- struct{}{}:
		default: // they will be
		}
	}))
	return l, nil
}

// run keeps the settings of the limiter as they are in the database, until ctx ends.
func (l *limiter) run(ctx context.Context) {
	l.Run(ctx, l.changed, func(err error) {
		l.log.WarnContext(ctx, "limits not read, the last ones hold", slog.Any("error", err))
	})
}
