package posthorn_test

import (
	"encoding/json"
	"fmt"
	"strings"
	"testing"

	"posthorn/internal/posthorn"
)

func TestSignaturesAreWrittenAsTheContractHasThem(t *testing.T) {
	t.Parallel()
	for want, s := range map[string]posthorn.Signature{
		`{"scheme":"standard"}`:                 {Scheme: posthorn.SchemeStandard},
		`{"scheme":"smartkyc"}`:                 {Scheme: posthorn.SchemeSmartKYC, Key: posthorn.KeyTenant},
		`{"scheme":"smartkyc","key":"webhook"}`: {Scheme: posthorn.SchemeSmartKYC, Key: posthorn.KeyWebhook},
		`{"scheme":"kryptos"}`:                  {Scheme: posthorn.SchemeKryptos},
		`{"scheme":"arkyc"}`:                    {Scheme: posthorn.SchemeArkyc},
		`{"scheme":"custom","header":"X-Signature","timestampHeader":"X-Timestamp","encoding":"hex","over":"timestamp.body"}`: custom("", "timestamp.body"),
		`{"scheme":"custom","header":"X-Hub&Sig","encoding":"hex","over":"body"}`:                                             {Scheme: posthorn.SchemeCustom, Header: "X-Hub&Sig"},
	} {
		got, err := json.Marshal(&s)
		// json.Marshal escapes what Signature itself does not.
		if err != nil || strings.ReplaceAll(string(got), `\u0026`, "&") != want {
			t.Errorf("%+v is written %s, %v; want %s", s, got, err, want)
		}
	}
}

func TestParseSignatureReadsWhatTheContractAllows(t *testing.T) {
	t.Parallel()
	for raw, want := range map[string]posthorn.Signature{
		`{"scheme":"standard"}`:                  {Scheme: posthorn.SchemeStandard},
		"{ \n\"scheme\":\"arkyc\",\"key\":null}": {Scheme: posthorn.SchemeArkyc},
		`{"scheme":"smartkyc","key":"tenant"}`:   {Scheme: posthorn.SchemeSmartKYC},
		`{"scheme":"smartkyc","key":""}`:         {Scheme: posthorn.SchemeSmartKYC},
		`{"scheme":"smartkyc","key":"webhook"}`:  {Scheme: posthorn.SchemeSmartKYC, Key: posthorn.KeyWebhook},
		`{"scheme":"custom","header":"X-Signature"}`: {
			Scheme: posthorn.SchemeCustom, Header: "X-Signature", Encoding: posthorn.EncodingHex, Over: posthorn.OverBody,
		},
		`{"over":"timestamp.body","encoding":"base64","timestampHeader":"X-Timestamp","header":"X-Signature","scheme":"custom"}`: custom("base64", "timestamp.body"),
		// A time that is sent without being signed.
		`{"scheme":"custom","header":"X-Signature","timestampHeader":"X-Timestamp"}`: custom("hex", "body"),
	} {
		got, rule := posthorn.ParseSignature(json.RawMessage(raw))
		if rule != "" || got != want {
			t.Errorf("%s is read as %+v, %q; want %+v", raw, got, rule, want)
		}
	}
}

