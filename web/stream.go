package web

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"runtime/debug"
	"time"

	"github.com/gofiber/fiber/v2"

	"posthorn/internal/live"
)

// How a stream behaves.
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

// stream answers with a body that is written while it is sent. The writer runs on a goroutine that outlives the handler,
// so it must not touch the request. When it returns an error the connection breaks without the last chunk, so that half
// a body does not look whole; when the reader leaves, its next write fails.
//
// A HEAD gets the headers alone, and write is not called: given a body, the server would end it all the same, and a client
// would take that end for the next answer.
//
// The first bytes are waited for: an error that comes before them is returned, to be answered as any other.
func (s *Server) stream(c *fiber.Ctx, write func(w *bufio.Writer) error) error {
	if c.Method() == fiber.MethodHead {
		c.Response().Header.SetContentLength(-1)
		return nil
	}
	reader, pipe := io.Pipe()
	requestID := requestOf(c).id
	go func() {
		err := writeAll(pipe, write)
		if err != nil && !errors.Is(err, io.ErrClosedPipe) {
			s.Log.Error("stream cut short", slog.String("request_id", requestID), slog.Any("error", err))
		}
		_ = pipe.CloseWithError(err) // never fails
	}()
	ahead := bufio.NewReader(reader)
	if _, err := ahead.Peek(1); err != nil && !errors.Is(err, io.EOF) {
		return fmt.Errorf("begin a stream: %w", err)
	}
	c.Context().SetBodyStream(streamBody{ahead, reader}, -1)
	return nil
}

// streamBody is what is read of a stream; closing it makes the next write fail.
type streamBody struct {
	io.Reader
	io.Closer
}

func writeAll(to io.Writer, write func(w *bufio.Writer) error) (err error) {
	defer func() {
		if p := recover(); p != nil {
			err = fmt.Errorf("panic: %v\n%s", p, debug.Stack())
		}
	}()
	w := bufio.NewWriterSize(to, 32<<10)
	if err := write(w); err != nil {
		return err
	}
	return w.Flush()
}

// follow writes what a subscription brings, until the stream has lived its time, the reader left, or the server stops.
func follow[T any](w *bufio.Writer, sub *live.Subscription[T], open, announce func(*bufio.Writer) error) error {
	defer sub.Close()
	end := time.NewTimer(streamLife)
	defer end.Stop()
	beat := time.NewTicker(streamBeat)
	defer beat.Stop()
	err := open(w)
	for err == nil {
		select {
		case <-end.C:
			return nil
		case <-sub.Done():
			return nil
		case <-beat.C:
			err = write(w, ": beat\n\n")
		case <-sub.Wake():
			if err = announce(w); err == nil && !paused(sub, end.C) {
				return nil
			}
		}
	}
	return err
}

// newestOf follows the newest entry of a list that somebody looks at. Ids read in the order in which entries came.
type newestOf[ID ~[16]byte] struct {
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
	grew := newer(newest, n.told)
	n.told = newest
	return grew
}

// newer reports whether an entry came after another.
func newer[ID ~[16]byte](a, b ID) bool {
	x, y := [16]byte(a), [16]byte(b)
	return bytes.Compare(x[:], y[:]) > 0
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
