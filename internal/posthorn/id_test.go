package posthorn_test

import (
	"bytes"
	"encoding/json"
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/google/uuid"
	"pgregory.net/rapid"

	"posthorn/internal/posthorn"
)

func TestIDsReadBackAndSortAsTheirBytes(t *testing.T) {
	t.Parallel()
	draw := rapid.Custom(func(t *rapid.T) posthorn.ActivityID {
		return posthorn.ActivityID(rapid.SliceOfN(rapid.Byte(), 16, 16).Draw(t, "id"))
	})
	rapid.Check(t, func(t *rapid.T) {
		a, b := draw.Draw(t, "a"), draw.Draw(t, "b")
		got, err := posthorn.ParseActivityID(a.String())
		if err != nil || got != a {
			t.Fatalf("%s read back as %s, %v", a, got, err)
		}
		if strings.Compare(a.String(), b.String()) != bytes.Compare(a[:], b[:]) {
			t.Fatalf("%s and %s sort otherwise than their bytes", a, b)
		}
	})
}

func TestIDsHaveAPrefixAndTwentyTwoDigits(t *testing.T) {
	t.Parallel()
	for prefix, id := range map[string]string{"act_": posthorn.NewActivityID().String(), "tenant_": posthorn.NewTenantID().String()} {
		if !strings.HasPrefix(id, prefix) || len(id) != len(prefix)+22 || strings.Contains(id, ".") {
			t.Errorf("id %q, want %s and 22 digits", id, prefix)
		}
	}
	if got := (posthorn.ActivityID{}).String(); got != "act_0000000000000000000000" {
		t.Errorf("zero id = %q", got)
	}
	if got := posthorn.ActivityID(uuid.Max).String(); got != "act_7n42DGM5Tflk9n8mt7Fhc7" {
		t.Errorf("largest id = %q", got)
	}
}

func TestParseIDRefusesWhatIsNone(t *testing.T) {
	t.Parallel()
	good := posthorn.NewActivityID().String()
	for _, s := range []string{
		"", "act_", good[4:], "evt_" + good[4:], good + "0", good[:len(good)-1], "act_7n42DGM5Tflk9n8mt7Fhc8", "act_zzzzzzzzzzzzzzzzzzzzzz",
		"act_000000000000000000000-", "ACT_" + good[4:], " " + good, "act_00000000000000000000é",
	} {
		if id, err := posthorn.ParseActivityID(s); !errors.Is(err, posthorn.ErrBadID) {
			t.Errorf("%q was read as %s, %v", s, id, err)
		}
	}
}

func TestIDsCarryTheirMillisecond(t *testing.T) {
	t.Parallel()
	at := time.Date(2026, 11, 20, 14, 36, 10, 482_999_999, time.UTC)
	id := posthorn.ActivityIDAt(at)
	if got, want := id.Time(), at.Truncate(time.Millisecond); !got.Equal(want) {
		t.Errorf("time = %v, want %v", got, want)
	}
	before := time.Now().Truncate(time.Millisecond)
	a, b := posthorn.NewActivityID(), posthorn.NewActivityID()
	if a.Time().Before(before) || bytes.Compare(a[:], b[:]) >= 0 {
		t.Errorf("ids %s, %s made after %v do not grow", a, b, before)
	}
}

func TestIDsAreTextInJSON(t *testing.T) {
	t.Parallel()
	id := posthorn.NewActivityID()
	b, err := json.Marshal(map[string]posthorn.ActivityID{"id": id})
	if err != nil || string(b) != `{"id":"`+id.String()+`"}` {
		t.Fatalf("%s, %v", b, err)
	}
	var back struct{ ID posthorn.ActivityID }
	if err := json.Unmarshal(b, &back); err != nil || back.ID != id {
		t.Errorf("read back %v, %v", back.ID, err)
	}
	if err := json.Unmarshal([]byte(`{"id":"act_x"}`), &back); !errors.Is(err, posthorn.ErrBadID) {
		t.Errorf("a bad id was read: %v", err)
	}
}
