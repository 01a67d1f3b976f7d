package pages

import (
	"context"
	"io"
	"net/http"
	"strconv"
	"strings"
	"time"

	"github.com/a-h/templ"

	"posthorn/internal/openapi"
	"posthorn/views/layout"
	"posthorn/views/path"
	"posthorn/views/ui"
)

// DocsProps describes a page of the documentation of the API.
type DocsProps struct {
	Document *openapi.Document
	// Group is nil for the introduction.
	Group *openapi.Group
	// Base is where the API is reached, such as "https://posthorn.example.com".
	Base     string
	Theme    layout.Theme
	SignedIn bool
	Now      time.Time
}

func (p DocsProps) frame() layout.DocsProps {
	f := layout.DocsProps{
		Title: "API", Theme: p.Theme, Now: p.Now, SignedIn: p.SignedIn,
		Contents: []layout.DocsLink{{Label: "Introduction", URL: path.Docs, Current: p.Group == nil}},
	}
	for i := range p.Document.Groups {
		g := &p.Document.Groups[i]
		link := layout.DocsLink{Label: g.Name, URL: path.DocsGroup(g.Slug()), Current: g == p.Group}
		if link.Current {
			f.Title = g.Name + " · API"
			for _, o := range g.Operations {
				link.Sections = append(link.Sections, layout.DocsLink{Label: o.Summary, URL: "#" + o.ID})
			}
			if len(g.Schemas) > 0 {
				link.Sections = append(link.Sections, layout.DocsLink{Label: "Schemas", URL: "#schemas"})
			}
		}
		f.Contents = append(f.Contents, link)
	}
	return f
}

// docsFirstCall is the operation that the introduction shows a call of.
const docsFirstCall = "listEventTypes"

// firstCall is a command line that everybody with a key can try.
func (p DocsProps) firstCall() string {
	for _, o := range p.Document.Operations() {
		if o.ID == docsFirstCall {
			return o.Curl(p.Base)
		}
	}
	return ""
}

// operationTarget is where the page of an operation's group shows it.
func operationTarget(g *openapi.Group, o *openapi.Operation) string {
	return path.DocsGroup(g.Slug()) + "#" + o.ID
}

// successes and failures part the answers of an operation.
func successes(o *openapi.Operation) []openapi.Answer {
	return answersWhere(o, func(status int) bool { return status < http.StatusBadRequest })
}

func failures(o *openapi.Operation) []openapi.Answer {
	return answersWhere(o, func(status int) bool { return status >= http.StatusBadRequest })
}

func answersWhere(o *openapi.Operation, fits func(status int) bool) []openapi.Answer {
	var out []openapi.Answer
	for _, a := range o.Answers {
		if fits(a.Status) {
			out = append(out, a)
		}
	}
	return out
}

// parametersIn returns the parameters of one place.
func parametersIn(o *openapi.Operation, in string) []openapi.Parameter {
	var out []openapi.Parameter
	for _, p := range o.Parameters {
		if p.In == in {
			out = append(out, p)
		}
	}
	return out
}

// placeTitles name the places of parameters in their order.
var placeTitles = []struct{ in, title string }{{"path", "In the path"}, {"query", "In the query string"}, {"header", "In the headers"}}

// methodTone is the colour of a method: reading is calm, deleting is not.
func methodTone(method string) ui.Tone {
	switch method {
	case http.MethodGet:
		return ui.Accent
	case http.MethodDelete:
		return ui.Critical
	default:
		return ui.Success
	}
}

func answerTitle(status int) string { return strconv.Itoa(status) + " " + http.StatusText(status) }

// exampleTitle names an example of a body.
func exampleTitle(what string, e openapi.Example) string {
	if e.Summary == "" {
		return what
	}
	return what + ": " + strings.ToLower(e.Summary[:1]) + e.Summary[1:]
}

// tryBody is what the form begins with.
func tryBody(o *openapi.Operation) string { return EditableJSON(o.Body.Examples[0].JSON) }

// prose shows a description: paragraphs apart by empty lines, `code` and **strong words**.
func prose(text string) templ.Component {
	return templ.ComponentFunc(func(_ context.Context, out io.Writer) error {
		var html strings.Builder
		for paragraph := range strings.SplitSeq(text, "\n\n") {
			html.WriteString("<p>" + inline(strings.Join(strings.Fields(paragraph), " ")) + "</p>")
		}
		_, err := io.WriteString(out, html.String())
		return err
	})
}

// line shows a description of one paragraph without its frame.
func line(text string) templ.Component {
	return templ.ComponentFunc(func(_ context.Context, out io.Writer) error {
		_, err := io.WriteString(out, inline(text))
		return err
	})
}

// inline escapes text and marks up what stands between its marks.
func inline(text string) string {
	var html strings.Builder
	for i, part := range strings.Split(text, "`") {
		if i%2 == 1 {
			html.WriteString(`<code class="chip-code">` + templ.EscapeString(part) + `</code>`)
			continue
		}
		for j, piece := range strings.Split(part, "**") {
			if j%2 == 1 {
				html.WriteString("<strong>" + templ.EscapeString(piece) + "</strong>")
				continue
			}
			html.WriteString(templ.EscapeString(piece))
		}
	}
	return html.String()
}
