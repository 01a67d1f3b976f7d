package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"net/http"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"posthorn/internal/posthorn"
	"posthorn/internal/rig"
)

// behaviour is how a receiver misbehaves. It reports whether it took the delivery in spite of that.
type behaviour func(w http.ResponseWriter, r *http.Request) (taken bool)

// behaviours by name; each is that of one receiver, a part of the time.
var behaviours = map[string]behaviour{
	"times out": func(_ http.ResponseWriter, r *http.Request) bool {
		<-r.Context().Done()
		panic(http.ErrAbortHandler)
	},
	"resets": func(w http.ResponseWriter, _ *http.Request) bool {
		if conn := hijack(w); conn != nil {
			if tcp, ok := conn.(*net.TCPConn); ok {
				_ = tcp.SetLinger(0) // a reset and no orderly end
			}
			_ = conn.Close()
		}
		return false
	},
	"answers 500": func(w http.ResponseWriter, _ *http.Request) bool {
		http.Error(w, "no", http.StatusInternalServerError)
		return false
	},
	"answers 429": func(w http.ResponseWriter, _ *http.Request) bool {
		w.Header().Set("Retry-After", "1")
		http.Error(w, "slower", http.StatusTooManyRequests)
		return false
	},
	"answers garbage": func(w http.ResponseWriter, _ *http.Request) bool {
		if conn := hijack(w); conn != nil {
			_, _ = io.WriteString(conn, "\x00\xff no HTTP at all \r\n\r\n")
			_ = conn.Close()
		}
		return false
	},
	"answers without end": func(w http.ResponseWriter, r *http.Request) bool {
		// Its status is 200, and no more than the beginning of a body is read: that is a success.
		chunk := []byte(strings.Repeat("endless ", 1024))
		for r.Context().Err() == nil {
			if _, err := w.Write(chunk); err != nil {
				break
			}
		}
		return true
	},
	"answers with 1 MB of headers": func(w http.ResponseWriter, _ *http.Request) bool {
		for i := range 128 {
			w.Header().Set(fmt.Sprintf("X-Long-%d", i), strings.Repeat("h", 8<<10))
		}
		return false
	},
}

// names are those of the behaviours in their order; the last two receivers behave.
var names = []string{
	"times out", "resets", "answers 500", "answers 429", "answers garbage", "answers without end", "answers with 1 MB of headers",
	"good", "good too",
}

func hijack(w http.ResponseWriter) net.Conn {
	h, ok := w.(http.Hijacker)
	if !ok {
		return nil
	}
	conn, _, err := h.Hijack()
	if err != nil {
		return nil
	}
	return conn
}

// badShare is which part of the requests a receiver misbehaves at.
const badShare = 0.4

// seen is one request that a receiver took.
type seen struct {
	delivery     string
	number       int
	began, ended time.Time
	// taken means that the answer was a success.
	taken bool
}

// receiver is one webhook's.
type receiver struct {
	name    string
	webhook string
	secret  posthorn.SigningSecret
	bad     behaviour
	mended  *atomic.Bool

	mu       sync.Mutex
	rnd      *rand.Rand
	requests []seen
	faults   []string
}

// receivers are all of them.
type receivers struct {
	all     []*receiver
	mended  atomic.Bool
	servers []*http.Server
}

// newReceivers starts a receiver of each kind, and makes a webhook for it.
func newReceivers(ctx context.Context, v *victim, seed uint64) (*receivers, error) {
	rs := &receivers{}
	for i, name := range names {
		r := &receiver{name: name, bad: behaviours[name], mended: &rs.mended, rnd: rand.New(rand.NewPCG(seed, uint64(i)))}
		ln, err := (&net.ListenConfig{}).Listen(ctx, "tcp", "127.0.0.1:0")
		if err != nil {
			rs.close()
			return nil, fmt.Errorf("listen: %w", err)
		}
		server := &http.Server{Handler: r, ReadHeaderTimeout: time.Minute}
		rs.servers = append(rs.servers, server)
		go func() { _ = server.Serve(ln) }() // it ends by close
		made, err := v.api.CreateWebhook(ctx, v.server(0).URL, map[string]any{
			"url": "http://" + ln.Addr().String() + "/hook", "name": name, "events": []string{"submission.*"},
			"timeoutSeconds": 3, "retryOn": []int{408, 425, 429},
		})
		if err != nil {
			rs.close()
			return nil, err
		}
		r.webhook = made.ID
		var rule string
		if r.secret, rule = posthorn.ParseSigningSecret(made.Secret); rule != "" {
			rs.close()
			return nil, errors.New("the secret " + rule)
		}
		rs.all = append(rs.all, r)
	}
	return rs, nil
}

// mend makes all receivers good.
func (rs *receivers) mend() { rs.mended.Store(true) }

func (rs *receivers) close() {
	for _, s := range rs.servers {
		_ = s.Close()
	}
}

// ServeHTTP takes one request, and answers it as it is the receiver's way.
func (r *receiver) ServeHTTP(w http.ResponseWriter, req *http.Request) {
	got := seen{began: time.Now(), delivery: req.Header.Get("webhook-id")}
	body, err := io.ReadAll(req.Body)
	if err != nil {
		return // the sender was killed
	}
	var payload struct {
		Data struct {
			SubmissionID string `json:"submissionId"`
		} `json:"data"`
	}
	err = json.Unmarshal(body, &payload)
	got.number = numberOf(payload.Data.SubmissionID)
	signature := posthorn.Signature{Scheme: posthorn.SchemeStandard}
	err = errors.Join(err, signature.Verify(req.Header.Get, body, []posthorn.SigningSecret{r.secret}, got.began, posthorn.DefaultTolerance))
	defer func() {
		got.ended = time.Now()
		r.note(got, err)
	}()
	if r.bad != nil && !r.mended.Load() && r.misbehaves() {
		got.taken = r.bad(w, req)
		return
	}
	got.taken = true
	rig.Pause(req.Context(), r.workTime())
	w.WriteHeader(http.StatusNoContent)
}

// maxWork is how long a receiver thinks about a delivery that it has taken, at most. A sender that is killed meanwhile has to
// send it again.
const maxWork = 50 * time.Millisecond

func (r *receiver) workTime() time.Duration {
	r.mu.Lock()
	defer r.mu.Unlock()
	return time.Duration(r.rnd.Int64N(int64(maxWork)))
}

func (r *receiver) misbehaves() bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.rnd.Float64() < badShare
}

// note remembers a request, and what was wrong with it.
func (r *receiver) note(got seen, err error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.requests = append(r.requests, got)
	if err != nil {
		r.faults = append(r.faults, fmt.Sprintf("a request that cannot be trusted: %v", err))
	}
}

// reports ends all receivers, awaits the requests that they have in hand, and returns what they saw.
func (rs *receivers) reports(ctx context.Context) ([]report, error) {
	ctx, cancel := context.WithTimeout(ctx, 10*time.Second)
	defer cancel()
	var all []report
	for i, r := range rs.all {
		if err := rs.servers[i].Shutdown(ctx); err != nil {
			return nil, fmt.Errorf("receiver %q does not come to an end: %w", r.name, err)
		}
		r.mu.Lock()
		all = append(all, report{r.name, r.requests, r.faults})
		r.mu.Unlock()
	}
	return all, nil
}
