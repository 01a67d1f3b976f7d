package web_test

import (
	"bufio"
	"encoding/csv"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"regexp"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/google/go-cmp/cmp"

	"posthorn/internal/sitekit"
	"posthorn/views/path"
)

// readCSV returns the rows of a CSV export, each by column.
func readCSV(t *testing.T, a sitekit.Answer) []map[string]string {
	t.Helper()
	lines, err := csv.NewReader(strings.NewReader(a.Text)).ReadAll()
	if err != nil || len(lines) == 0 {
		t.Fatalf("%d lines, %v", len(lines), err)
	}
	var rows []map[string]string
	for _, line := range lines[1:] {
		row := map[string]string{}
		for i, cell := range line {
			row[lines[0][i]] = cell
		}
		rows = append(rows, row)
	}
	return rows
}

// readNDJSON returns the rows of an NDJSON export, each with its values as they stand there.
func readNDJSON(t *testing.T, a sitekit.Answer) []map[string]json.RawMessage {
	t.Helper()
	var rows []map[string]json.RawMessage
	for line := range strings.Lines(a.Text) {
		row := map[string]json.RawMessage{}
		if err := json.Unmarshal([]byte(line), &row); err != nil || !strings.HasSuffix(line, "}\n") {
			t.Fatalf("%q: %v", line, err)
		}
		rows = append(rows, row)
	}
	return rows
}

func idsOfCSV(rows []map[string]string) []string {
	var ids []string
	for _, row := range rows {
		ids = append(ids, row["id"])
	}
	return ids
}

func idsOfNDJSON(t *testing.T, rows []map[string]json.RawMessage) []string {
	t.Helper()
	var ids []string
	for _, row := range rows {
		var id string
		if err := json.Unmarshal(row["id"], &id); err != nil {
			t.Fatal(err)
		}
		ids = append(ids, id)
	}
	return ids
}

// postAtOnce posts n records, several at a time, and returns their ids, newest first.
func postAtOnce(s *sitekit.Site, n int, fields func(i int) map[string]any) []string {
	ids := make([]string, n)
	var work sync.WaitGroup
	limit := make(chan struct{}, 16)
	for i := range n {
		work.Go(func() {
			limit <- struct{}{}
			defer func() { <-limit }()
			ids[i] = s.PostActivity(fields(i))
		})
	}
	work.Wait()
	slices.Sort(ids)
	slices.Reverse(ids)
	return ids
}

func TestAnExportIsTheFilteredFeedWhole(t *testing.T) {
	t.Parallel()
	s := sitekit.Start(t)
	owner := s.SignedIn()
	all := postAtOnce(s, 1_100, func(i int) map[string]any {
		return map[string]any{"transactionHash": fmt.Sprint("0x", i), "riskLevel": []string{"low", "critical"}[min(i%20, 1)]}
	})
	for _, query := range []string{"?risk=low&type=kyt&range=24h", "?q=0x1099", "?type=kye", ""} {
		want := all
		if query != "" {
			pages, _ := walk(t, owner, path.Activity+query, "next", func(string) {})
			want = slices.Concat(pages...)
		}
		if got := idsOfCSV(readCSV(t, owner.Get(path.ActivityExportCSV+query))); !slices.Equal(got, want) {
			t.Errorf("%q: the CSV has %d records, want %d", query, len(got), len(want))
		}
		if got := idsOfNDJSON(t, readNDJSON(t, owner.Get(path.ActivityExportNDJSON+query))); !slices.Equal(got, want) {
			t.Errorf("%q: the NDJSON has %d records, want %d", query, len(got), len(want))
		}
	}
}

