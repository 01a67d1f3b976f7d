package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"slices"
	"strconv"
	"sync"
	"time"
)

// receiver takes deliveries and notes how long each was on its way: the data of an event says when it was published.
type receiver struct {
	url    string
	server *http.Server

	mu sync.Mutex
	// seen are the numbers of the events that arrived, and repeated how many did so more than once.
	seen     map[int64]bool
	repeated int
	latency  []time.Duration
	// counting is off during the warm-up. arrived has a place for one notice.
	counting bool
	arrived  chan struct{}
}

func newReceiver(ctx context.Context) (*receiver, error) {
	ln, err := (&net.ListenConfig{}).Listen(ctx, "tcp", "127.0.0.1:0")
	if err != nil {
		return nil, fmt.Errorf("listen: %w", err)
	}
	r := &receiver{url: "http://" + ln.Addr().String() + "/hook", seen: map[int64]bool{}, arrived: make(chan struct{}, 1)}
	r.server = &http.Server{Handler: r, ReadHeaderTimeout: time.Minute}
	go func() { _ = r.server.Serve(ln) }() // it ends by close
	return r, nil
}

func (r *receiver) close() { _ = r.server.Close() }

// ServeHTTP takes one delivery.
func (r *receiver) ServeHTTP(w http.ResponseWriter, req *http.Request) {
	body, err := io.ReadAll(req.Body)
	now := time.Now()
	number, sent, wrong := readMark(body)
	if err = errors.Join(err, wrong); err != nil {
		http.Error(w, err.Error(), http.StatusBadRequest)
		return
	}
	r.mu.Lock()
	if r.seen[number] {
		r.repeated++
	}
	r.seen[number] = true
	if r.counting {
		r.latency = append(r.latency, now.Sub(time.Unix(0, sent)))
	}
	r.mu.Unlock()
	select {
	case r.arrived <- struct{}{}:
	default:
	}
	w.WriteHeader(http.StatusOK)
}

// mark begins the data of every event, so that its number and time are found without parsing the whole.
const mark = `"mark":"`

// readMark returns the number of an event and when it was sent, in nanoseconds since 1970.
func readMark(body []byte) (number, sent int64, err error) {
	_, rest, ok := bytes.Cut(body, []byte(mark))
	if !ok {
		return 0, 0, fmt.Errorf("no mark in %.80q", body)
	}
	text, _, _ := bytes.Cut(rest, []byte(`"`))
	first, second, _ := bytes.Cut(text, []byte("/"))
	number, err = strconv.ParseInt(string(first), 10, 64)
	if err == nil {
		sent, err = strconv.ParseInt(string(second), 10, 64)
	}
	return number, sent, err
}

// count begins to count, anew.
func (r *receiver) count() {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.counting, r.latency = true, nil
}

// counted ends the counting, and returns the latencies in order.
func (r *receiver) counted() []time.Duration {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.counting = false
	slices.Sort(r.latency)
	return r.latency
}

// forget forgets what has arrived, so that the memory of a phase is not that of all.
func (r *receiver) forget() {
	r.mu.Lock()
	defer r.mu.Unlock()
	clear(r.seen)
	r.repeated = 0
}

// received is how many different events arrived, and how many deliveries came besides.
func (r *receiver) received() (events, repeated int) {
	r.mu.Lock()
	defer r.mu.Unlock()
	return len(r.seen), r.repeated
}
