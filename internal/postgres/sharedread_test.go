package postgres

import (
	"context"
	"errors"
	"sync"
	"testing"
	"testing/synctest"
	"time"
)

func TestThoseWhoAskAtTheSameTimeShareAQueryThatBeginsAfterThem(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		committed, queries := 0, 0
		s := newSharedRead(time.Minute, func(ctx context.Context, _ string) (int, error) {
			queries++
			seen := committed // as a snapshot is taken at the beginning
			return seen, pause(ctx, time.Second)
		})
		var work sync.WaitGroup
		ask := func(want int) {
			work.Go(func() {
				if got, err := s.get(t.Context(), "key"); got != want || err != nil {
					t.Errorf("got %d, %v, want %d", got, err, want)
				}
			})
		}
		ask(0)
		synctest.Wait()
		committed = 1 // while the first query runs
		for range 10 {
			ask(1)
		}
		work.Wait()
		synctest.Wait()
		if queries != 2 {
			t.Errorf("%d queries for 11 calls, want 2", queries)
		}
		if len(s.next)+len(s.running) != 0 {
			t.Errorf("%d and %d keys are kept", len(s.next), len(s.running))
		}
	})
}

func TestASharedQueryIsNobodysOwn(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		broken := errors.New("broken")
		s := newSharedRead(time.Minute, func(ctx context.Context, key string) (int, error) {
			if err := pause(ctx, time.Second); err != nil {
				return 0, err
			}
			if key == "broken" {
				return 0, broken
			}
			return len(key), nil
		})
		leaving, leave := context.WithCancel(t.Context())
		var work sync.WaitGroup
		work.Go(func() {
			if _, err := s.get(leaving, "key"); !errors.Is(err, context.Canceled) {
				t.Errorf("who leaves gets %v", err)
			}
		})
		synctest.Wait()
		work.Go(func() {
			if got, err := s.get(t.Context(), "key"); got != 3 || err != nil {
				t.Errorf("who stays gets %d, %v", got, err)
			}
		})
		work.Go(func() {
			if _, err := s.get(t.Context(), "broken"); !errors.Is(err, broken) {
				t.Errorf("the error is %v", err)
			}
		})
		leave()
		work.Wait()
	})
}
