package posthorn_test

import (
	"encoding/json"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"posthorn/internal/posthorn"
)

// What the vectors below sign. The secret, the id, the time and the first body are those of the test suite of Standard
// Webhooks; the second body has what JSON escapes carelessly.
const (
	vectorSecret  = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"
	vectorID      = "msg_p5jXN8AQM9LWM0D4loKWxJek"
	vectorSeconds = 1614265330
	standardBody  = `{"test": 2432232314}`
	vectorBody    = `{"event":"submission.completed","data":{"name":"Zoë & <Co>"}}`
)

// The signatures, all but the first made with
//
//	printf %s "$content" | openssl dgst -sha256 -hmac "$secret" -hex (or -binary | base64)
//
// and for vectorHex and vectorTimeBase64 also with crypto.createHmac of Node.
const (
	// standardVector is published with Standard Webhooks; openssl with -macopt hexkey: and the decoded secret agrees.
	standardVector = "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE="
	// vectorHex is of the body, as the example of Smart KYC makes it.
	vectorHex    = "2ae5cfacbdd65a55e1c083a81c79eea96a26c1d9de6f8afe1f848c7d162bf736"
	vectorBase64 = "KuXPrL3WWlXhwIOoHHnuqWomwdneb4r+H4SMfRYr9zY="
	// vectorTimeHex is of 1614265330, a full stop and the body.
	vectorTimeHex    = "8ab13d0e3a95b075cb50420349c48c53eb8e152316fd85b2756245946872d4f9"
	vectorTimeBase64 = "irE9DjqVsHXLUEIDScSMU+uOFSMW/YWydWJFlGhy1Pk="

	// ownSecret is an integrator's own; ownStandard is keyed with its bytes, ownHex with ownShown.
	ownSecret   = "correct horse battery staple"
	ownShown    = "whsec_Y29ycmVjdCBob3JzZSBiYXR0ZXJ5IHN0YXBsZQ=="
	ownStandard = "v1,VxbeDT0HjM9kDkIblWBl5Evw8xFY59bHtgKqUiDSHuo="
	ownHex      = "8014d8537f3b676299964f2a7814338db09e802878565e802ff0446492f5bf7a"
)

func secretOf(t *testing.T, text string) posthorn.SigningSecret {
	t.Helper()
	secret, rule := posthorn.ParseSigningSecret(text)
	if rule != "" {
		t.Fatalf("secret %s", rule)
	}
	return secret
}

func vectorMessage(body string) posthorn.Message {
	return posthorn.Message{ID: vectorID, Event: "submission.completed", Timestamp: time.Unix(vectorSeconds, 999_000_000), Body: []byte(body)}
}

// headersOf looks headers up as a receiver does, in upper and lower case.
func headersOf(headers []posthorn.Header) func(string) string {
	return func(name string) string {
		for _, h := range headers {
			if strings.EqualFold(h.Name, name) {
				return h.Value
			}
		}
		return ""
	}
}

// custom is the scheme custom with its headers.
func custom(encoding posthorn.Encoding, over posthorn.SignedPart) posthorn.Signature {
	return posthorn.Signature{
		Scheme: posthorn.SchemeCustom, Header: "X-Signature", TimestampHeader: "X-Timestamp", Encoding: encoding, Over: over,
	}
}

