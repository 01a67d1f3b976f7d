package web

import (
	"bufio"
	"bytes"
	"encoding/json"
	"fmt"
	"net/http"
	"time"

	"github.com/gofiber/fiber/v2"

	"posthorn/internal/live"
	"posthorn/internal/posthorn"
)

// How a stream behaves.
const (
	// streamLife ends a stream by itself: the browser comes back, signed in still or not any more.
	streamLife = 55 * time.Second
	// streamPause is the least time between two messages: a burst of records is one.
	streamPause = 250 * time.Millisecond
	// streamBeat is how often a silent stream writes, to notice a reader who left.
	streamBeat = 15 * time.Second
)

// streamActivity tells the browser that its feed grew. The message carries no record: the browser reads the feed anew,
// through the one path that knows its filters and its rights.
func (s *Server) streamActivity(c *fiber.Ctx) error {
	scope := requestOf(c).signedIn.User.ActivityScope()
	since := c.Get("Last-Event-ID", c.Query("since"))
	// Subscribe first, then read: what arrives in between is announced rather than missed.
	sub := s.Live.Subscribe(scope.Topic())
	newest, err := s.Activity.Newest(c.UserContext(), scope)
	if err != nil {
		sub.Close()
		return err
	}
	stream := activityStream{sub: sub, newest: newest, behind: isBehind(since, newest)}
	c.Status(http.StatusOK)
	c.Set(fiber.HeaderContentType, "text/event-stream")
	c.Set("X-Accel-Buffering", "no")
	s.stream(c, stream.run)
	return nil
}

// isBehind reports whether a reader who has seen the record since misses something.
func isBehind(since string, newest posthorn.ActivityID) bool {
	if newest.IsZero() {
		return false
	}
	seen, err := posthorn.ParseActivityID(since)
	return err != nil || bytes.Compare(newest[:], seen[:]) > 0
}

// activityStream is one reader's stream. It lives on after the handler returned, so it holds nothing of the request.
type activityStream struct {
	sub    *live.Subscription[posthorn.ActivityNotice]
	newest posthorn.ActivityID
	behind bool
}

// run writes until the stream has lived its time, the reader left, or the server stops.
func (st *activityStream) run(w *bufio.Writer) error {
	defer st.sub.Close()
	end := time.NewTimer(streamLife)
	defer end.Stop()
	beat := time.NewTicker(streamBeat)
	defer beat.Stop()
	err := st.open(w)
	for err == nil {
		select {
		case <-end.C:
			return nil
		case <-st.sub.Done():
			return nil
		case <-beat.C:
			err = write(w, ": beat\n\n")
		case <-st.sub.Wake():
			if err = st.announce(w); err == nil && !st.pause(end.C) {
				return nil
			}
		}
	}
	return err
}

// open tells the browser how soon to come back, and at once if it has something to catch up on.
func (st *activityStream) open(w *bufio.Writer) error {
	if err := write(w, "retry: 1000\n\n"); err != nil {
		return err
	}
	if !st.behind {
		return nil
	}
	return st.send(w, 0, "")
}

// announce sends what is pending as one message.
func (st *activityStream) announce(w *bufio.Writer) error {
	count, worst := 0, posthorn.RiskLevel("")
	for _, n := range st.sub.Take() {
		merged := posthorn.ActivityNotice{Newest: st.newest, Worst: worst}.Merge(n.Msg)
		st.newest, worst = merged.Newest, merged.Worst
		count += n.Count
	}
	return st.send(w, count, worst)
}

// send writes one message. A count of zero means that how much is new is not known.
func (st *activityStream) send(w *bufio.Writer, count int, worst posthorn.RiskLevel) error {
	data, err := json.Marshal(struct {
		Topic string             `json:"topic"`
		New   int                `json:"new"`
		Worst posthorn.RiskLevel `json:"worst,omitempty"`
	}{"activity", count, worst})
	if err != nil {
		return fmt.Errorf("write an event: %w", err)
	}
	return write(w, fmt.Sprintf("id: %s\ndata: %s\n\n", st.newest, data))
}

// pause waits until the next message may be sent; it is false when the stream ended meanwhile.
func (st *activityStream) pause(end <-chan time.Time) bool {
	wait := time.NewTimer(streamPause)
	defer wait.Stop()
	select {
	case <-wait.C:
		return true
	case <-end:
		return false
	case <-st.sub.Done():
		return false
	}
}

func write(w *bufio.Writer, s string) error {
	if _, err := w.WriteString(s); err != nil {
		return err
	}
	return w.Flush()
}
