package main

import (
	"encoding/json"
	"testing"

	"posthorn/internal/posthorn"
)

func TestDataThatIsNotJSONIsNotSent(t *testing.T) {
	t.Parallel()
	for _, data := range []string{"", "{", `{"a":1},"id":"x"`, `{}{}`, "{\"a\":\"\xff\"}"} {
		o := outgoing{Event: "submission.completed", Data: json.RawMessage(data)}
		if _, err := publish(t.Context(), nil, posthorn.NewTenantID(), o); err == nil || err.Error() != "the data is not valid JSON" {
			t.Errorf("%q: %v", data, err)
		}
	}
}
