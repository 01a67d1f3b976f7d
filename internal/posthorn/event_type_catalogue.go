package posthorn

import (
	"bytes"
	"embed"
	"encoding/json"
	"fmt"
	"slices"
	"sync"
)

// catalogueFiles describe the built-in event types, one file a category. A type without a schema of its own has that of
// its category.
//
//go:embed catalogue/*.json
var catalogueFiles embed.FS

// builtInCategories lists the categories in the order in which people read them.
var builtInCategories = []string{
	"submission", "invitation", "aml", "integration", "verification", "user", "action", "challenge", "reward", "achievement",
	"referral", categoryActivity, categoryWebhook, categoryDelivery,
}

// catalogueFile is the description of a category.
type catalogueFile struct {
	Label  string          `json:"label"`
	Schema json.RawMessage `json:"schema"`
	Types  []struct {
		Event       string          `json:"event"`
		Description string          `json:"description"`
		Schema      json.RawMessage `json:"schema"`
		Example     json.RawMessage `json:"example"`
	} `json:"types"`
}

// catalogue is the built-in event types, in order and by name, and the labels of their categories.
type catalogue struct {
	types  []EventType
	byName map[string]EventType
	labels map[string]string
}

// builtInCatalogue reads the files once. They are part of the program, so one that cannot be read is a fault of the
// program.
var builtInCatalogue = sync.OnceValue(func() catalogue {
	c := catalogue{byName: map[string]EventType{}, labels: map[string]string{}}
	for _, category := range builtInCategories {
		if err := c.read(category); err != nil {
			panic(fmt.Errorf("read the catalogue of %s events: %w", category, err))
		}
	}
	return c
})

func (c *catalogue) read(category string) error {
	raw, err := catalogueFiles.ReadFile("catalogue/" + category + ".json")
	if err != nil {
		return err
	}
	var file catalogueFile
	if err := json.Unmarshal(raw, &file); err != nil {
		return err
	}
	c.labels[category] = file.Label
	for _, t := range file.Types {
		if t.Schema == nil {
			t.Schema = file.Schema
		}
		made := EventType{
			Event: t.Event, Category: category, Description: t.Description, Enforcement: EnforcementWarn, BuiltIn: true,
		}
		if made.Schema, err = compactJSON(t.Schema); err != nil {
			return fmt.Errorf("schema of %s: %w", t.Event, err)
		}
		if made.Example, err = compactJSON(t.Example); err != nil {
			return fmt.Errorf("example of %s: %w", t.Event, err)
		}
		c.types = append(c.types, made)
		c.byName[t.Event] = made
	}
	return nil
}

// compactJSON returns JSON without the white space between its tokens.
func compactJSON(raw json.RawMessage) (json.RawMessage, error) {
	var out bytes.Buffer
	err := json.Compact(&out, raw)
	return out.Bytes(), err
}

// BuiltInEventTypes returns the event types that come with Posthorn, by category, in the order in which people read them.
func BuiltInEventTypes() []EventType { return slices.Clone(builtInCatalogue().types) }