func TestAnExportIsAFileOfItsType(t *testing.T) {
	t.Parallel()
	s := sitekit.Start(t)
	owner := s.SignedIn()
	for target, want := range map[string]struct{ contentType, name string }{
		path.ActivityExportCSV:    {"text/csv; charset=utf-8", `^attachment; filename="activity-\d{8}-\d{6}\.csv"$`},
		path.ActivityExportNDJSON: {"application/x-ndjson", `^attachment; filename="activity-\d{8}-\d{6}\.ndjson"$`},
	} {
		for _, method := range []string{http.MethodGet, http.MethodHead} {
			a := owner.Do(method, target, nil)
			if a.StatusCode != http.StatusOK || a.Header.Get("Content-Type") != want.contentType || !regexp.MustCompile(want.name).MatchString(a.Header.Get("Content-Disposition")) {
				t.Errorf("%s %s: %d %v", method, target, a.StatusCode, a.Header)
			}
		}
		if a := owner.Get(target + "?risk=x"); a.Header.Get("Content-Disposition") != "" || !strings.HasPrefix(a.Header.Get("Content-Type"), "text/html") {
			t.Errorf("%s, refused: %v", target, a.Header)
		}
	}
	if a := owner.Get(path.ActivityExportCSV); strings.Count(a.Text, "\n") != 1 || !strings.HasPrefix(a.Text, "id,createdAt,activityType,") {
		t.Errorf("without records: %q", a.Text)
	}
}

func TestTheCSVHasEveryColumn(t *testing.T) {
	t.Parallel()
	s := sitekit.Start(t)
	id := s.PostActivity(map[string]any{
		"userId": "u 1", "requestId": requestID, "responseId": "r,1", "statusCode": 502, "blockchain": `quoted "chain"`, "transactionHash": "0x1\nline two",
		"address": "addr", "entityId": "ent", "entityName": "Müller; Söhne", "riskLevel": "high", "riskScore": 12.5, "clientAppId": "app", "clientAppName": "App",
		"responseSummary": map[string]any{"a": 1}, "errorMessage": "no", "metadata": map[string]any{"k": "v"}, "requestPayload": map[string]any{"secret": 1},
	})
	rows := readCSV(t, s.SignedIn().Get(path.ActivityExportCSV))
	want := map[string]string{
		"id": id, "createdAt": rows[0]["createdAt"], "activityType": "kyt", "userId": "u 1", "requestId": requestID, "responseId": "r,1", "statusCode": "502",
		"blockchain": `quoted "chain"`, "transactionHash": "0x1\nline two", "address": "addr", "entityId": "ent", "entityName": "Müller; Söhne",
		"riskLevel": "high", "riskScore": "12.5", "responseSummary": `{"a":1}`, "errorMessage": "no", "metadata": `{"k": "v"}`, "clientAppId": "app", "clientAppName": "App",
	}
	if diff := cmp.Diff([]map[string]string{want}, rows); diff != "" {
		t.Error(diff)
	}
	if at := rows[0]["createdAt"]; at != receivedAt(t, id).UTC().Format("2006-01-02T15:04:05.000Z") {
		t.Errorf("created at %s", at)
	}
}

// A spreadsheet runs a cell that begins like a formula.
func TestNoCellOfTheCSVIsAFormula(t *testing.T) {
	t.Parallel()
	s := sitekit.Start(t)
	formulas := []string{`=HYPERLINK("http://evil.example","x")`, "+1+1", "-1+1", "@SUM(1)", "\t=1", "\r=1", "\n=1", `=cmd|' /C calc'!A0`}
	for _, f := range formulas {
		s.PostActivity(map[string]any{
			"userId": f, "responseId": f, "blockchain": f, "transactionHash": f, "address": f, "entityId": f, "entityName": f, "errorMessage": f,
			"clientAppId": f, "clientAppName": f,
		})
	}
	owner := s.SignedIn()
	rows := readCSV(t, owner.Get(path.ActivityExportCSV))
	for i, f := range slices.Backward(formulas) {
		row := rows[len(formulas)-1-i]
		for name, cell := range row {
			if cell != "" && strings.ContainsAny(cell[:1], "=+-@\t\r\n") {
				t.Errorf("%s is %q", name, cell)
			}
		}
		// encoding/csv reads "\r\n" and a lone "\r" at the end of a line alike, so the text is compared but for those.
		if got := strings.ReplaceAll(row["entityName"], "\r", ""); got != "'"+strings.ReplaceAll(f, "\r", "") {
			t.Errorf("%q became %q", f, got)
		}
	}
	for _, row := range readNDJSON(t, owner.Get(path.ActivityExportNDJSON)) {
		var name string
		if err := json.Unmarshal(row["entityName"], &name); err != nil || !slices.Contains(formulas, name) {
			t.Errorf("the NDJSON has %q", name)
		}
	}
}