func TestEverySchemeSendsItsHeadersWithTheSignatureThatOthersCompute(t *testing.T) {
	t.Parallel()
	id := posthorn.Header{Name: "webhook-id", Value: vectorID}
	for name, tc := range map[string]struct {
		signature posthorn.Signature
		body      string
		want      []posthorn.Header
	}{
		"standard": {posthorn.Signature{Scheme: posthorn.SchemeStandard}, standardBody, []posthorn.Header{
			id, {"webhook-timestamp", "1614265330"}, {"webhook-signature", standardVector},
		}},
		"smartkyc": {posthorn.Signature{Scheme: posthorn.SchemeSmartKYC}, vectorBody, []posthorn.Header{
			id, {"X-SmartKYC-Signature", vectorHex},
		}},
		"kryptos": {posthorn.Signature{Scheme: posthorn.SchemeKryptos}, vectorBody, []posthorn.Header{
			id, {"X-Webhook-Signature", vectorHex}, {"X-Webhook-Event", "submission.completed"}, {"X-Webhook-Delivery", vectorID},
		}},
		"arkyc": {posthorn.Signature{Scheme: posthorn.SchemeArkyc}, vectorBody, []posthorn.Header{
			id, {"X-Arkyc-Timestamp", "1614265330"}, {"X-Arkyc-Signature", vectorTimeHex},
		}},
		"custom, defaults": {posthorn.Signature{Scheme: posthorn.SchemeCustom, Header: "X-Signature"}, vectorBody, []posthorn.Header{
			id, {"X-Signature", vectorHex},
		}},
		"custom, base64 of the body": {custom("base64", "body"), vectorBody, []posthorn.Header{
			id, {"X-Timestamp", "1614265330"}, {"X-Signature", vectorBase64},
		}},
		"custom, hex of time and body": {custom("hex", "timestamp.body"), vectorBody, []posthorn.Header{
			id, {"X-Timestamp", "1614265330"}, {"X-Signature", vectorTimeHex},
		}},
		"custom, base64 of time and body": {custom("base64", "timestamp.body"), vectorBody, []posthorn.Header{
			id, {"X-Timestamp", "1614265330"}, {"X-Signature", vectorTimeBase64},
		}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			secrets := []posthorn.SigningSecret{secretOf(t, vectorSecret)}
			got := tc.signature.Sign(vectorMessage(tc.body), secrets)
			if diff := cmp.Diff(tc.want, got); diff != "" {
				t.Errorf("headers (-want +got):\n%s", diff)
			}
			names := make([]string, len(got))
			for i, h := range got {
				names[i] = h.Name
			}
			if diff := cmp.Diff(names, tc.signature.HeaderNames()); diff != "" {
				t.Errorf("HeaderNames() is not what is sent (-sent +named):\n%s", diff)
			}
			now := time.Unix(vectorSeconds, 0)
			if err := tc.signature.Verify(headersOf(got), []byte(tc.body), secrets, now, posthorn.DefaultTolerance); err != nil {
				t.Errorf("Verify: %v", err)
			}
		})
	}
}

func TestAnOwnSecretKeysTheStandardSchemeWithItsBytesAndTheOthersWithItselfAsShown(t *testing.T) {
	t.Parallel()
	secrets := []posthorn.SigningSecret{secretOf(t, ownSecret)}
	standard := posthorn.Signature{Scheme: posthorn.SchemeStandard}.Sign(vectorMessage(standardBody), secrets)
	if got := headersOf(standard)("webhook-signature"); got != ownStandard {
		t.Errorf("standard: %s, want %s", got, ownStandard)
	}
	kryptos := posthorn.Signature{Scheme: posthorn.SchemeKryptos}.Sign(vectorMessage(vectorBody), secrets)
	if got := headersOf(kryptos)("X-Webhook-Signature"); got != ownHex {
		t.Errorf("kryptos: %s, want %s", got, ownHex)
	}
}

func TestARotationSignsWithBothSecretsUnderStandardAndWithTheOldestUnderTheOthers(t *testing.T) {
	t.Parallel()
	newestFirst := []posthorn.SigningSecret{secretOf(t, ownSecret), posthorn.NewSigningSecret(), secretOf(t, vectorSecret)}
	standard := posthorn.Signature{Scheme: posthorn.SchemeStandard}
	signatures := strings.Split(headersOf(standard.Sign(vectorMessage(standardBody), newestFirst))("webhook-signature"), " ")
	if len(signatures) != 3 || signatures[0] != ownStandard || signatures[2] != standardVector {
		t.Errorf("standard signs with %q", signatures)
	}
	for _, s := range []posthorn.Signature{
		{Scheme: posthorn.SchemeSmartKYC},
		{Scheme: posthorn.SchemeKryptos},
		{Scheme: posthorn.SchemeArkyc},
		custom("hex", "body"),
	} {
		old, young := newestFirst[2:], newestFirst[:1]
		headers := headersOf(s.Sign(vectorMessage(vectorBody), newestFirst))
		now := time.Unix(vectorSeconds, 0)
		if err := s.Verify(headers, []byte(vectorBody), old, now, time.Minute); err != nil {
			t.Errorf("%s, old secret: %v", s.Scheme, err)
		}
		if err := s.Verify(headers, []byte(vectorBody), young, now, time.Minute); err == nil {
			t.Errorf("%s signs with the new secret before the old one ended", s.Scheme)
		}
		if s.SignsWithEverySecret() {
			t.Errorf("%s says that it signs with every secret", s.Scheme)
		}
	}
}

