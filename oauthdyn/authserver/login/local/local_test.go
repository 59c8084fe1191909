// SPDX-License-Identifier: Apache-2.0

package local

import (
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"sync"
	"testing"
	"time"
)

func mustVerify(t *testing.T, u *Users, name, password string, want bool) {
	t.Helper()
	got, err := u.Verify(t.Context(), name, password)
	if err != nil || got != want {
		t.Errorf("%q %q: %v, %v, want %v", name, password, got, err, want)
	}
}

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

func TestUsers(t *testing.T) {
	u := New()
	must(t, u.Set(" Alice ", "correct horse"))
	mustVerify(t, u, "alice", "correct horse", true)
	mustVerify(t, u, "ALICE", "correct horse", true)
	mustVerify(t, u, "alice", "Correct horse", false)
	mustVerify(t, u, "alice", "", false)
	mustVerify(t, u, "bob", "correct horse", false)
	mustVerify(t, u, "", "", false)
	mustVerify(t, u, "alice\x00", "correct horse", false)
	mustVerify(t, u, "alice", strings.Repeat("x", maxPassword+1), false)
	must(t, u.Set("alice", "battery staple"))
	mustVerify(t, u, "alice", "correct horse", false)
	mustVerify(t, u, "alice", "battery staple", true)
	must(t, u.Delete("alice"))
	must(t, u.Delete("alice"))
	mustVerify(t, u, "alice", "battery staple", false)
}

func TestSetRefuses(t *testing.T) {
	u := New()
	for _, c := range [][2]string{
		{"", "long enough"}, {"a b", "long enough"}, {"ä", "long enough"}, {"-x", "long enough"}, {"a/b", "long enough"}, {strings.Repeat("a", 65), "long enough"},
		{"alice", "short"}, {"alice", strings.Repeat("x", 1025)},
	} {
		if err := u.Set(c[0], c[1]); err == nil || strings.Contains(err.Error(), c[1]) {
			t.Errorf("%q: error %v", c[0], err)
		}
	}
}

func TestFile(t *testing.T) {
	path := filepath.Join(t.TempDir(), "users")
	first, err := Open(path)
	must(t, err)
	second, err := Open(path)
	must(t, err)
	must(t, first.Set("alice", "correct horse"))
	mustVerify(t, second, "alice", "correct horse", true) // another process would see it too
	must(t, second.Set("bob", "battery staple"))
	must(t, first.Set("carol", "third password")) // keeps bob
	names, err := second.Names()
	must(t, err)
	if got := strings.Join(names, " "); got != "alice bob carol" {
		t.Errorf("names %q", got)
	}
	content, err := os.ReadFile(path)
	must(t, err)
	if strings.Contains(string(content), "horse") || strings.Count(string(content), "$argon2id$") != 3 {
		t.Errorf("content %s", content)
	}
	info, err := os.Stat(path)
	must(t, err)
	if runtime.GOOS != "windows" && info.Mode().Perm() != 0o600 {
		t.Errorf("mode %v", info.Mode())
	}
	left, err := filepath.Glob(filepath.Join(filepath.Dir(path), ".users-*"))
	must(t, err)
	if len(left) > 0 {
		t.Errorf("temporary files are left: %v", left)
	}
	must(t, os.Remove(path))
	mustVerify(t, first, "alice", "correct horse", false)
}

func TestWritersKeepEachOther(t *testing.T) {
	path := filepath.Join(t.TempDir(), "users")
	var writers sync.WaitGroup
	const count = 16
	for i := range count {
		u, err := Open(path) // as another process has it
		must(t, err)
		writers.Go(func() {
			if err := u.change(func() { u.hashes[fmt.Sprint("user", i)] = nobody() }); err != nil {
				t.Error(err)
			}
		})
	}
	writers.Wait()
	u, err := Open(path)
	must(t, err)
	if names, err := u.Names(); err != nil || len(names) != count {
		t.Errorf("%d of %d users are left: %v", len(names), count, err)
	}
}

func TestBadFiles(t *testing.T) {
	good := `{"name":"a","hash":"` + newHash("x").encode() + `"}`
	for _, test := range []struct{ name, content, want string }{
		{"not JSON", "alice:secret", "line 1 is not a user"},
		{"second line", good + "\nx", "line 2 is not a user"},
		{"name", `{"name":"a b","hash":""}`, "the name is not valid"},
		{"plain password", `{"name":"a","hash":"secret"}`, "not an Argon2id hash"},
		{"bcrypt", `{"name":"a","hash":"$2y$10$abc"}`, "not an Argon2id hash"},
		{"costs", strings.Replace(good, "m=19456", "m=99999999", 1), "out of range"},
		{"no passes", strings.Replace(good, "t=2", "t=0", 1), "out of range"},
	} {
		path := filepath.Join(t.TempDir(), "users")
		must(t, os.WriteFile(path, []byte(test.content), 0o600))
		_, err := Open(path)
		if err == nil || !strings.Contains(err.Error(), test.want) || strings.Contains(err.Error(), "secret") {
			t.Errorf("%s: error %v, want %q", test.name, err, test.want)
		}
	}
	path := filepath.Join(t.TempDir(), "users")
	must(t, os.WriteFile(path, []byte(good+"\n\n"), 0o600))
	u, err := Open(path)
	must(t, err)
	mustVerify(t, u, "a", "x", true)
	if runtime.GOOS != "windows" {
		must(t, os.Chmod(path, 0o440)) // as Kubernetes mounts a secret
		_, err := Open(path)
		must(t, err)
		for _, mode := range []os.FileMode{0o604, 0o620} {
			must(t, os.Chmod(path, mode))
			if _, err := Open(path); err == nil || !strings.Contains(err.Error(), "chmod 600") {
				t.Errorf("mode %o: %v", mode, err)
			}
		}
	}
}

