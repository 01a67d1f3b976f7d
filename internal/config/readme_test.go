package config

import (
	"os"
	"strings"
	"testing"
)

func TestReadmeDocumentsEveryVariable(t *testing.T) {
	t.Parallel()
	raw, err := os.ReadFile("../../README.md")
	if err != nil {
		t.Fatal(err)
	}
	readme := string(raw)
	for _, v := range Variables() {
		if !strings.Contains(readme, "| `"+v.Name+"` |") {
			t.Errorf("the table of README.md has no row for %s", v.Name)
		}
	}
}
