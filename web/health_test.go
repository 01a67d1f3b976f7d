package web

import (
	"context"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"testing"
	"time"
)

// patience is a Readiness that notes for how long it may look.
type patience struct{ limit time.Duration }

func (p *patience) Ready(ctx context.Context) ([]string, error) {
	if end, ok := ctx.Deadline(); ok {
		p.limit = time.Until(end)
	}
	return nil, nil
}

func TestAProbeIsNotKeptWaiting(t *testing.T) {
	t.Parallel()

	p := &patience{limit: -1}
	s := New(Options{Log: slog.New(slog.DiscardHandler), Ready: p})
	resp, err := s.app.Test(httptest.NewRequest(http.MethodGet, "/readyz", http.NoBody))
	if err != nil {
		t.Fatal(err)
	}
	if err := resp.Body.Close(); err != nil {
		t.Error(err)
	}
	if resp.StatusCode != http.StatusOK || p.limit <= 0 || p.limit > readyTimeout {
		t.Errorf("%d, after up to %s", resp.StatusCode, p.limit)
	}
}
