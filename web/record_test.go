package web_test

import (
	"bytes"
	"encoding/json"
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"testing"

	"github.com/PuerkitoBio/goquery"

	"posthorn/internal/sitekit"
	"posthorn/views/path"
)

// bothViews calls show with the drawer and with the page of a record.
func bothViews(t *testing.T, c *sitekit.Client, id string, show func(name string, doc *goquery.Selection)) {
	t.Helper()
	for name, a := range map[string]sitekit.Answer{
		"drawer": c.Get(path.ActivityRecord(id), fragmentOf("drawer-slot")...), "deep link": c.Get(path.ActivityRecord(id)),
		"page": c.Get(path.ActivityRecordPage(id)),
	} {
		part := map[string]string{"drawer": "dialog", "deep link": "#drawer-slot dialog", "page": "main"}[name]
		doc := a.HTML(t).Find(part)
		if a.StatusCode != http.StatusOK || doc.Length() != 1 {
			t.Errorf("%s: %d, %d parts", name, a.StatusCode, doc.Length())
		}
		show(name, doc)
	}
}

// compact takes the white space between the tokens of JSON away and leaves the rest byte for byte.
func compact(t *testing.T, document string) string {
	t.Helper()
	var out bytes.Buffer
	if err := json.Compact(&out, []byte(document)); err != nil {
		t.Fatalf("%q: %v", document, err)
	}
	return out.String()
}

func TestARecordShowsEveryFieldAndItsPayloadsWhole(t *testing.T) {
	t.Parallel()
	s := sitekit.Start(t)
	const request, response = `{"b" : 1.50,  "a":{"deep":[1,{"x":null}]},"a":2}`, `{"indicators":[{"category":"sanctioned_entity","share":0.25,"hops":2}],"n":1e2}`
	posted := s.Ingest(fmt.Sprintf(`{"activityType":"kya","userId":"clerk_9","requestId":%q,"responseId":"resp-5","statusCode":503,"blockchain":"tron",
		"address":"TAddress1","entityId":"ent-1","entityName":"Some Entity","transactionHash":"0xhash1","riskLevel":"critical","riskScore":87.5,
		"requestPayload":%s,"responsePayload":%s,"responseSummary":{"verdict":"review","hits":2},"errorMessage":"upstream said no",
		"metadata":{"case":{"id":7}},"clientAppId":"app-7","clientAppName":"Ledger"}`, requestID, request, response))
	var receipt struct{ ID string }
	if err := json.Unmarshal([]byte(posted.Text), &receipt); err != nil || posted.StatusCode != http.StatusCreated {
		t.Fatalf("%d %s", posted.StatusCode, posted.Text)
	}
	bothViews(t, s.SignedIn(), receipt.ID, func(name string, doc *goquery.Selection) {
		words := text(doc)
		for _, want := range []string{
			"KYA", "clerk_9", requestID, "resp-5", "503", "Tron", "TAddress1", "ent-1", "Some Entity", "0xhash1", "Critical", "87.5",
			"upstream said no", "app-7", "Ledger", receipt.ID, "Sanctioned entity", "25%", "2 hops away",
		} {
			if !strings.Contains(words, want) {
				t.Errorf("%s: no %q", name, want)
			}
		}
		for id, want := range map[string]string{
			"request": request, "response": response, "summary": `{"verdict":"review","hits":2}`, "metadata": `{"case": {"id": 7}}`,
		} {
			if got := compact(t, doc.Find("#json-"+id+"-raw").Text()); got != compact(t, want) {
				t.Errorf("%s: the %s is %s, want %s", name, id, got, want)
			}
		}
		if at := doc.Find("dd time[datetime]").First().AttrOr("datetime", ""); !strings.HasPrefix(at, receivedAt(t, receipt.ID).Format("2006-01-02T15:04:05")) {
			t.Errorf("%s: received at %q", name, at)
		}
	})
}

func TestARecordWithoutTheOptionalFieldsIsShown(t *testing.T) {
	t.Parallel()
	s := sitekit.Start(t)
	id := s.PostActivity(map[string]any{"activityType": "kye", "entityId": "ent-1", "transactionHash": nil, "blockchain": nil, "riskLevel": nil, "riskScore": nil})
	bothViews(t, s.SignedIn(), id, func(name string, doc *goquery.Selection) {
		if words := text(doc); !containsAll(words, "ent-1", "No score", "200 OK") || strings.Contains(words, "reported an error") {
			t.Errorf("%s: %q", name, words)
		}
	})
	failed := s.PostActivity(map[string]any{"statusCode": 502})
	bothViews(t, s.SignedIn(), failed, func(name string, doc *goquery.Selection) {
		if words := text(doc); !strings.Contains(words, "HTTP 502 Bad Gateway") {
			t.Errorf("%s: %q", name, words)
		}
	})
}

