package web_test

import (
	"encoding/json"
	"net/http"
	"slices"
	"strings"
	"testing"

	"posthorn/internal/openapi"
	"posthorn/internal/posthorn"
	"posthorn/views/path"
)

func TestEveryOperationRefusesWhatIsNoJSON(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	for _, o := range keyed() {
		if o.Body == nil {
			continue
		}
		before := w.state(t)
		for name, body := range map[string]string{
			"text": "hello", "cut": `{"a":`, "two values": `{}{}`, "not UTF-8": "{\"a\":\"\xff\"}", "too deep": strings.Repeat("[", 20000) + strings.Repeat("]", 20000),
			"space": " ",
		} {
			t.Log(o.ID, name)
			checkAPIError(t, w.call(o, w.all, []byte(body)), http.StatusBadRequest, "bad_request")
		}
		if a := w.call(o, w.all, []byte{}); o.Body.Required {
			checkAPIError(t, a, http.StatusBadRequest, "bad_request")
		}
		if o.Body.Required {
			checkSame(t, o.ID, before, w.state(t))
		}
	}
}

func checkSame(t *testing.T, what string, before, after map[string]string) {
	t.Helper()
	for name, text := range before {
		if after[name] != text {
			t.Errorf("%s changed what %s says:\n%s\n%s", what, name, text, after[name])
		}
	}
}

func TestEveryOperationRefusesABodyThatIsNotSaidToBeJSON(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	for _, o := range keyed() {
		if o.Body == nil {
			continue
		}
		for name, headers := range map[string][]string{
			"a form": {"Content-Type", "application/x-www-form-urlencoded"}, "text": {"Content-Type", "text/plain"}, "no type": {"Content-Type", ""},
			"another charset": {"Content-Type", "application/json; charset=utf-16"}, "compressed": {"Content-Encoding", "gzip"},
		} {
			t.Log(o.ID, name)
			checkAPIError(t, w.call(o, w.all, nil, headers...), http.StatusUnsupportedMediaType, "unsupported")
		}
		if a := w.call(o, w.all, []byte(`{}`), "Content-Type", `application/json; charset="UTF-8"`); a.StatusCode == http.StatusUnsupportedMediaType {
			t.Errorf("%s refuses a charset of UTF-8", o.ID)
		}
	}
}

func TestEveryOperationRefusesABodyThatIsTooLarge(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	for _, o := range keyed() {
		if o.Body == nil {
			continue
		}
		body := []byte(`{"pad":"` + strings.Repeat("x", posthorn.MaxBatchBytes) + `"}`)
		text := checkAPIError(t, w.call(o, w.all, body), http.StatusRequestEntityTooLarge, "too_large")
		if !strings.Contains(text, "KiB") && !strings.Contains(text, "MiB") {
			t.Errorf("%s does not name the limit: %q", o.ID, text)
		}
		// The limit that the document names is the one that holds.
		for _, word := range []string{" KiB", " MiB"} {
			if at := strings.Index(text, word); at >= 0 && !strings.Contains(o.Body.Description+o.Description, text[strings.LastIndexByte(text[:at], ' ')+1:at]+word) {
				t.Errorf("%s: the document does not name the limit of %q", o.ID, text)
			}
		}
	}
}

func TestEveryOperationRefusesABodyThatIsNoObject(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	for _, o := range keyed() {
		if o.Body == nil {
			continue
		}
		for _, body := range []string{`"text"`, `1`, `true`, `[1]`, `[[]]`} {
			t.Log(o.ID, body)
			checkAPIError(t, w.call(o, w.all, []byte(body)), http.StatusUnprocessableEntity, "validation_failed")
		}
		if a := w.call(o, w.all, []byte("null")); o.Body.Required {
			checkAPIError(t, a, http.StatusUnprocessableEntity, "validation_failed")
		}
	}
}

// wrongValues are values that a member of a type cannot have.
func wrongValues(kind string) []string {
	values := map[string]string{"string": `"\u0000"`, "integer": `1.5`, "object": `{"a":1}`, "array": `[1]`, "boolean": `true`}
	for name := range values {
		if strings.Contains(kind, name) || name == "integer" && strings.Contains(kind, "number") {
			delete(values, name)
		}
	}
	out := make([]string, 0, len(values))
	for _, v := range values {
		out = append(out, v)
	}
	return out
}