func TestParseSignatureRefusesTheRestAndSaysWhy(t *testing.T) {
	t.Parallel()
	const (
		scheme    = "must have a scheme, which is one of standard, smartkyc, kryptos, arkyc and custom"
		noObject  = `must be an object such as {"scheme":"standard"}`
		tokenRule = "must name a header of letters, digits and hyphens for the signature, such as X-Signature"
	)
	long := strings.Repeat("x", 129)
	for raw, want := range map[string]string{
		``:                          noObject,
		`null`:                      noObject,
		`"standard"`:                noObject,
		`[]`:                        noObject,
		`{`:                         noObject,
		`{}`:                        scheme,
		`{"scheme":null}`:           scheme,
		`{"scheme":"hmac"}`:         scheme,
		`{"scheme":"Standard"}`:     scheme,
		`{"Scheme":"standard"}`:     "must not have the option “Scheme”, which no scheme has",
		`{"scheme":7}`:              "must have text as its scheme",
		`{"scheme":"custom","x":1}`: "must not have the option “x”, which no scheme has",

		`{"scheme":"standard","key":"webhook"}`:            "must not have the option key, which belongs to the scheme smartkyc",
		`{"scheme":"kryptos","header":"X-Signature"}`:      "must not have the option header, which belongs to the scheme custom",
		`{"scheme":"arkyc","timestampHeader":"X-Time"}`:    "must not have the option timestampHeader, which belongs to the scheme custom",
		`{"scheme":"smartkyc","encoding":"hex"}`:           "must not have the option encoding, which belongs to the scheme custom",
		`{"scheme":"smartkyc","over":"body"}`:              "must not have the option over, which belongs to the scheme custom",
		`{"scheme":"custom","header":"X","key":"webhook"}`: "must not have the option key, which belongs to the scheme smartkyc",
		`{"scheme":"smartkyc","key":"mine"}`:               "must have tenant or webhook as its key",
		`{"scheme":"smartkyc","key":true}`:                 "must have text as its key",

		`{"scheme":"custom"}`:                                             "must name a header for the signature, such as X-Signature",
		`{"scheme":"custom","header":"X Signature"}`:                      tokenRule,
		`{"scheme":"custom","header":"X-Signature:"}`:                     tokenRule,
		`{"scheme":"custom","header":"X-Sig\r\nHost"}`:                    tokenRule,
		`{"scheme":"custom","header":"X-Sígnature"}`:                      tokenRule,
		`{"scheme":"custom","header":"X-\"Sig\""}`:                        tokenRule,
		`{"scheme":"custom","header":"` + long + `"}`:                     "must name a header of at most 128 characters for the signature, such as X-Signature",
		`{"scheme":"custom","header":"Webhook-Id"}`:                       "must name another header than webhook-id, which carries the id of the delivery",
		`{"scheme":"custom","header":"X","encoding":"HEX"}`:               "must have hex or base64 as its encoding",
		`{"scheme":"custom","header":"X","over":"url"}`:                   "must have body or timestamp.body as what it signs over",
		`{"scheme":"custom","header":"X","over":"timestamp.body"}`:        "must name a header for the time, such as X-Timestamp",
		`{"scheme":"custom","header":"X-S","timestampHeader":"x-s"}`:      "must name two headers: one for the signature and another for the time",
		`{"scheme":"custom","header":"X","timestampHeader":"Host"}`:       "must name another header than host, which is reserved: it follows from the URL",
		`{"scheme":"custom","header":"X","timestampHeader":"a b"}`:        "must name a header of letters, digits and hyphens for the time, such as X-Timestamp",
		`{"scheme":"custom","header":"X","timestampHeader":"webhook-id"}`: "must name another header than webhook-id, which carries the id of the delivery",
	} {
		got, rule := posthorn.ParseSignature(json.RawMessage(raw))
		if rule != want || got != (posthorn.Signature{}) {
			t.Errorf("%s: %+v, %q; want %q", raw, got, rule, want)
		}
	}
}

func TestACustomSignatureTakesNoHeaderThatDeliveriesNeed(t *testing.T) {
	t.Parallel()
	for _, name := range []string{
		"Host", "Content-Length", "Content-Type", "Connection", "Transfer-Encoding", "User-Agent", "webhook-id", "Accept-Encoding", "TE",
	} {
		raw := fmt.Sprintf(`{"scheme":"custom","header":%q}`, name)
		want := "must name another header than " + strings.ToLower(name) + ", which "
		if _, rule := posthorn.ParseSignature(json.RawMessage(raw)); !strings.HasPrefix(rule, want) {
			t.Errorf("%s: rule %q", name, rule)
		}
	}
}

func TestAnUnfitSignatureIsNotReadFromJSON(t *testing.T) {
	t.Parallel()
	s := posthorn.Signature{Scheme: posthorn.SchemeArkyc}
	err := json.Unmarshal([]byte(`{"scheme":"nope"}`), &s)
	if posthorn.KindOf(err) != posthorn.Invalid || s.Scheme != posthorn.SchemeArkyc {
		t.Errorf("%+v, %v", s, err)
	}
}

func TestOnlySmartKYCUsesTheSecretOfTheTenantAndOnlyWhenItIsNotToldOtherwise(t *testing.T) {
	t.Parallel()
	for _, scheme := range posthorn.Schemes() {
		if got := (posthorn.Signature{Scheme: scheme}).UsesTenantSecret(); got != (scheme == posthorn.SchemeSmartKYC) {
			t.Errorf("%s: UsesTenantSecret() = %t", scheme, got)
		}
		if scheme.Label() == string(scheme) || scheme.Label() == "" {
			t.Errorf("%s has no name for people", scheme)
		}
	}
	if (posthorn.Signature{Scheme: posthorn.SchemeSmartKYC, Key: posthorn.KeyWebhook}).UsesTenantSecret() {
		t.Error("smartkyc uses the tenant's secret although it has the webhook's")
	}
}