func TestHashesOfOtherCosts(t *testing.T) {
	// echo -n password | argon2 somesalt -id -t 2 -k 65536 -p 1 -l 24
	h, err := parseHash("$argon2id$v=19$m=65536,t=2,p=1$c29tZXNhbHQ$" + "CTFhFdXPJO1aFaMaO6Mm5c8y7cJHAph8ArZWb2GRPPc")
	must(t, err)
	if !h.matches("password") {
		t.Error("the reference vector does not match")
	}
	if fmt.Sprintf("%v %+v", h, h) != "password hash password hash" {
		t.Errorf("prints as %+v", h)
	}
}

func TestThrottle(t *testing.T) {
	th := newThrottle()
	now := time.Unix(0, 0)
	alice := throttleKeys("alice", "192.0.2.1:1000")
	begin := func(keys []throttleKey, want time.Duration) {
		t.Helper()
		if got := th.begin(keys, now); got != want {
			t.Errorf("wait %v, want %v", got, want)
		}
	}
	for range freeByUser {
		begin(alice, 0)
	}
	begin(alice, 2*time.Second)
	begin(throttleKeys("alice", "192.0.2.1:2000"), 2*time.Second) // the port does not matter
	begin(throttleKeys("alice", "192.0.2.2:1000"), 0)             // her owner is not locked out
	begin(throttleKeys("bob", "192.0.2.1:1000"), 0)
	for _, wait := range []time.Duration{2, 4, 8, 16, 32, 64, 128, 256, 300, 300} {
		begin(alice, wait*time.Second)
		now = now.Add(wait * time.Second)
		begin(alice, 0)
	}
	now = now.Add(longestWait)
	begin(alice, 0)
	th.succeeded(alice)
	for range freeByUser {
		begin(alice, 0)
	}
	now = now.Add(forgetAfter + time.Second)
	for range freeByUser {
		begin(alice, 0)
	}
}

func TestThrottleByAddress(t *testing.T) {
	th := newThrottle()
	now := time.Unix(0, 0)
	attempt := func(user, address string) time.Duration {
		return th.begin(throttleKeys(user, address), now)
	}
	for i := range 3 * freeByAddress { // people who know their passwords, behind one proxy
		keys := throttleKeys(fmt.Sprint("user", i), "192.0.2.1:1")
		if wait := th.begin(keys, now); wait != 0 {
			t.Fatalf("sign-in %d: wait %v", i, wait)
		}
		th.succeeded(keys)
	}
	for i := range freeByAddress { // somebody who does not, in one /64
		address := fmt.Sprintf("[2001:db8::%x]:1", i+1)
		if wait := attempt(fmt.Sprint("user", i), address); wait != 0 {
			t.Fatalf("attempt %d: wait %v", i, wait)
		}
		if wait := attempt("mallory", address); wait == 0 { // succeeds, which does not help with others
			th.succeeded(throttleKeys("mallory", address))
		}
	}
	if wait := attempt("one more", "[2001:db8::ffff]:1"); wait == 0 {
		t.Error("one network can guess the passwords of everybody")
	}
	if wait := attempt("one more", "[2001:db8:0:1::1]:1"); wait != 0 {
		t.Error("another network has to wait")
	}
}

func TestThrottleIsBounded(t *testing.T) {
	th := newThrottle()
	now := time.Unix(0, 0)
	for i := range 2 * maxThrottled {
		th.begin(throttleKeys("x", fmt.Sprintf("10.%d.%d.%d:1", i>>16, i>>8&255, i&255)), now)
	}
	if n := len(th.attempts); n > maxThrottled {
		t.Errorf("%d keys are remembered", n)
	}
}

func FuzzParseHash(f *testing.F) {
	f.Add(newHash("x").encode())
	f.Add("$argon2id$v=19$m=1,t=1,p=1$AAAAAAAAAAA$AAAAAAAAAAAAAAAAAAAAAA")
	f.Add("$argon2id$v=19$m=-1,t=1,p=1$$")
	f.Fuzz(func(t *testing.T, s string) {
		h, err := parseHash(s)
		if err == nil && (h.time == 0 || h.threads == 0 || len(h.salt) == 0 || len(h.key) == 0) {
			t.Errorf("%q: %d passes, %d threads", s, h.time, h.threads)
		}
	})
}
