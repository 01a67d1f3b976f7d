package secretbox

import (
	"bytes"
	"encoding/base64"
	"errors"
	"fmt"
	"strings"
)

// ParseKeys reads keys as they are configured: base64 of [KeySize] bytes each, in
// the standard or the URL alphabet, padded or not, separated by commas. Spaces
// around a key do not matter. The error names every key that is wrong by its
// position, counted from 1, and never shows a key.
func ParseKeys(s string) ([][]byte, error) {
	if strings.TrimSpace(s) == "" {
		return nil, errors.New("no key given")
	}
	var keys [][]byte
	var faults []string
	for i, text := range strings.Split(s, ",") {
		k, fault := parseKey(strings.TrimSpace(text))
		if fault == "" {
			if first := indexOf(keys, k); first >= 0 {
				fault = fmt.Sprintf("repeats key %d", first+1)
			}
		}
		if fault != "" {
			faults = append(faults, fmt.Sprintf("key %d %s", i+1, fault))
		}
		// A faulty key keeps its place, so that positions stay those of the input.
		keys = append(keys, k)
	}
	if len(faults) > 0 {
		return nil, errors.New(strings.Join(faults, "; "))
	}
	return keys, nil
}

// toStandard brings the URL alphabet of base64 to the standard one.
var toStandard = strings.NewReplacer("-", "+", "_", "/")

// parseKey returns the key, or what is wrong with it.
func parseKey(text string) (k []byte, fault string) {
	if text == "" {
		return nil, "is empty"
	}
	raw := strings.TrimRight(toStandard.Replace(text), "=")
	// The decoder skips line breaks; nothing good has one inside a key.
	if len(text)-len(raw) > 2 || strings.ContainsAny(raw, "\r\n") {
		return nil, "is not base64"
	}
	k, err := base64.RawStdEncoding.Strict().DecodeString(raw)
	if err != nil {
		return nil, "is not base64"
	}
	if len(k) != KeySize {
		return nil, fmt.Sprintf("has %d bytes, not %d", len(k), KeySize)
	}
	return k, ""
}

func indexOf(keys [][]byte, k []byte) int {
	for i := range keys {
		if bytes.Equal(keys[i], k) {
			return i
		}
	}
	return -1
}
