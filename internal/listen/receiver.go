package listen

import (
	"context"
	"errors"
	"fmt"
	"io"
	"math"
	"net"
	"net/http"
	"strconv"
	"sync"
	"time"

	"posthorn/internal/posthorn"
)

const (
	// maxBody is the largest body that is read, in bytes. What Posthorn sends is smaller.
	maxBody = 1 << 20
	// maxIDs is of how many deliveries the attempts are counted; with one more the counts begin anew.
	maxIDs = 100_000
	// readTimeout bounds the reading of one request.
	readTimeout = 30 * time.Second
	// stopTimeout is how long requests in hand may take to end.
	stopTimeout = 5 * time.Second
)

// Options say what a Receiver verifies and how it answers.
type Options struct {
	// Signature is the scheme with its options; the zero one is that of posthorn.SchemeStandard.
	Signature posthorn.Signature
	// Secrets verify; any of them may have signed. Without one nothing is verified, and every request is said to be so.
	Secrets []posthorn.SigningSecret
	// Out is where requests are printed.
	Out io.Writer
	// Body prints bodies too, indented.
	Body bool

	// Status is what is answered, 200 where it is 0.
	Status int
	// FailFirst is how many attempts of each delivery are answered with a failure: with Status, or 500 where that is none.
	// After them it is 200.
	FailFirst int
	// RetryAfter is sent with answers that are no success, rounded up to seconds; 0 sends none.
	RetryAfter time.Duration
	// Delay is how long an answer takes.
	Delay time.Duration
	// Hang never answers: the sender's timeout ends the request.
	Hang bool
}

// Receiver takes webhooks. Make one with New.
type Receiver struct {
	opts Options

	mu sync.Mutex
	// attempts counts the requests by webhook-id.
	attempts map[string]int
}

// New makes a receiver. The error says which option is wrong.
func New(o Options) (*Receiver, error) {
	if o.Signature.Scheme == "" {
		o.Signature.Scheme = posthorn.SchemeStandard
	}
	if rule := o.Signature.Check(); rule != "" {
		return nil, fmt.Errorf("the signature %s", rule)
	}
	switch {
	case o.Status != 0 && (o.Status < 200 || o.Status > 599):
		return nil, fmt.Errorf("the status must be from 200 to 599, and it is %d", o.Status)
	case o.FailFirst > 0 && o.Status != 0 && success(o.Status):
		return nil, fmt.Errorf("the first %d attempts cannot fail with %d, which is a success", o.FailFirst, o.Status)
	case o.FailFirst < 0 || o.Delay < 0 || o.RetryAfter < 0:
		return nil, errors.New("numbers and times must not be negative")
	case o.Hang && (o.Status != 0 || o.FailFirst != 0 || o.Delay != 0 || o.RetryAfter != 0):
		return nil, errors.New("what never answers has no status, delay or Retry-After")
	}
	return &Receiver{opts: o, attempts: map[string]int{}}, nil
}

// Serve answers on a listener until ctx ends, and then ends the requests in hand.
func (r *Receiver) Serve(ctx context.Context, ln net.Listener) error {
	// Those that hang or wait are let go by the end of ctx.
	server := &http.Server{
		Handler: r, ReadTimeout: readTimeout, BaseContext: func(net.Listener) context.Context { return ctx },
	}
	stopped := make(chan error, 1)
	disarm := context.AfterFunc(ctx, func() {
		patience, cancel := context.WithTimeout(context.WithoutCancel(ctx), stopTimeout)
		defer cancel()
		stopped <- server.Shutdown(patience)
	})
	err := server.Serve(ln)
	if disarm() {
		return fmt.Errorf("serve on %s: %w", ln.Addr(), err)
	}
	if err := <-stopped; err != nil {
		return errors.Join(fmt.Errorf("end the requests in hand: %w", err), server.Close())
	}
	return nil
}

// ServeHTTP verifies a request, prints it and answers it.
func (r *Receiver) ServeHTTP(w http.ResponseWriter, req *http.Request) {
	got := received{at: time.Now(), method: req.Method, path: req.URL.Path, header: req.Header}
	got.body, got.err = io.ReadAll(http.MaxBytesReader(w, req.Body, maxBody))
	got.attempt = r.count(got.id())
	got.verified, got.problem = r.verify(&got)
	a := r.answer(&got)
	r.print(&got, a)
	if !r.wait(req.Context()) {
		panic(http.ErrAbortHandler) // the connection is closed without an answer
	}
	if a.retryAfter != "" {
		w.Header().Set("Retry-After", a.retryAfter)
	}
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(a.status)
	if hasBody(a.status) {
		_, _ = io.WriteString(w, a.body) // the sender may be gone
	}
}

// count counts an attempt at a delivery, and returns which it is. Without an id it is always the first.
func (r *Receiver) count(id string) int {
	if id == "" {
		return 1
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.attempts[id] == 0 && len(r.attempts) >= maxIDs {
		clear(r.attempts)
	}
	r.attempts[id]++
	return r.attempts[id]
}

// verify reports whether a request is signed as it should be, or what is wrong with it, empty where there is no secret.
func (r *Receiver) verify(got *received) (verified bool, problem string) {
	switch {
	case got.err != nil:
		if _, ok := errors.AsType[*http.MaxBytesError](got.err); ok {
			return false, "The body is larger than 1 MiB."
		}
		return false, "The body did not arrive whole."
	case got.method != http.MethodPost:
		return false, "Deliveries are sent with POST, and this is a " + got.method + "."
	case len(r.opts.Secrets) == 0:
		return false, ""
	}
	err := r.opts.Signature.Verify(got.header.Get, got.body, r.opts.Secrets, got.at, posthorn.DefaultTolerance)
	if e, ok := errors.AsType[*posthorn.Error](err); ok {
		return false, e.Message
	}
	return err == nil, ""
}

// answer is what a request is answered with.
type answer struct {
	status     int
	retryAfter string
	body       string
}

// answer decides on it: what is not as it should be is refused whatever the options say.
func (r *Receiver) answer(got *received) answer {
	switch {
	case got.method != http.MethodPost:
		return answer{status: http.StatusMethodNotAllowed, body: `{"error":"send a POST"}`}
	case got.err != nil:
		return answer{status: http.StatusBadRequest, body: `{"error":"the body could not be read"}`}
	case got.problem != "":
		return answer{status: http.StatusUnauthorized, body: `{"error":"not verified"}`}
	}
	a := answer{status: http.StatusOK, body: `{"received":true}`}
	switch {
	case r.opts.FailFirst > 0 && got.attempt > r.opts.FailFirst:
	case r.opts.Status != 0:
		a.status = r.opts.Status
	case r.opts.FailFirst > 0:
		a.status = http.StatusInternalServerError
	}
	if success(a.status) {
		return a
	}
	a.body = `{"error":"as asked for"}`
	if r.opts.RetryAfter > 0 {
		a.retryAfter = strconv.Itoa(int(math.Ceil(r.opts.RetryAfter.Seconds())))
	}
	return a
}

// wait waits as the options say, and reports whether to answer.
func (r *Receiver) wait(ctx context.Context) bool {
	if r.opts.Hang {
		<-ctx.Done()
		return false
	}
	if r.opts.Delay == 0 {
		return true
	}
	timer := time.NewTimer(r.opts.Delay)
	defer timer.Stop()
	select {
	case <-timer.C:
		return true
	case <-ctx.Done():
		return false
	}
}

func success(status int) bool { return status >= 200 && status <= 299 }

// hasBody reports whether answers with a status have a body.
func hasBody(status int) bool {
	return status != http.StatusNoContent && status != http.StatusNotModified
}
