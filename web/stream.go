package web

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"runtime/debug"

	"github.com/gofiber/fiber/v2"
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
