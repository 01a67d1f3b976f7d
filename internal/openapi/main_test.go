package openapi_test

import (
	"testing"

	"posthorn/internal/testkit"
)

func TestMain(m *testing.M) { testkit.Main(m) }
