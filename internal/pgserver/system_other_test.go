//go:build !linux

package pgserver

import "errors"

func ambientOf(int) (string, error) { return "", errors.ErrUnsupported }
