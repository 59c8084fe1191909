// SPDX-License-Identifier: Apache-2.0

// Package keyring keeps credentials safe with the operating system's keyring:
// the Secret Service on Linux and the BSDs, the Keychain on macOS, the
// Credential Manager on Windows.
//
//	store, err := keyring.Open("/home/alice/.config/example/credentials.json", keyring.Options{})
//	if err != nil { … }
//	client, err := oauthdyn.New(oauthdyn.Config{Resource: "https://mcp.example.com/mcp", Store: store})
//
// The keyring holds a key, and a file the records that are sealed with it.
// Keyrings limit the size of an entry to less than some tokens have, and know
// neither locks nor replacement in one step, which a refresh among several
// processes needs.
package keyring

import (
	"context"
	"crypto/rand"
	"encoding/base64"
	"errors"
	"fmt"
	"path/filepath"
	"time"

	"github.com/zalando/go-keyring"

	"github.com/atrawog/mcp-oauth-gateway/oauthdyn"
)

const (
	// DefaultService is under which name the keyring shows the key.
	DefaultService = "oauthdyn"

	// DefaultTimeout is how long Open waits for the keyring, and thus how long a
	// person has who is asked for its password.
	DefaultTimeout = time.Minute
)

// Options of Open. The zero value is the safe choice.
type Options struct {
	// Service is under which name the keyring shows the key; empty means
	// DefaultService.
	Service string

	// AllowPlain lets Open return a store without encryption, in the same file,
	// where there is no keyring that works: on most servers and in containers.
	// Once the file holds sealed records it has no effect.
	AllowPlain bool

	// Timeout is how long to wait for the keyring; 0 means DefaultTimeout, less
	// than 0 is an error.
	Timeout time.Duration
}

// Open returns a store in the file path, sealed with a key that the keyring keeps.
// The first Open makes the key. The keyring may ask a person to unlock it. Where
// that does not work, or takes longer than Options.Timeout, the error says so,
// unless Options.AllowPlain.
//
// A key that is lost, with the keyring or by deleting its entry, makes the file
// worthless: move it away and sign in again.
//
// Open is safe for concurrent use, among processes, too. A question that the
// keyring leaves unanswered cannot be called off: it stays, and later calls in
// this process wait for it as long as their own time allows.
func Open(path string, o Options) (oauthdyn.CredentialStore, error) {
	return open(systemRing{}, path, o)
}

func open(r ring, path string, o Options) (oauthdyn.CredentialStore, error) {
	service := o.Service
	if service == "" {
		service = DefaultService
	}
	timeout := o.Timeout
	switch {
	case timeout < 0:
		return nil, errors.New("keyring: timeout is negative")
	case timeout == 0:
		timeout = DefaultTimeout
	}
	absolute, err := filepath.Abs(path)
	if err != nil {
		return nil, fmt.Errorf("keyring: %w", err)
	}
	key, err := system.ask(timeout, func(ctx context.Context) ([]byte, error) { return storedKey(ctx, r, service, absolute) })
	if err == nil {
		return oauthdyn.NewSealedFileStore(absolute, key)
	}
	err = fmt.Errorf("keyring of the operating system: %w", err)
	if !o.AllowPlain {
		return nil, err
	}
	plain := oauthdyn.NewFileStore(absolute)
	sealed, readErr := plain.Sealed()
	switch {
	case readErr != nil:
		return nil, readErr
	case sealed:
		return nil, fmt.Errorf("%w; without it the records in %s cannot be opened", err, absolute)
	}
	return plain, nil
}

// An asker puts one question at a time, so that no more than one is left with a
// keyring that never answers.
type asker struct {
	turn chan struct{} // holds something while a question is open
}

func newAsker() *asker { return &asker{make(chan struct{}, 1)} }

var system = newAsker()

// ask waits no longer than timeout for the keyring. There is no way to call a
// question off, so nobody waits for one that takes longer.
func (a *asker) ask(timeout time.Duration, question func(context.Context) ([]byte, error)) ([]byte, error) {
	ctx, cancel := context.WithTimeoutCause(context.Background(), timeout,
		fmt.Errorf("it did not answer within %v; does it wait for its password?", timeout))
	defer cancel()
	select {
	case a.turn <- struct{}{}:
	case <-ctx.Done():
		return nil, context.Cause(ctx)
	}
	type outcome struct {
		key []byte
		err error
	}
	answer := make(chan outcome, 1)
	go func() {
		defer func() { <-a.turn }()
		defer func() {
			// The module takes what the keyring says for granted, and is given
			// nothing when the session ends in mid-question.
			if recover() != nil {
				answer <- outcome{err: errors.New("its answer made no sense")}
			}
		}()
		key, err := question(ctx)
		answer <- outcome{key, err}
	}()
	select {
	case o := <-answer:
		return o.key, o.err
	case <-ctx.Done():
		return nil, context.Cause(ctx)
	}
}

// A ring keeps a text under a service and a name; without one Get returns
// keyring.ErrNotFound.
type ring interface {
	Get(service, name string) (string, error)
	Set(service, name, text string) error
}

// systemRing is the operating system's keyring.
type systemRing struct{}

func (systemRing) Get(service, name string) (string, error) {
	if err := reachable(); err != nil {
		return "", err
	}
	text, err := keyring.Get(service, name)
	return text, explain(err)
}

func (systemRing) Set(service, name, text string) error {
	return explain(keyring.Set(service, name, text))
}

// storedKey returns the key of a file. Of several processes that find none one
// makes it, and the others wait.
func storedKey(ctx context.Context, r ring, service, path string) ([]byte, error) {
	text, err := r.Get(service, path)
	if errors.Is(err, keyring.ErrNotFound) {
		var unlock func()
		unlock, err = oauthdyn.NewFileStore(path).Lock(ctx, "keyring")
		if err != nil {
			return nil, err
		}
		defer unlock()
		if text, err = r.Get(service, path); errors.Is(err, keyring.ErrNotFound) {
			text, err = makeKey(r, service, path)
		}
	}
	if err != nil {
		return nil, err
	}
	key, err := base64.StdEncoding.DecodeString(text)
	if err != nil || len(key) != oauthdyn.SealedKeyBytes { // the error could quote the key
		return nil, fmt.Errorf("entry %q of %q is not a key of this program", path, service)
	}
	return key, nil
}

// makeKey returns what the keyring then has: one that a person did not want to
// unlock takes an entry without complaint, and does not keep it.
func makeKey(r ring, service, path string) (string, error) {
	fresh := make([]byte, oauthdyn.SealedKeyBytes)
	if _, err := rand.Read(fresh); err != nil {
		return "", err
	}
	if err := r.Set(service, path, base64.StdEncoding.EncodeToString(fresh)); err != nil {
		return "", err
	}
	return r.Get(service, path)
}
