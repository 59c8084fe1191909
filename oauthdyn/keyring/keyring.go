// SPDX-License-Identifier: Apache-2.0

// Package keyring keeps credentials safe with the operating system's keyring:
// the Secret Service on Linux and the BSDs, the Keychain on macOS, the
// Credential Manager on Windows.
//
// The keyring holds a key, and a file the records that are sealed with it.
// Keyrings limit the size of an entry to less than some tokens have, and know
// neither locks nor replacement in one step, which a refresh among several
// processes needs.
package keyring

import (
	"crypto/rand"
	"encoding/base64"
	"errors"
	"fmt"
	"path/filepath"

	"github.com/zalando/go-keyring"

	"github.com/atrawog/mcp-oauth-gateway/oauthdyn"
)

// DefaultService is under which name the keyring shows the key.
const DefaultService = "oauthdyn"

// Options of Open. The zero value is the safe choice.
type Options struct {
	// Service is under which name the keyring shows the key; empty means
	// DefaultService.
	Service string

	// AllowPlain lets Open return a store without encryption, in the same file,
	// where there is no keyring that works: on most servers and in containers.
	AllowPlain bool
}

// Open returns a store in the file path, sealed with a key from the keyring,
// which makes the key at the first time. It may ask a person to unlock the
// keyring. Where that does not work the error says so, unless
// Options.AllowPlain.
//
// A key that is lost, with the keyring or by deleting its entry, makes the file
// worthless: move it away and sign in again.
func Open(path string, o Options) (oauthdyn.CredentialStore, error) {
	service := o.Service
	if service == "" {
		service = DefaultService
	}
	absolute, err := filepath.Abs(path)
	if err != nil {
		return nil, fmt.Errorf("keyring: %w", err)
	}
	key, err := storedKey(service, absolute)
	switch {
	case err != nil && o.AllowPlain:
		return oauthdyn.NewFileStore(absolute), nil
	case err != nil:
		return nil, fmt.Errorf("keyring of the operating system: %w", err)
	}
	return oauthdyn.NewSealedFileStore(absolute, key)
}

// storedKey returns the key of a file. What is made is read again, because of
// two processes that make one at the same time the last one counts.
func storedKey(service, path string) ([]byte, error) {
	text, err := keyring.Get(service, path)
	if errors.Is(err, keyring.ErrNotFound) {
		fresh := make([]byte, oauthdyn.SealedKeyBytes)
		if _, err := rand.Read(fresh); err != nil {
			return nil, err
		}
		if err := keyring.Set(service, path, base64.StdEncoding.EncodeToString(fresh)); err != nil {
			return nil, err
		}
		text, err = keyring.Get(service, path)
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
