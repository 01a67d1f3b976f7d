package live

import "sync"

// Subscription is one reader's view of its topics. Its methods are safe for
// concurrent use, but notices go to whoever takes them first, so one goroutine
// should read:
//
//	for {
//		select {
//		case <-sub.Wake():
//			for _, n := range sub.Take() {
//				…
//			}
//		case <-sub.Done():
//			return sub.Err()
//		}
//	}
type Subscription[T any] struct {
	hub *Hub[T]
	// slots does not change after Subscribe.
	slots []*slot[T]
	wake  chan struct{}
	done  chan struct{}

	mu  sync.Mutex // guards what is pending in the slots, and err
	err error
}

// Wake returns a channel that receives once when notices are pending, however many
// there are, and not again before they were taken. It is never closed.
func (s *Subscription[T]) Wake() <-chan struct{} { return s.wake }

// Done returns a channel that is closed when the subscription is over.
func (s *Subscription[T]) Done() <-chan struct{} { return s.done }

// Err returns nil while the subscription lasts, and then [ErrHubClosed] or
// [ErrUnsubscribed].
func (s *Subscription[T]) Err() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.err
}

// Take returns the pending notices, at most one per topic and in the order in which
// the topics were subscribed, and none when nothing happened. What was pending when
// the subscription ended can still be taken.
func (s *Subscription[T]) Take() []Notice[T] {
	s.mu.Lock()
	defer s.mu.Unlock()
	// The wake-up belongs to what is taken here; left behind it would wake for nothing.
	select {
	case <-s.wake:
	default:
	}
	var taken []Notice[T]
	for _, slot := range s.slots {
		if slot.count == 0 && !slot.hinted {
			continue
		}
		taken = append(taken, Notice[T]{Topic: slot.topic, Msg: slot.msg, Count: slot.count, Hinted: slot.hinted})
		var zero T
		slot.msg, slot.count, slot.hinted = zero, 0, false
	}
	return taken
}

// Close ends the subscription with [ErrUnsubscribed]. Closing what is over already
// does nothing.
func (s *Subscription[T]) Close() {
	s.hub.remove(s)
	s.end(ErrUnsubscribed)
}

func (s *Subscription[T]) end(reason error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.err != nil {
		return
	}
	s.err = reason
	close(s.done)
}

func (s *Subscription[T]) hint() {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, slot := range s.slots {
		slot.hinted = true
	}
	if len(s.slots) > 0 {
		s.signal()
	}
}

// signal wakes the reader unless a wake-up waits for it already. The caller holds mu.
func (s *Subscription[T]) signal() {
	select {
	case s.wake <- struct{}{}:
	default:
	}
}

func (s *Subscription[T]) has(topic string) bool {
	for _, slot := range s.slots {
		if slot.topic == topic {
			return true
		}
	}
	return false
}