func TestNothingIsSignedWithoutASecret(t *testing.T) {
	t.Parallel()
	for _, scheme := range posthorn.Schemes() {
		s := posthorn.Signature{Scheme: scheme}
		for _, none := range [][]posthorn.SigningSecret{nil, {{}}} {
			if got := s.Sign(vectorMessage(vectorBody), none); got != nil {
				t.Errorf("%s: %v", scheme, got)
			}
		}
	}
	// The HMAC of the body under the empty key, made with crypto.createHmac("sha256", "") of Node.
	const forged = "db3f1935d9f5c1dace87bc13e2001d7b009d8b4b68cfbc5300e2ccd211df280e"
	header := func(string) string { return forged }
	if err := (posthorn.Signature{Scheme: posthorn.SchemeKryptos}).Verify(header, []byte(vectorBody), []posthorn.SigningSecret{{}}, time.Now(), time.Hour); err == nil {
		t.Error("a signature by no secret is genuine")
	}
}

func TestVerifySaysWhatIsWrong(t *testing.T) {
	t.Parallel()
	standard := posthorn.Signature{Scheme: posthorn.SchemeStandard}
	arkyc := posthorn.Signature{Scheme: posthorn.SchemeArkyc}
	kryptos := posthorn.Signature{Scheme: posthorn.SchemeKryptos}
	for name, tc := range map[string]struct {
		signature posthorn.Signature
		// without is the header that is taken away, or set to value.
		without, value string
		body           string
		later          time.Duration
		want           string
	}{
		"no signature":                {signature: kryptos, without: "X-Webhook-Signature", want: "The header X-Webhook-Signature with the signature is missing."},
		"no id":                       {signature: standard, without: "webhook-id", want: "The header webhook-id, which is part of what is signed, is missing."},
		"no time":                     {signature: arkyc, without: "X-Arkyc-Timestamp", want: "The header X-Arkyc-Timestamp with the time of the signature is missing."},
		"time in words":               {signature: arkyc, without: "X-Arkyc-Timestamp", value: "now", want: "The header X-Arkyc-Timestamp must be a time in Unix seconds, such as 1700000000."},
		"time spelled anew":           {signature: arkyc, without: "X-Arkyc-Timestamp", value: "+1614265330", want: "The header X-Arkyc-Timestamp must be a time in Unix seconds, such as 1700000000."},
		"another time":                {signature: arkyc, without: "X-Arkyc-Timestamp", value: "1614265331", want: "The signature in X-Arkyc-Signature is not one of this body"},
		"another id":                  {signature: standard, without: "webhook-id", value: "msg_2", want: "The signature in webhook-signature is not one of this body"},
		"another body":                {signature: kryptos, body: vectorBody + " ", want: "The signature in X-Webhook-Signature is not one of this body"},
		"upper case":                  {signature: kryptos, without: "X-Webhook-Signature", value: strings.ToUpper(vectorHex), want: "The signature in X-Webhook-Signature is not one of this body"},
		"old":                         {signature: standard, later: 301 * time.Second, want: "The signature is of 2021-02-25T15:02:10.000Z, more than 300 seconds ago."},
		"of the future":               {signature: arkyc, later: -301 * time.Second, want: "The signature is of 2021-02-25T15:02:10.000Z, more than 300 seconds in the future."},
		"as old as may be":            {signature: standard, later: 300 * time.Second},
		"as new as may be":            {signature: arkyc, later: -300 * time.Second},
		"time is not signed, and old": {signature: kryptos, later: 24 * time.Hour},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			secrets := []posthorn.SigningSecret{posthorn.NewSigningSecret(), secretOf(t, vectorSecret)}
			headers := tc.signature.Sign(vectorMessage(vectorBody), secrets)
			if i := slices.IndexFunc(headers, func(h posthorn.Header) bool { return h.Name == tc.without }); i >= 0 {
				headers[i].Value = tc.value
			} else if tc.without != "" {
				t.Fatalf("%s is not sent", tc.without)
			}
			body := vectorBody
			if tc.body != "" {
				body = tc.body
			}
			now := time.Unix(vectorSeconds, 0).Add(tc.later)
			err := tc.signature.Verify(headersOf(headers), []byte(body), secrets, now, posthorn.DefaultTolerance)
			if tc.want == "" {
				if err != nil {
					t.Errorf("refused: %v", err)
				}
				return
			}
			if err == nil || !strings.HasPrefix(err.Error(), tc.want) || posthorn.KindOf(err) != posthorn.Unauthorized {
				t.Errorf("error %v, want %q", err, tc.want)
			}
		})
	}
}

