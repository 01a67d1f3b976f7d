package postgres

import (
	"context"
	"log/slog"
	"time"

	"gorm.io/gorm"
	"gorm.io/gorm/logger"
)

// slowStatement is from when on a statement of gorm is worth a warning.
const slowStatement = 500 * time.Millisecond

// gormLog makes gorm speak through slog, and rarely: slow statements are warnings, failed ones debug lines, because
// whoever asked gets the error and logs what matters. Parameters are never logged; they hold hashes and addresses.
type gormLog struct{ log *slog.Logger }

var (
	_ logger.Interface  = gormLog{}
	_ gorm.ParamsFilter = gormLog{}
)

// LogMode returns the logger unchanged: the level is slog's business.
func (l gormLog) LogMode(logger.LogLevel) logger.Interface { return l }

// Info drops gorm's chatter.
func (gormLog) Info(context.Context, string, ...any) {}

// Warn passes a warning of gorm on.
func (l gormLog) Warn(ctx context.Context, message string, _ ...any) {
	l.log.WarnContext(ctx, "gorm warns", slog.String("message", message))
}

// Error passes a complaint of gorm on.
func (l gormLog) Error(ctx context.Context, message string, _ ...any) {
	l.log.ErrorContext(ctx, "gorm complains", slog.String("message", message))
}

// Trace is called after every statement.
func (l gormLog) Trace(ctx context.Context, begin time.Time, statement func() (sql string, rows int64), err error) {
	took := time.Since(begin)
	level, message := slog.LevelDebug, "database statement failed"
	switch {
	case took >= slowStatement:
		level, message = slog.LevelWarn, "slow database statement"
	case err == nil:
		return
	}
	if !l.log.Enabled(ctx, level) {
		return
	}
	text, rows := statement()
	attrs := []slog.Attr{slog.String("sql", text), slog.Int64("rows", rows), slog.Duration("took", took)}
	if err != nil {
		attrs = append(attrs, slog.Any("error", err))
	}
	l.log.LogAttrs(ctx, level, message, attrs...) //nolint:sloglint // one of the two static messages above
}

// ParamsFilter takes the parameters out of what is logged.
func (gormLog) ParamsFilter(_ context.Context, sql string, _ ...any) (string, []any) { return sql, nil }
