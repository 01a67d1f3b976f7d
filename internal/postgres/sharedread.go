package postgres

import (
	"context"
	"sync"
	"time"

	"posthorn/internal/posthorn"
)

// sharedRead lets callers that ask for the same at the same time share a query. It caches nothing: the query that answers a
// call begins after the call, so what was committed before is seen. While one runs, those who come wait for the next.
type sharedRead[K comparable, V any] struct {
	load func(ctx context.Context, key K) (V, error)
	// limit bounds one query.
	limit time.Duration

	mu sync.Mutex
	// next are the queries that have not begun; running are the keys for which one has.
	next    map[K]*sharedCall[V]
	running map[K]bool
}

type sharedCall[V any] struct {
	done  chan struct{}
	value V
	err   error
}

func newSharedRead[K comparable, V any](limit time.Duration, load func(context.Context, K) (V, error)) *sharedRead[K, V] {
	return &sharedRead[K, V]{load: load, limit: limit, next: map[K]*sharedCall[V]{}, running: map[K]bool{}}
}

// get returns what a query says that begins from now on.
func (s *sharedRead[K, V]) get(ctx context.Context, key K) (V, error) {
	s.mu.Lock()
	c := s.next[key]
	if c == nil {
		c = &sharedCall[V]{done: make(chan struct{})}
		s.next[key] = c
	}
	if !s.running[key] {
		s.running[key] = true
		go s.run(context.WithoutCancel(ctx), key)
	}
	s.mu.Unlock()
	select {
	case <-c.done:
		return c.value, c.err
	case <-ctx.Done():
		var none V
		return none, posthorn.Because(posthorn.Unavailable, "The database is too busy", ctx.Err())
	}
}

// run makes the queries for a key, one after the other, until nobody waits for one.
func (s *sharedRead[K, V]) run(ctx context.Context, key K) {
	for c := s.begin(key); c != nil; c = s.begin(key) {
		s.query(ctx, key, c)
	}
}

// begin takes the next query for a key, nil when there is none.
func (s *sharedRead[K, V]) begin(key K) *sharedCall[V] {
	s.mu.Lock()
	defer s.mu.Unlock()
	c := s.next[key]
	delete(s.next, key)
	if c == nil {
		delete(s.running, key)
	}
	return c
}

func (s *sharedRead[K, V]) query(ctx context.Context, key K, c *sharedCall[V]) {
	ctx, cancel := context.WithTimeout(ctx, s.limit)
	defer cancel()
	defer close(c.done)
	c.value, c.err = s.load(ctx, key)
}
