package openapi_test

import (
	"testing"

	"posthorn/internal/contract"
)

func TestTheDocumentAndItsExamplesAreValid(t *testing.T) {
	t.Parallel()
	if _, err := contract.Document(); err != nil {
		t.Error(err)
	}
}
