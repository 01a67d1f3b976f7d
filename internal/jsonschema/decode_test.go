package jsonschema

import (
	"bytes"
	"encoding/json"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/santhosh-tekuri/jsonschema/v6"
)

// decodeSeeds are documents, valid and not, with what a reader can trip over.
var decodeSeeds = []string{
	`{}`, ` { "a" : [ 1 , -2.50e+3 , true , false , null ] , "b" : { } , "c":[] } `, `{"a":1,"a":{"b":2}}`, `"\u00e9\ud83d\ude00\ud800\n\\\""`,
	`{"é":"ü","\u0061":1}`, "\"\xff\"", `{"":""}`, `[[[[]]]]`, `0`, `-0`, `1E400`, `{"n":123456789012345678901234567890.5}`, `12345678901234567890`,
	strings.Repeat("9", 310), `"\\"`, "\t[\r\n1]\n", `1e99999`, `{"a":"x\ty"}`,
	``, ` `, `{`, `[`, `"`, `"\`, `{"a"`, `{"a":`, `{"a":1`, `{"a":1,`, `{"a" 1}`, `{1:2}`, `[1`, `[1 2]`, `tru`, `nul`, `x`, `{}{}`, `1 2`, `{"a":}`, `[,]`,
}

// TestWhatIsDecodedIsWhatTheLibraryDecodes runs the seeds of the fuzz test, and sees that both are among them.
func TestWhatIsDecodedIsWhatTheLibraryDecodes(t *testing.T) {
	t.Parallel()
	valid := 0
	for _, text := range decodeSeeds {
		if json.Valid([]byte(text)) {
			valid++
		}
		compareDecoders(t, []byte(text))
	}
	if valid < 10 || len(decodeSeeds)-valid < 10 {
		t.Errorf("%d of %d are valid", valid, len(decodeSeeds))
	}
}

func FuzzDecode(f *testing.F) {
	for _, seed := range decodeSeeds {
		f.Add([]byte(seed))
	}
	f.Fuzz(compareDecoders)
}

func compareDecoders(t *testing.T, data []byte) {
	t.Helper()
	got, unfit, ok := decode(data)
	if !json.Valid(data) {
		return // it ended, and that is all that is asked for
	}
	want, err := jsonschema.UnmarshalJSON(bytes.NewReader(data))
	if err != nil || !ok {
		t.Fatalf("%q: %v, decoded %t", data, err, ok)
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Fatalf("%q (-library +decoded):\n%s", data, diff)
	}
	if _, found := unfitNumber(want, nil); found != unfit {
		t.Fatalf("%q has a number that is unfit: %t, want %t", data, unfit, found)
	}
}

func TestDataThatIsNotJSONIsSaidToBeSo(t *testing.T) {
	t.Parallel()
	s, err := Compiler{}.CompileSchema(json.RawMessage(`{}`))
	if err != nil {
		t.Fatal(err)
	}
	for _, data := range []string{``, `{`, `{"a":1`, `{}{}`, `x`, `"a`, `{"a" 1}`, `[1 2]`} {
		if diff := cmp.Diff([]string{"The data is not valid JSON"}, s.Violations(json.RawMessage(data), 1)); diff != "" {
			t.Errorf("%q: %s", data, diff)
		}
	}
}