func TestAMemberOfTheWrongTypeIsNamed(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	for _, o := range keyed() {
		if o.Body == nil {
			continue
		}
		for _, field := range o.Body.Fields {
			kind := field.Type.String()
			if field.Name == posthorn.FieldID || len(field.Type) > 0 && field.Type[0].Schema == "" && !isPlain(kind) {
				continue // an id that is none is a 404; choices are tested where they are defined
			}
			for _, wrong := range wrongValues(kind) {
				var object map[string]json.RawMessage
				if err := json.Unmarshal(w.example(o), &object); err != nil {
					t.Fatal(err)
				}
				object[field.Name] = json.RawMessage(wrong)
				body, err := json.Marshal(object)
				if err != nil {
					t.Fatal(err)
				}
				a := w.call(o, w.all, body)
				var answer struct{ Fields map[string]string }
				if err := json.Unmarshal([]byte(a.Text), &answer); err != nil || a.StatusCode != http.StatusUnprocessableEntity || answer.Fields[field.Name] == "" {
					t.Errorf("%s, %s: %s: %d %s", o.ID, field.Name, wrong, a.StatusCode, a.Text)
				}
			}
		}
	}
}

func isPlain(kind string) bool {
	return slices.ContainsFunc([]string{"string", "integer", "number", "object", "array", "boolean"}, func(name string) bool { return strings.HasPrefix(kind, name) })
}

func TestWrongFiltersLimitsAndCursorsAreNamed(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	for _, o := range keyed() {
		for _, p := range o.Parameters {
			if p.In != "query" {
				continue
			}
			wrong := []string{"%00"}
			switch p.Name {
			case "limit":
				wrong = append(wrong, "0", "201", "-1", "1.5", "x", "99999999999999999999")
			case "cursor":
				wrong = append(wrong, "x", "next", "%F0%9F%A6%84")
			case "from", "to":
				wrong = append(wrong, "yesterday", "2026-13-01")
			case "status", "type", "risk", "range", "test", "errorClass", "statusCode", "overMs", "minAttempts", "webhookId", "eventId", "deliveryId":
				wrong = append(wrong, "nonsense")
			}
			for _, value := range wrong {
				a := w.callAt(o, o.Path+"?"+p.Name+"="+value, w.all, nil)
				var answer struct{ Fields map[string]string }
				if err := json.Unmarshal([]byte(a.Text), &answer); err != nil || a.StatusCode != http.StatusUnprocessableEntity || answer.Fields[p.Name] == "" {
					t.Errorf("%s?%s=%s: %d %s", o.Path, p.Name, value, a.StatusCode, a.Text)
				}
			}
		}
		if o.Method == http.MethodGet {
			if a := w.callAt(o, w.target(o)+"?nobodyKnowsThis=1&limit=", w.all, nil); a.StatusCode != http.StatusOK {
				t.Errorf("%s with a parameter that it does not know: %d %s", o.ID, a.StatusCode, a.Text)
			}
		}
	}
}

func TestAddressesOfTheAPITakeTheirOwnMethodsAlone(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	methods := map[string][]string{}
	for _, o := range openapi.Load().Operations() {
		methods[o.Path] = append(methods[o.Path], o.Method)
		if o.Method == http.MethodGet {
			methods[o.Path] = append(methods[o.Path], http.MethodHead)
		}
	}
	for target, known := range methods {
		at := strings.Replace(target, "{id}", "x", 1)
		for _, method := range []string{"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "TRACE"} {
			if slices.Contains(known, method) {
				continue
			}
			a := w.client.Do(method, at, nil, "X-API-Key", w.all)
			allow := strings.Split(strings.ReplaceAll(a.Header.Get("Allow"), " ", ""), ",")
			slices.Sort(allow)
			want := slices.Sorted(slices.Values(known))
			if a.StatusCode != http.StatusMethodNotAllowed || !slices.Equal(allow, want) {
				t.Errorf("%s %s: %d, Allow %v, want %v", method, target, a.StatusCode, allow, want)
			}
			if method != http.MethodHead && target != path.IngestActivity && !strings.Contains(a.Text, `"code":"method_not_allowed"`) {
				t.Errorf("%s %s: %s", method, target, a.Text)
			}
		}
		if a := w.client.Get(at+"/", "X-API-Key", w.all); a.StatusCode != http.StatusNotFound {
			t.Errorf("GET %s/: %d", at, a.StatusCode)
		}
	}
}

func TestHEADAnswersAsGETWithoutTheBody(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	for _, o := range keyed() {
		if o.Method != http.MethodGet {
			continue
		}
		get := w.call(o, w.all, nil)
		head := w.client.Do(http.MethodHead, w.target(o), nil, "X-API-Key", w.all)
		if head.StatusCode != http.StatusOK || head.Text != "" || head.Header.Get("Content-Type") != get.Header.Get("Content-Type") {
			t.Errorf("%s: %d, %v, %q", o.ID, head.StatusCode, head.Header, head.Text)
		}
	}
}

// exampleID is the id that the document shows for an operation, empty for none.
func exampleID(o *openapi.Operation) string {
	if len(o.Parameters) > 0 && o.Parameters[0].In == "path" {
		return o.Parameters[0].Example
	}
	return ""
}