// genSignature draws a valid signature of any scheme.
var genSignature = rapid.Custom(func(t *rapid.T) posthorn.Signature {
	s := posthorn.Signature{Scheme: rapid.SampledFrom(posthorn.Schemes()).Draw(t, "scheme")}
	switch s.Scheme {
	case posthorn.SchemeSmartKYC:
		s.Key = rapid.SampledFrom([]posthorn.SigningKey{"", posthorn.KeyTenant, posthorn.KeyWebhook}).Draw(t, "key")
	case posthorn.SchemeCustom:
		s = custom(rapid.SampledFrom([]posthorn.Encoding{"", "hex", "base64"}).Draw(t, "encoding"),
			rapid.SampledFrom([]posthorn.SignedPart{"", "body", "timestamp.body"}).Draw(t, "over"))
	default:
	}
	return s
})

func TestWhatIsSignedVerifiesAndAFlippedBitDoesNot(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		s := genSignature.Draw(t, "signature")
		body := rapid.SliceOfN(rapid.Byte(), 1, 200).Draw(t, "body")
		secrets := []posthorn.SigningSecret{posthorn.NewSigningSecret(), posthorn.NewSigningSecret()}
		now := time.Unix(rapid.Int64Range(0, 1<<33).Draw(t, "now"), 0)
		m := posthorn.Message{ID: "whd_1", Event: "a.b", Timestamp: now, Body: body}
		headers := s.Sign(m, secrets)
		if err := s.Verify(headersOf(headers), body, secrets, now, 0); err != nil {
			t.Fatalf("signed, and refused: %v", err)
		}
		if err := s.Verify(headersOf(headers), body, []posthorn.SigningSecret{posthorn.NewSigningSecret()}, now, 0); err == nil {
			t.Fatal("another secret is taken for it")
		}

		bit := rapid.IntRange(0, len(body)*8-1).Draw(t, "bit of the body")
		other := slices.Clone(body)
		other[bit/8] ^= 1 << (bit % 8)
		if err := s.Verify(headersOf(headers), other, secrets, now, 0); err == nil {
			t.Fatal("a flipped bit of the body goes unnoticed")
		}

		signed := slices.IndexFunc(headers, func(h posthorn.Header) bool { return strings.Contains(strings.ToLower(h.Name), "signature") })
		// Of several signatures the first is flipped, and the other left out.
		value := []byte(strings.Fields(headers[signed].Value)[0])
		bit = rapid.IntRange(0, len(value)*8-1).Draw(t, "bit of the signature")
		value[bit/8] ^= 1 << (bit % 8)
		headers[signed].Value = string(value)
		if err := s.Verify(headersOf(headers), body, secrets, now, 0); err == nil {
			t.Fatal("a flipped bit of the signature goes unnoticed")
		}
	})
}

func TestASignatureIsReadBackAsItWasWritten(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		s := genSignature.Draw(t, "signature")
		raw, err := json.Marshal(s)
		if err != nil {
			t.Fatal(err)
		}
		var back posthorn.Signature
		if err := json.Unmarshal(raw, &back); err != nil {
			t.Fatal(err)
		}
		if back != s.Normal() {
			t.Fatalf("%s is read as %+v, want %+v", raw, back, s.Normal())
		}
	})
}
