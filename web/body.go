package web

import (
	"errors"
	"io"

	"github.com/gofiber/fiber/v2"
	"github.com/valyala/fasthttp"

	"posthorn/internal/posthorn"
)

// Bodies are streamed: a handler decides, after it knows who is asking, whether to read one and how much of it. What it
// leaves unread has to be dealt with, because the server would take it for the next request of the connection.
const (
	// maxForm is the largest form that a page posts, in bytes: a webhook with 20 headers of 4 KiB, each byte of it encoded.
	maxForm = 512 << 10
	// maxDiscard is how much of an unwanted body is read and thrown away, in bytes, so that its sender, who reads no
	// answer before it has sent everything, gets to see one. The connection of a longer one is closed.
	maxDiscard = 64 << 20
)

// bodyTooLarge is the answer to a body beyond the limit of its endpoint.
const bodyTooLarge = "Request body too large"

// readBody returns the body of a request, of at most limit bytes, and keeps it for those who read it as a form; a larger
// one is TooLarge. It is the body as it was sent: Fiber's own Body inflates compressed ones past every limit.
func readBody(c *fiber.Ctx, limit int) ([]byte, error) {
	tooLarge := posthorn.Errorf(posthorn.TooLarge, bodyTooLarge)
	if c.Request().Header.ContentLength() > limit {
		return nil, tooLarge
	}
	stream := c.Context().RequestBodyStream()
	if stream == nil {
		return nil, nil
	}
	body, err := io.ReadAll(io.LimitReader(stream, int64(limit)+1))
	if err == nil && len(body) <= limit && len(body) < c.Request().Header.ContentLength() {
		err = io.ErrUnexpectedEOF // the stream ends where the connection does, as if that were its end
	}
	if err != nil {
		// Where the body ends, and so the next request begins, is not known any more.
		c.Context().SetConnectionClose()
		return nil, posthorn.Because(posthorn.Invalid, "The request body did not arrive whole.", err)
	}
	if len(body) > limit {
		return nil, tooLarge
	}
	// The stream is done with: read again, one of chunks would take what follows for a chunk.
	c.Request().SetBodyRaw(body)
	return body, nil
}

// discardBody reads what was left of the body, or, when that is too much or does not come, has the connection closed
// after the answer.
func discardBody(ctx *fasthttp.RequestCtx) {
	stream := ctx.RequestBodyStream()
	if stream == nil || ctx.Response.ConnectionClose() {
		return
	}
	n, err := io.CopyN(io.Discard, stream, maxDiscard)
	if n == maxDiscard || err != nil && !errors.Is(err, io.EOF) {
		ctx.SetConnectionClose()
	}
}
