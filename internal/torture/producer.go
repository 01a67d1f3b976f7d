package main

import (
	"context"
	"fmt"
	"strconv"
	"sync"
	"time"

	"posthorn/internal/posthorn"
	"posthorn/internal/rig"
)

// publishers is how many requests publish at once.
const publishers = 16

// producer publishes numbered events under ids of their own, and each again until it is accepted, as a producer should.
type producer struct {
	victim *victim
	rate   int

	mu sync.Mutex
	// accepted are the events by their numbers.
	accepted map[int]posthorn.EventID
	// refused counts the answers that were none or another than 202.
	refused int
}

// run publishes until the time of torment is over, and then until the last event is accepted or ctx ends.
func (p *producer) run(tormented, ctx context.Context) error {
	p.accepted = map[int]posthorn.EventID{}
	numbers := make(chan int)
	errs := make(chan error, publishers)
	var work sync.WaitGroup
	for range publishers {
		work.Go(func() {
			for n := range numbers {
				if err := p.publish(ctx, n); err != nil {
					select {
					case errs <- err:
					default:
					}
				}
			}
		})
	}
	tick := time.NewTicker(time.Second / time.Duration(p.rate))
	defer tick.Stop()
	for n := 1; tormented.Err() == nil; n++ {
		select {
		case numbers <- n:
		case <-tormented.Done():
		}
		select {
		case <-tick.C:
		case <-tormented.Done():
		}
	}
	close(numbers)
	work.Wait()
	select {
	case err := <-errs:
		return err
	default:
		return nil
	}
}

const (
	// giveUp is how long one event is tried to be published.
	giveUp = 90 * time.Second
	// answerTime is how long an answer is waited for: then the event is published again, as after any other failure.
	answerTime = 10 * time.Second
)

// publish publishes an event at one server and then the other, until it is accepted.
func (p *producer) publish(ctx context.Context, n int) error {
	ctx, cancel := context.WithTimeout(ctx, giveUp)
	defer cancel()
	body := fmt.Sprintf(`{"id":"torture-%d","event":"submission.completed","data":{"submissionId":"%d","customerEmail":"customer@example.com",`+
		`"workflowId":"wf_1","status":"completed"}}`, n, n)
	for try := 0; ; try++ {
		status, published, err := p.once(ctx, p.victim.server(n+try).URL, body)
		if err == nil {
			p.accept(n, published[0].ID)
			return nil
		}
		if status >= 400 && status < 500 {
			return fmt.Errorf("event %d: %w", n, err)
		}
		p.mu.Lock()
		p.refused++
		p.mu.Unlock()
		if !rig.Pause(ctx, 100*time.Millisecond) {
			return fmt.Errorf("event %d is not accepted: %w", n, err)
		}
	}
}

func (p *producer) once(ctx context.Context, server, body string) (status int, published []posthorn.Published, err error) {
	ctx, cancel := context.WithTimeout(ctx, answerTime)
	defer cancel()
	return p.victim.api.Publish(ctx, server, []byte(body))
}

func (p *producer) accept(n int, id posthorn.EventID) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.accepted[n] = id
}

// numberOf reads the number of an event from its data.
func numberOf(submission string) int {
	n, err := strconv.Atoi(submission)
	if err != nil {
		return 0
	}
	return n
}
