// SPDX-License-Identifier: Apache-2.0

package keyring

import (
	"bytes"
	"context"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/zalando/go-keyring"

	"github.com/atrawog/mcp-oauth-gateway/oauthdyn"
)

// asProgram makes the test binary a program that uses the system's keyring,
// where tests start one.
var asProgram = func() bool { return false }

// TestMain keeps the example away from the keyring of whoever runs the tests.
func TestMain(m *testing.M) {
	if asProgram() {
		return
	}
	keyring.MockInit()
	os.Exit(m.Run())
}

// A memoryRing says when it is looked at in vain.
type memoryRing struct {
	texts  *sync.Map
	sets   *atomic.Int32
	inVain func(times int) // may be nil
	times  int
}

func newRing() *memoryRing { return &memoryRing{texts: new(sync.Map), sets: new(atomic.Int32)} }

func (r *memoryRing) Get(service, name string) (string, error) {
	if text, ok := r.texts.Load(service + " " + name); ok {
		return text.(string), nil
	}
	r.times++
	if r.inVain != nil {
		r.inVain(r.times)
	}
	return "", keyring.ErrNotFound
}

func (r *memoryRing) Set(service, name, text string) error {
	r.sets.Add(1)
	r.texts.Store(service+" "+name, text)
	return nil
}

// A brokenRing has nothing but an error.
type brokenRing struct{ err error }

func (r brokenRing) Get(string, string) (string, error) { return "", r.err }
func (r brokenRing) Set(string, string, string) error   { return r.err }

func save(t *testing.T, s oauthdyn.CredentialStore) {
	t.Helper()
	if err := s.Save(t.Context(), "k", &oauthdyn.Credentials{Issuer: "https://as.example", Grant: &oauthdyn.Grant{RefreshToken: "hush"}}); err != nil {
		t.Fatal(err)
	}
}

func TestKeyringSealsTheFile(t *testing.T) {
	r := newRing()
	path := filepath.Join(t.TempDir(), "credentials.json")
	s, err := open(r, path, Options{})
	if err != nil {
		t.Fatal(err)
	}
	save(t, s)
	if data, err := os.ReadFile(path); err != nil || strings.Contains(string(data), "hush") {
		t.Errorf("%s, %v", data, err)
	}
	if s, err = open(r, path, Options{}); err != nil { // with the same key
		t.Fatal(err)
	}
	if c, err := s.Load(t.Context(), "k"); err != nil || c.Grant.RefreshToken != "hush" {
		t.Errorf("%v, %v", c, err)
	}
	if _, ok := s.(oauthdyn.Locker); !ok {
		t.Error("processes cannot share the store")
	}
	r.texts.Clear()
	if s, err = open(r, path, Options{}); err != nil {
		t.Fatal(err)
	}
	if _, err := s.Load(t.Context(), "k"); err == nil || !strings.Contains(err.Error(), "another key") {
		t.Errorf("with another key: %v", err)
	}
}

func TestS120NoFallbackUnlessAllowed(t *testing.T) {
	locked := errors.New("the keyring is locked")
	r := brokenRing{locked}
	path := filepath.Join(t.TempDir(), "credentials.json")
	if _, err := open(r, path, Options{}); !errors.Is(err, locked) {
		t.Errorf("got %v", err)
	}
	s, err := open(r, path, Options{AllowPlain: true})
	if err != nil {
		t.Fatal(err)
	}
	save(t, s)
	// The records are sealed once there is a keyring.
	if s, err = open(newRing(), path, Options{}); err != nil {
		t.Fatal(err)
	}
	if c, err := s.Load(t.Context(), "k"); err != nil || c.Grant.RefreshToken != "hush" {
		t.Fatalf("%v, %v", c, err)
	}
	save(t, s)
	if data, err := os.ReadFile(path); err != nil || strings.Contains(string(data), "hush") {
		t.Errorf("%s, %v", data, err)
	}
}

// TestAnswerWithoutSense: the module panics when the session ends in mid-question.
func TestAnswerWithoutSense(t *testing.T) {
	a := newAsker()
	for range 2 { // the second one has its turn
		_, err := a.ask(time.Minute, func(context.Context) ([]byte, error) {
			var signal *struct{ name string }
			return []byte(signal.name), nil
		})
		if err == nil || !strings.Contains(err.Error(), "made no sense") {
			t.Errorf("got %v", err)
		}
	}
}

// TestOneQuestionAtATime: a keyring that does not answer holds one goroutine,
// and everybody gets an error.
func TestOneQuestionAtATime(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a := newAsker()
		answers := make(chan struct{})
		var asked atomic.Int32
		question := func(context.Context) ([]byte, error) {
			asked.Add(1)
			<-answers
			return []byte("key"), nil
		}
		for range 3 {
			if _, err := a.ask(time.Minute, question); err == nil || !strings.Contains(err.Error(), "did not answer within 1m0s") {
				t.Errorf("got %v", err)
			}
		}
		if n := asked.Load(); n != 1 {
			t.Errorf("asked %d times", n)
		}
		close(answers)
		if key, err := a.ask(time.Minute, question); err != nil || string(key) != "key" {
			t.Errorf("once it answers: %q, %v", key, err)
		}
	})
}

// TestOneKeyIsMade: whoever finds no key asks again before it makes one, and
// then nobody else does.
func TestOneKeyIsMade(t *testing.T) {
	for _, looks := range []int{1, 2} { // after so many looks in vain the other one begins
		path := filepath.Join(t.TempDir(), "credentials.json")
		texts, sets := new(sync.Map), new(atomic.Int32)
		otherLooked, otherDone := make(chan struct{}), make(chan struct{})
		var otherKey []byte
		other := func() {
			defer close(otherDone)
			r := &memoryRing{texts: texts, sets: sets, inVain: func(times int) {
				if times == 1 {
					close(otherLooked)
				}
			}}
			var err error
			if otherKey, err = storedKey(t.Context(), r, "s", path); err != nil {
				t.Error(err)
			}
		}
		key, err := storedKey(t.Context(), &memoryRing{texts: texts, sets: sets, inVain: func(times int) {
			if times != looks {
				return
			}
			go other()
			if looks == 1 {
				<-otherDone
			} else {
				<-otherLooked // it cannot be done: this one has the lock
			}
		}}, "s", path)
		if err != nil {
			t.Fatal(err)
		}
		<-otherDone
		if n := sets.Load(); n != 1 || !bytes.Equal(key, otherKey) {
			t.Errorf("after %d looks: %d keys are made, the same one %v", looks, n, bytes.Equal(key, otherKey))
		}
	}
}

func TestNegativeTimeout(t *testing.T) {
	if _, err := Open(filepath.Join(t.TempDir(), "credentials.json"), Options{Timeout: -1}); err == nil {
		t.Error("accepted")
	}
}

func TestForeignEntryIsRefused(t *testing.T) {
	r := newRing()
	path := filepath.Join(t.TempDir(), "credentials.json")
	if err := r.Set("mine", path, "hush"); err != nil {
		t.Fatal(err)
	}
	if _, err := open(r, path, Options{Service: "mine"}); err == nil || strings.Contains(err.Error(), "hush") {
		t.Errorf("got %v", err)
	}
}
