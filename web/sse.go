package web

import (
	"bufio"
	"context"
	"encoding/json"
	"fmt"
	"time"

	"github.com/gofiber/fiber/v2"

	"posthorn/internal/live"
)

// How a stream of server-sent events behaves.
const (
	// streamLife ends a stream by itself: the browser comes back, signed in still or not any more.
	streamLife = 55 * time.Second
	// streamPause is the least time between two messages: a burst of records is one.
	streamPause = 250 * time.Millisecond
	// streamBeat is how often a silent stream writes, to notice a reader who left.
	streamBeat = 15 * time.Second
	// streamLook bounds the look at the database after a hint.
	streamLook = 5 * time.Second
)

// growingList is a list whose readers hear at once that it grew. The messages carry none of its entries: the browser reads the list
// anew, through the one path that knows its filters and its rights.
type growingList[ID listID[ID], Msg any] struct {
	hub   *live.Hub[Msg]
	topic string
	// newest finds the newest entry that the reader may see, zero while there is none.
	newest func(context.Context) (ID, error)
	// position reads the entry up to which the browser knows the list.
	position func(string) (ID, error)
	// optional says that a browser without a position has no list that could be behind.
	optional bool
	// missed is said at the start to a browser that is behind.
	missed sse
	// announce turns what is pending into messages.
	announce func(pending []live.Notice[Msg], newest *newestOf[ID]) []sse
}

// listID is an id that reads in the order in which entries came.
type listID[ID any] interface {
	comparable
	fmt.Stringer
	IsZero() bool
	After(ID) bool
}

// sse is one message, which the browser hears of as an event, "message" when that is empty.
type sse struct {
	event string
	data  any
}

// newEntries says how many entries are new. A count of zero means that this is not known.
type newEntries struct {
	Topic string `json:"topic"`
	New   int    `json:"new"`
}

// streamList answers with the messages about a list.
func streamList[ID listID[ID], Msg any](s *Server, c *fiber.Ctx, list growingList[ID, Msg]) error {
	c.Set(fiber.HeaderContentType, "text/event-stream")
	c.Set("X-Accel-Buffering", "no")
	if c.Method() == fiber.MethodHead {
		return s.stream(c, nil)
	}
	since := c.Get("Last-Event-ID", c.Query("since"))
	// Subscribe first, then read: what arrives in between is announced rather than missed.
	sub := list.hub.Subscribe(list.topic)
	newest, err := list.newest(c.UserContext())
	if err != nil {
		sub.Close()
		return err
	}
	seen, err := list.position(since)
	behind := !newest.IsZero() && (err != nil || newest.After(seen)) && (since != "" || !list.optional)
	// It lives on after the handler returned, so it holds nothing of the request.
	stream := listStream[ID, Msg]{list: list, sub: sub, newest: newestOf[ID]{newest, list.newest}, behind: behind}
	return s.stream(c, stream.run)
}

// listStream is one reader's stream.
type listStream[ID listID[ID], Msg any] struct {
	list   growingList[ID, Msg]
	sub    *live.Subscription[Msg]
	newest newestOf[ID]
	behind bool
}

// run writes what the subscription brings, until the stream has lived its time, the reader left, or the server stops.
func (st *listStream[ID, Msg]) run(w *bufio.Writer) error {
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
			if err = st.send(w, st.list.announce(st.sub.Take(), &st.newest)...); err == nil && !paused(st.sub, end.C) {
				return nil
			}
		}
	}
	return err
}

// open tells the browser how soon to come back, and at once if it has something to catch up on.
func (st *listStream[ID, Msg]) open(w *bufio.Writer) error {
	if err := write(w, "retry: 1000\n\n"); err != nil || !st.behind {
		return err
	}
	return st.send(w, st.list.missed)
}

func (st *listStream[ID, Msg]) send(w *bufio.Writer, messages ...sse) error {
	for _, m := range messages {
		data, err := json.Marshal(m.data)
		if err != nil {
			return fmt.Errorf("write an event: %w", err)
		}
		if m.event != "" {
			m.event = "event: " + m.event + "\n"
		}
		if err := write(w, fmt.Sprintf("%sid: %s\ndata: %s\n\n", m.event, st.newest.told, data)); err != nil {
			return err
		}
	}
	return nil
}

func write(w *bufio.Writer, s string) error {
	if _, err := w.WriteString(s); err != nil {
		return err
	}
	return w.Flush()
}

// newestOf follows the newest entry of a list that somebody looks at.
type newestOf[ID listID[ID]] struct {
	// told is the newest entry that the reader was told of, or had no need to be.
	told ID
	// look finds the newest entry, zero while there is none.
	look func(context.Context) (ID, error)
}

// grew looks whether there is an entry that the reader was not told of. When that cannot be known it says yes, for the reader finds
// out by asking.
func (n *newestOf[ID]) grew() bool {
	ctx, cancel := context.WithTimeout(context.Background(), streamLook)
	defer cancel()
	newest, err := n.look(ctx)
	if err != nil {
		return true
	}
	grew := newest.After(n.told)
	n.told = newest
	return grew
}

// paused waits until the next message may be sent; it is false when the stream ended meanwhile.
func paused[T any](sub *live.Subscription[T], end <-chan time.Time) bool {
	wait := time.NewTimer(streamPause)
	defer wait.Stop()
	select {
	case <-wait.C:
		return true
	case <-end:
		return false
	case <-sub.Done():
		return false
	}
}
