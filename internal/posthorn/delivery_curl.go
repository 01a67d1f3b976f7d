package posthorn

import "strings"

// curlLeavesOut are headers of an attempt that curl makes itself, or that would keep its answer from being read.
var curlLeavesOut = []string{"Host", "Content-Length", "Accept-Encoding", "Connection"}

// Curl returns an attempt as a command that sends it again to the same URL, for a POSIX shell. The values of custom headers
// stand as HeaderMask and have to be filled in. It is empty when no body can be made of the event.
func (e *LogEntry) Curl(a *Attempt) string {
	body := e.Body()
	if body == nil {
		return ""
	}
	var out strings.Builder
	line := func(option, value string) { out.WriteString(" \\\n  " + option + " " + shellQuoted(value)) }
	out.WriteString("curl --globoff --include --request POST " + shellQuoted(a.URL))
	headers := a.RequestHeaders
	if len(headers) == 0 { // it did not come to a request
		headers = []Header{{"Content-Type", "application/json"}}
	}
	for _, h := range headers {
		if !isAny(h.Name, curlLeavesOut) {
			line("--header", h.Name+": "+h.Value)
		}
	}
	line("--data-raw", string(body))
	return out.String()
}

func isAny(name string, names []string) bool {
	for _, n := range names {
		if strings.EqualFold(n, name) {
			return true
		}
	}
	return false
}

// shellQuoted writes text as one word of a POSIX shell.
func shellQuoted(text string) string { return "'" + strings.ReplaceAll(text, "'", `'\''`) + "'" }
