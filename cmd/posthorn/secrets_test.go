package main

import (
	"crypto/rand"
	"encoding/base64"
	"strings"
	"syscall"
	"testing"
)

func newEncryptionKey() string {
	var key [32]byte
	_, _ = rand.Read(key[:])
	return base64.StdEncoding.EncodeToString(key[:])
}

func TestTheEncryptionKeyIsRotatedBesideARunningServer(t *testing.T) {
	t.Parallel()
	in := install(t)
	oldKey, newKey, otherKey := newEncryptionKey(), newEncryptionKey(), newEncryptionKey()
	under := func(keys ...string) []string { return []string{"POSTHORN_SECRET_KEY=" + strings.Join(keys, ",")} }
	if _, stderr, code := in.run(under(oldKey), "bootstrap"); code != exitOK {
		t.Fatal(stderr)
	}
	s := in.serve(under(newKey, oldKey)...)
	for _, step := range []struct {
		keys []string
		args []string
		want string
		code int
	}{
		{[]string{newKey, oldKey}, []string{"doctor"}, "ok    stored secrets: 1 of 1 are not under the first key of POSTHORN_SECRET_KEY\n      Run `posthorn secrets rotate-key`", exitOK},
		{[]string{newKey}, []string{"doctor"}, "FAIL  stored secrets: 1 open with no key of POSTHORN_SECRET_KEY, the first is sec_", exitFailure},
		{[]string{otherKey}, []string{"secrets", "rotate-key"}, "Re-encrypted under the first key of POSTHORN_SECRET_KEY: 0.", exitFailure},
		{[]string{newKey, oldKey}, []string{"secrets", "rotate-key"}, "Re-encrypted under the first key of POSTHORN_SECRET_KEY: 1. Under it already: 0.", exitOK},
		{[]string{newKey, oldKey}, []string{"secrets", "rotate-key"}, "Re-encrypted under the first key of POSTHORN_SECRET_KEY: 0. Under it already: 1.", exitOK},
		{[]string{newKey}, []string{"doctor"}, "ok    stored secrets: 1, all under the first key of POSTHORN_SECRET_KEY", exitOK},
		{[]string{newKey}, []string{"secrets"}, "", exitUsage},
		{[]string{newKey}, []string{"secrets", "rotate-key", "extra"}, "", exitUsage},
	} {
		stdout, stderr, code := in.run(under(step.keys...), step.args...)
		if code != step.code || !strings.Contains(stdout, step.want) {
			t.Errorf("%v: exit code %d\n%s%s", step.args, code, stdout, stderr)
		}
		if step.args[0] == "secrets" && code == exitFailure && !strings.Contains(stderr, "open with no key of POSTHORN_SECRET_KEY") || strings.Contains(stdout+stderr, newKey) {
			t.Errorf("%v: %s", step.args, stderr)
		}
	}
	if err := s.stop(syscall.SIGTERM); err != nil {
		t.Error(err)
	}
}

func TestALongListOfIDsIsCut(t *testing.T) {
	t.Parallel()
	ids := strings.Split(strings.Repeat("sec_1 ", namedAtMost+3), " ")
	if got := enumerate(ids[:namedAtMost+3]); !strings.HasSuffix(got, "sec_1 and 3 more") || strings.Count(got, "sec_1") != namedAtMost {
		t.Error(got)
	}
	if got := enumerate(ids[:2]); got != "sec_1, sec_1" {
		t.Error(got)
	}
}
