package main

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"posthorn/internal/rig"
)

// publisher publishes events to a server.
type publisher struct {
	api    *rig.API
	server string
	// padding fills the data up.
	padding string
	// published counts the events that were accepted, and numbers are given out by next.
	published, next atomic.Int64
}

func newPublisher(api *rig.API, server string, size int) *publisher {
	p := &publisher{api: api, server: server}
	if missing := size - len(p.data(1<<20, time.Now())); missing > 0 {
		p.padding = strings.Repeat("x", missing)
	}
	return p
}

// data is that of an event which fits its type.
func (p *publisher) data(number int64, at time.Time) string {
	return fmt.Sprintf(`{%s%d/%d","submissionId":"sub_%d","invitationId":"inv_123456","customerEmail":"customer@example.com",`+
		`"workflowId":"wf_123456","workflowName":"Basic KYC","status":"completed","submittedAt":"2024-01-15T10:30:00Z",`+
		`"responses":{"firstName":"John","lastName":"Doe","note":"%s"}}`, mark, number, at.UnixNano(), number, p.padding)
}

// event is the body that publishes the next event.
func (p *publisher) event() string {
	return `{"event":"submission.completed","data":` + p.data(p.next.Add(1), time.Now()) + `}`
}

// once publishes a number of events with one request.
func (p *publisher) once(ctx context.Context, events int) error {
	body := p.event()
	if events > 1 {
		bodies := []string{body}
		for len(bodies) < events {
			bodies = append(bodies, p.event())
		}
		body = "[" + strings.Join(bodies, ",") + "]"
	}
	_, published, err := p.api.Publish(ctx, p.server, []byte(body))
	p.published.Add(int64(len(published)))
	return err
}

// load publishes until ctx ends: at a rate, or as fast as it is answered while room says that there is room for more.
type load struct {
	p           *publisher
	connections int
	// batch is how many events a request has.
	batch int
	// rate is in events a second, 0 for full speed.
	rate int
	room func() bool
	// arrived tells that there may be room again.
	arrived <-chan struct{}
}

func (l *load) run(ctx context.Context) error {
	tokens := make(chan struct{})
	var work sync.WaitGroup
	errs := make(chan error, l.connections)
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	for range l.connections {
		work.Go(func() {
			for range tokens {
				// What was begun is ended: the phase counts it.
				if err := l.p.once(context.WithoutCancel(ctx), l.batch); err != nil {
					errs <- err
					cancel()
					return
				}
			}
		})
	}
	l.deal(ctx, tokens)
	close(tokens)
	work.Wait()
	close(errs)
	var all []error
	for err := range errs {
		all = append(all, err)
	}
	return errors.Join(all...)
}

// deal gives out a token for each request. At a rate each has its time, and those that are late are made up for.
func (l *load) deal(ctx context.Context, tokens chan<- struct{}) {
	began := time.Now()
	for n := 0; ctx.Err() == nil; n++ {
		if l.rate > 0 {
			if !rig.Pause(ctx, time.Until(began.Add(time.Duration(n)*time.Second/time.Duration(l.rate)))) {
				return
			}
		} else {
			for !l.room() {
				select {
				case <-l.arrived:
				case <-ctx.Done():
					return
				}
			}
		}
		select {
		case tokens <- struct{}{}:
		case <-ctx.Done():
			return
		}
	}
}
