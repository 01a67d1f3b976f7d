package web

import (
	"bufio"
	"context"
	"encoding/csv"
	"encoding/json"
	"fmt"
	"iter"
	"strconv"
	"strings"
	"time"

	"github.com/gofiber/fiber/v2"

	"posthorn/internal/posthorn"
)

// exportTimeout bounds an export in time.
const exportTimeout = 30 * time.Minute

// export streams rows as a file.
type export[T any] struct {
	// name is the beginning of the file's name.
	name   string
	format exportFormat[T]
	// rows reads what is exported.
	rows func(context.Context) iter.Seq2[T, error]
}

// exportFormat is a kind of file.
type exportFormat[T any] struct {
	extension, contentType string
	// write writes all rows, up to the first that could not be read.
	write func(w *bufio.Writer, rows iter.Seq2[T, error]) error
}

// send answers with the file, whose rows are read while it is under way.
func (e export[T]) send(s *Server, c *fiber.Ctx) error {
	err := s.stream(c, func(w *bufio.Writer) error {
		ctx, cancel := context.WithTimeout(context.Background(), exportTimeout)
		defer cancel()
		if err := e.format.write(w, e.rows(ctx)); err != nil {
			return fmt.Errorf("export %s: %w", e.name, err)
		}
		return nil
	})
	if err != nil {
		return err
	}
	file := fmt.Sprintf("%s-%s.%s", e.name, time.Now().UTC().Format("20060102-150405"), e.format.extension)
	c.Set(fiber.HeaderContentType, e.format.contentType)
	c.Set(fiber.HeaderContentDisposition, fmt.Sprintf("attachment; filename=%q", file))
	return nil
}

// ndjson writes one JSON object a line.
func ndjson[T any]() exportFormat[T] {
	return exportFormat[T]{"ndjson", "application/x-ndjson", func(w *bufio.Writer, rows iter.Seq2[T, error]) error {
		enc := json.NewEncoder(w)
		enc.SetEscapeHTML(false)
		for row, err := range rows {
			if err == nil {
				err = enc.Encode(&row)
			}
			if err != nil {
				return err
			}
		}
		return w.Flush()
	}}
}

// csvOf writes one line a row, under a head. cells are inert.
func csvOf[T any](head []string, cells func(*T) []string) exportFormat[T] {
	return exportFormat[T]{"csv", "text/csv; charset=utf-8", func(w *bufio.Writer, rows iter.Seq2[T, error]) error {
		out := csv.NewWriter(w)
		err := out.Write(head)
		if err != nil {
			return err
		}
		for row, err := range rows {
			if err == nil {
				err = out.Write(inert(cells(&row)))
			}
			if err != nil {
				return err
			}
		}
		out.Flush()
		return out.Error()
	}}
}

// inert keeps a spreadsheet from running cells that came from outside as formulas (OWASP, CSV injection).
func inert(cells []string) []string {
	for i, s := range cells {
		if s != "" && strings.ContainsRune("=+-@\t\r\n", rune(s[0])) {
			cells[i] = "'" + s
		}
	}
	return cells
}

// timeCell and numberCell are empty for what there is none of.
func timeCell(t time.Time) string {
	if t.IsZero() {
		return ""
	}
	return posthorn.FormatTime(t)
}

func numberCell(n int64) string {
	if n == 0 {
		return ""
	}
	return strconv.FormatInt(n, 10)
}