func TestTheNDJSONHasThePayloadsAsTheyWerePosted(t *testing.T) {
	t.Parallel()
	s := sitekit.Start(t)
	request, response := `{"b" : 1.50, "a":{"n":1e2,"u":"\u00e9é\ud83d\ude00"},"a":[12345678901234567890, null]}`, `{"z":1,"y":{"x":"\/"}}`
	a := s.Ingest(`{"activityType":"kye","userId":"u","entityId":"e","requestPayload":` + request + `,"responsePayload":` + response + `,"responseSummary":{"v":1.0}}`)
	if a.StatusCode != http.StatusCreated {
		t.Fatal(a.Text)
	}
	row := readNDJSON(t, s.SignedIn().Get(path.ActivityExportNDJSON))[0]
	for name, want := range map[string]string{"requestPayload": request, "responsePayload": response, "responseSummary": `{"v":1.0}`, "metadata": "null", "blockchain": "null", "entityId": `"e"`} {
		if got := string(row[name]); got != compact(t, want) {
			t.Errorf("%s is %s, want %s", name, got, want)
		}
	}
}

func TestTheNDJSONKeepsMarkupInPayloads(t *testing.T) {
	t.Parallel()
	s := sitekit.Start(t)
	payload := map[string]any{"<b>&": "</script>\u2028\u2029\u0000"}
	s.PostActivity(map[string]any{"requestPayload": payload})
	var got map[string]any
	if err := json.Unmarshal(readNDJSON(t, s.SignedIn().Get(path.ActivityExportNDJSON))[0]["requestPayload"], &got); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(payload, got); diff != "" {
		t.Error(diff)
	}
}

// exportFunction is where the goroutine of an export is.
const exportFunction = "web.export[...].send.func1"

// slowExport starts an export that is larger than what lies between server and reader, so that it is under way as long
// as nobody reads on. Its records are more than are read from the database at a time.
func slowExport(t *testing.T) (*sitekit.Site, *bufio.Reader, io.Closer) {
	t.Helper()
	s := sitekit.Start(t)
	pad := strings.Repeat("x", 80<<10)
	postAtOnce(s, 210, func(int) map[string]any { return map[string]any{"requestPayload": map[string]any{"pad": pad}} })
	res := s.SignedIn().Open(http.MethodGet, path.ActivityExportNDJSON, nil)
	lines := bufio.NewReader(res.Body)
	first, err := lines.ReadString('\n')
	if err != nil || !json.Valid([]byte(first)) {
		t.Fatalf("%d bytes, %v", len(first), err)
	}
	if n := s.Goroutines(exportFunction); n != 1 {
		t.Fatalf("the first line came when %d exports were under way, want 1: it is not streamed", n)
	}
	return s, lines, res.Body
}

func TestAnExportEndsWhenItsReaderLeaves(t *testing.T) {
	t.Parallel()
	s, _, body := slowExport(t)
	if err := body.Close(); err != nil {
		t.Fatal(err)
	}
	await(t, "the end of the export", func() bool { return s.Goroutines(exportFunction) == 0 })
}

func TestAnExportThatFailsDoesNotLookWhole(t *testing.T) {
	t.Parallel()
	s, lines, _ := slowExport(t)
	selectRows[string](t, s, `ALTER TABLE user_activity_history RENAME TO gone`)
	rest, err := io.Copy(io.Discard, lines)
	if !errors.Is(err, io.ErrUnexpectedEOF) {
		t.Errorf("after %d bytes it ends with %v, want that it broke", rest, err)
	}
}