// evil are texts that became markup or code somewhere else before.
var evil = []string{
	`<script>alert(1)</script>`, `"><img src=x onerror=alert(1)>`, `'"` + "`" + `--><svg onload=alert(1)>`, `javascript:alert(1)`, `{{7*7}}${7*7}<%= 7*7 %>`,
	`</title></textarea></script><b id=escaped>`, `&lt;b id=escaped&gt;`, `" autofocus onfocus="alert(1)" x="`, `//evil.example/x`, "\u202ereversed\u2066", `<!--`, `]]>`,
	"a\nb\r\nSet-Cookie: c=d",
}

// checkHarmless finds what came out of a text and into the page: elements that no template makes.
func checkHarmless(t *testing.T, name string, doc *goquery.Document) {
	t.Helper()
	checkInert(t, name, doc)
	if n := doc.Find("img, b, iframe, #escaped, script:not([src^='/static/']), textarea").Length(); n != 0 {
		t.Errorf("%s: %d elements came from a text", name, n)
	}
	if scripts := doc.Find("script").Length(); scripts > 2 {
		t.Errorf("%s: %d scripts", name, scripts)
	}
}

func TestHostileTextStaysText(t *testing.T) {
	t.Parallel()
	s := sitekit.Start(t)
	owner := s.SignedIn()
	for i, text := range evil {
		for _, kind := range []string{"kyt", "kya", "kye"} {
			object := map[string]any{text: text, "nested": map[string]any{text: []any{text, map[string]any{text: nil}}}}
			id := s.PostActivity(map[string]any{
				"activityType": kind, "userId": text, "responseId": text, "blockchain": text, "transactionHash": text, "address": text, "entityId": text,
				"entityName": text, "errorMessage": text, "clientAppId": text, "clientAppName": text, "requestPayload": object, "responseSummary": object,
				"metadata": object, "riskLevel": "critical", "statusCode": 500,
				"responsePayload": map[string]any{"indicators": []any{text, map[string]any{"category": text, "exposure": text, "share": 0.5}}},
			})
			name := fmt.Sprintf("text %d as %s", i, kind)
			for _, target := range []string{path.ActivityRecord(id), path.ActivityRecordPage(id)} {
				a := owner.Get(target)
				if a.StatusCode != http.StatusOK {
					t.Errorf("%s: %d", name, a.StatusCode)
				}
				doc := a.HTML(t)
				checkHarmless(t, name, doc)
				// It is all there, to the letter.
				if got := doc.Find("#record-title, main h1").Last().Text(); strings.TrimSpace(got) != strings.ReplaceAll(text, "\r\n", "\n") {
					t.Errorf("%s: the title is %q", name, got)
				}
			}
		}
	}
	for _, target := range []string{path.Home, path.Activity, path.Activity + "?risk=critical"} {
		checkHarmless(t, target, owner.Get(target).HTML(t))
	}
}

func TestHostileParametersStayText(t *testing.T) {
	t.Parallel()
	s := sitekit.Start(t)
	s.PostActivity(nil)
	owner := s.SignedIn()
	for _, text := range evil {
		for _, name := range []string{"q", "user", "application", "blockchain", "metadata.a", "metadata." + text, "type", "risk", "from", "range", "after", "since", "fresh", text} {
			target := path.Activity + "?" + url.Values{name: {text}}.Encode()
			for _, headers := range [][]string{nil, fragmentOf("results")} {
				a := owner.Get(target, headers...)
				if a.StatusCode >= http.StatusInternalServerError {
					t.Errorf("%s: %d", target, a.StatusCode)
				}
				checkHarmless(t, target, a.HTML(t))
			}
		}
		a := owner.Get(path.Activity + "?" + url.Values{"q": {text}}.Encode())
		if got := a.HTML(t).Find("form#filters input[name=q]").AttrOr("value", ""); got != strings.ReplaceAll(text, "\r\n", "\n") {
			t.Errorf("%q came back as %q", text, got)
		}
		for _, target := range []string{
			path.ActivityNew + "?" + url.Values{"q": {text}}.Encode(), path.Search + "?" + url.Values{"q": {text}}.Encode(),
			path.Activity + "/" + url.PathEscape(text), path.ActivityRecordPage(text), "/" + url.PathEscape(text), path.Home + "?range=" + url.QueryEscape(text),
			path.ActivityExportCSV + "?" + url.Values{"risk": {text}}.Encode(),
		} {
			a := owner.Get(target, "Referer", text[:1], "HX-Target", "x")
			if a.StatusCode >= http.StatusInternalServerError || len(a.Cookies()) != 0 {
				t.Errorf("%s: %d %v", target, a.StatusCode, a.Cookies())
			}
			if to := a.Header.Get("Location"); to != "" && !path.Local(to) {
				t.Errorf("%s leads to %q", target, to)
			}
			if a.StatusCode != http.StatusSeeOther {
				checkHarmless(t, target, a.HTML(t))
			}
		}
	}
}
