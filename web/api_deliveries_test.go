package web_test

import (
	"encoding/json"
	"net/http"
	"net/url"
	"testing"

	"posthorn/internal/sitekit"
	"posthorn/views/path"
)

func TestAFilterOfTheDeliveryLogThatTakesOneValueIsRefusedWithSeveral(t *testing.T) {
	t.Parallel()
	s := sitekit.Start(t)
	const (
		hook, other = "wh_0351VmS5Pg40TDe4V86zdy", "wh_0351VmS5Pg40TDe4V86zdz"
		event       = "evt_0351VmS5Pg40TDe4V86zdy"
		delivery    = "whd_0351VmS5Pg40TDe4V86zdy"
	)
	for query, field := range map[string]string{
		"errorClass=timeout&errorClass=dns":                                 "errorClass",
		"errorClass=timeout&errorClass=":                                    "",
		"errorClass=timeout&errorClass=timeout":                             "",
		"webhookId=" + hook + "&webhookId=" + other:                         "webhookId",
		"eventId=" + event + "&eventId=evt_0351VmS5Pg40TDe4V86zdz":          "eventId",
		"deliveryId=" + delivery + "&deliveryId=whd_0351VmS5Pg40TDe4V86zdz": "deliveryId",
		"statusCode=404&statusCode=5xx":                                     "statusCode",
		"test=true&test=false":                                              "test",
		"q=a&q=b":                                                           "q",
		"from=2026-01-01&from=2026-01-02":                                   "from",
		"to=2026-01-01&to=2026-01-02":                                       "to",
		"limit=1&limit=2":                                                   "limit",
		"event=submission.created&event=submission.completed&status=error&status=pending": "",
	} {
		a := s.Client().Get(path.APIDeliveries+"?"+query, "Authorization", "Bearer "+s.Owner.APIKey)
		var answer struct {
			Error  string
			Fields map[string]string
		}
		if err := json.Unmarshal([]byte(a.Text), &answer); err != nil {
			t.Fatalf("%s: %v in %s", query, err, a.Text)
		}
		want := http.StatusOK
		if field != "" {
			want = http.StatusUnprocessableEntity
		}
		if a.StatusCode != want || field != "" && answer.Fields[field] != "must be given once" {
			t.Errorf("%s: %d %s", query, a.StatusCode, a.Text)
		}
	}
	a := s.Client().Get(path.APIDeliveries+"?"+url.Values{"errorClass": {"timeout", "none"}}.Encode(), "Authorization", "Bearer "+s.Owner.APIKey)
	if a.StatusCode != http.StatusUnprocessableEntity {
		t.Errorf("one that is not known among several: %d %s", a.StatusCode, a.Text)
	}
}
