// Package live tells open pages that something changed, within one process.
//
// A [Hub] has topics, such as one per tenant. Whoever commits a change publishes a
// short notice of it; whoever shows a page subscribes. Publishing never blocks and
// never grows: each subscription holds at most one pending notice per topic, and
// what is published before the reader comes is merged into it. Five thousand
// records in a second are one wake-up with a count of five thousand, and how often
// it looks is the reader's own business. So a slow reader costs nothing and need
// not be cut; it is told less often, and never less.
//
// Notices are hints to read the database again, not the data. What was published
// before a subscription existed is not seen by it: subscribe first, then read.
package live

import (
	"errors"
	"slices"
	"sync"
)

// Why a subscription ended, as [Subscription.Err] tells.
var (
	// ErrHubClosed means the hub was closed: the server is stopping, and the
	// reader may come back to its successor.
	ErrHubClosed = errors.New("live: hub closed")
	// ErrUnsubscribed means the reader itself called [Subscription.Close].
	ErrUnsubscribed = errors.New("live: subscription closed")
)

// Notice is what happened to one topic since the reader last took its notices.
type Notice[T any] struct {
	Topic string
	// Msg is everything published, merged. It is the zero value when Count is 0.
	Msg T
	// Count is how many messages were published.
	Count int
	// Hinted tells that there was a [Hub.Hint] too: somebody else may have changed
	// something of which Msg and Count know nothing.
	Hinted bool
}

// Hub passes messages of type T from publishers to subscriptions. It starts no
// goroutines and is safe for concurrent use.
type Hub[T any] struct {
	merge func(pending, next T) T

	mu     sync.RWMutex // taken before a subscription's
	subs   map[*Subscription[T]]struct{}
	topics map[string][]*slot[T]
	closed bool
}

// slot is one topic of one subscription.
type slot[T any] struct {
	sub   *Subscription[T]
	topic string

	// What is pending, guarded by sub.mu.
	msg    T
	count  int
	hinted bool
}

// NewHub returns a hub that merges a message into one that waits already by calling
// merge, in the order of publishing. It is called under a lock: it must be quick,
// must not call the hub, and must not modify its arguments in place, for other
// subscriptions hold them too.
func NewHub[T any](merge func(pending, next T) T) *Hub[T] {
	return &Hub[T]{
		merge:  merge,
		subs:   map[*Subscription[T]]struct{}{},
		topics: map[string][]*slot[T]{},
	}
}

// Publish adds msg to the pending notice of every subscription to topic, and wakes
// those that had none. It never waits for a reader. On a closed hub it does nothing.
func (h *Hub[T]) Publish(topic string, msg T) {
	h.mu.RLock()
	defer h.mu.RUnlock()
	for _, s := range h.topics[topic] {
		s.publish(msg, h.merge)
	}
}

// Hint wakes every subscription on all of its topics without a message. It stands
// for the news of another process, of which is known only that there is some.
func (h *Hub[T]) Hint() {
	h.mu.RLock()
	defer h.mu.RUnlock()
	for sub := range h.subs {
		sub.hint()
	}
}

// Subscribe returns a subscription to the topics, which its reader has to close. On
// a closed hub it is over from the start, with [ErrHubClosed].
func (h *Hub[T]) Subscribe(topics ...string) *Subscription[T] {
	sub := &Subscription[T]{
		hub:  h,
		wake: make(chan struct{}, 1),
		done: make(chan struct{}),
	}
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.closed {
		sub.end(ErrHubClosed)
		return sub
	}
	h.subs[sub] = struct{}{}
	for _, topic := range topics {
		if sub.has(topic) {
			continue
		}
		s := &slot[T]{sub: sub, topic: topic}
		sub.slots = append(sub.slots, s)
		h.topics[topic] = append(h.topics[topic], s)
	}
	return sub
}

// Close ends all subscriptions with [ErrHubClosed], and those to come. At shutdown
// it goes first, or open streams would keep the server from stopping. Closing again
// does nothing.
func (h *Hub[T]) Close() {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.closed = true
	for sub := range h.subs {
		sub.end(ErrHubClosed)
	}
	clear(h.subs)
	clear(h.topics)
}

// remove forgets the subscription's slots.
func (h *Hub[T]) remove(sub *Subscription[T]) {
	h.mu.Lock()
	defer h.mu.Unlock()
	delete(h.subs, sub)
	for _, s := range sub.slots {
		rest := slices.DeleteFunc(h.topics[s.topic], func(other *slot[T]) bool { return other == s })
		if len(rest) == 0 {
			delete(h.topics, s.topic)
			continue
		}
		h.topics[s.topic] = rest
	}
}

func (s *slot[T]) publish(msg T, merge func(pending, next T) T) {
	s.sub.mu.Lock()
	defer s.sub.mu.Unlock()
	if s.count == 0 {
		s.msg = msg
	} else {
		s.msg = merge(s.msg, msg)
	}
	s.count++
	s.sub.signal()
}
