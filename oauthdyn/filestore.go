// SPDX-License-Identifier: Apache-2.0

package oauthdyn

import (
	"context"
	"crypto/cipher"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"maps"
	"path/filepath"
	"slices"

	"github.com/atrawog/mcp-oauth-gateway/oauthdyn/internal/safefile"
)

const (
	fileStoreVersion = 1
	maxStoreBytes    = 8 << 20
)

// FileStore is a CredentialStore in one JSON file that only its owner can read
// (mode 0600, in a directory of mode 0700 if it has to create one). The file is
// replaced as a whole and flushed to disk before Save returns.
//
// It refuses a file that is a symbolic link, belongs to somebody else or is
// open to other users, and a directory that other users can write to; the error
// tells what to do. On Windows the permissions of the user's profile apply
// instead.
//
// A file of more than 8 MiB, a damaged one, and one from a newer version of this
// package are errors. A FileStore is safe for concurrent use, and processes may
// share a file: their locks are empty files in a directory beside it, whose name
// ends in ".locks".
type FileStore struct {
	path string
	aead cipher.AEAD // seals the records; nil for plain ones
}

// NewFileStore returns a store that keeps its records in the file path. Nothing
// is read or created before the first use.
func NewFileStore(path string) *FileStore {
	if abs, err := filepath.Abs(path); err == nil {
		path = abs // a later chdir must not lose the records
	}
	return &FileStore{path: path}
}

// storeFile is the layout of the file. Records stay raw, so that those of other
// keys are rewritten as they were.
type storeFile struct {
	Version     int                        `json:"version"`
	Credentials map[string]json.RawMessage `json:"credentials"`
}

// Load implements CredentialStore.
func (s *FileStore) Load(_ context.Context, key string) (*Credentials, error) {
	file, err := s.read()
	if err != nil {
		return nil, fmt.Errorf("credential file: %w", err)
	}
	raw, ok := file.Credentials[key]
	if !ok {
		return nil, ErrNoCredentials
	}
	c, err := s.open(key, raw)
	if err != nil {
		return nil, fmt.Errorf("credential file: %w", err)
	}
	return c, nil
}

// List returns all records, in the order of their keys: registrations, grants,
// and those that say which server a client belongs to. A record that cannot be
// opened, because it is sealed with another key for one, is left out, and the
// error says why.
func (s *FileStore) List(context.Context) ([]*Credentials, error) {
	file, err := s.read()
	if err != nil {
		return nil, fmt.Errorf("credential file: %w", err)
	}
	var list []*Credentials
	var failed []error
	for _, key := range slices.Sorted(maps.Keys(file.Credentials)) {
		c, err := s.open(key, file.Credentials[key])
		if err != nil {
			failed = append(failed, fmt.Errorf("credential file: a record: %w", err))
			continue
		}
		list = append(list, c)
	}
	return list, errors.Join(failed...)
}

// Save implements CredentialStore.
func (s *FileStore) Save(ctx context.Context, key string, c *Credentials) error {
	raw, err := s.seal(key, c)
	if err != nil {
		return fmt.Errorf("credential file: %w", err)
	}
	return s.update(ctx, func(records map[string]json.RawMessage) bool {
		records[key] = raw
		return true
	})
}

// Delete implements CredentialStore.
func (s *FileStore) Delete(ctx context.Context, key string) error {
	return s.update(ctx, func(records map[string]json.RawMessage) bool {
		_, ok := records[key]
		delete(records, key)
		return ok
	})
}

// Lock implements Locker.
func (s *FileStore) Lock(ctx context.Context, key string) (unlock func(), err error) {
	sum := sha256.Sum256([]byte(key))
	return s.lock(ctx, hex.EncodeToString(sum[:8]))
}

func (s *FileStore) lock(ctx context.Context, name string) (unlock func(), err error) {
	unlock, err = safefile.Lock(ctx, filepath.Join(s.path+".locks", name))
	if err != nil {
		return nil, fmt.Errorf("credential file: %w", err)
	}
	return unlock, nil
}

// update changes the file under a lock of its own, so that writers of different
// keys do not undo each other's work. A change that returns false writes
// nothing.
func (s *FileStore) update(ctx context.Context, change func(map[string]json.RawMessage) bool) error {
	unlock, err := s.lock(ctx, "file")
	if err != nil {
		return err
	}
	defer unlock()
	file, err := s.read()
	if err != nil {
		return fmt.Errorf("credential file: %w", err)
	}
	if !change(file.Credentials) {
		return nil
	}
	data, err := json.MarshalIndent(file, "", "  ")
	if err != nil {
		return fmt.Errorf("credential file: %w", err)
	}
	if err := safefile.Write(s.path, append(data, '\n')); err != nil {
		return fmt.Errorf("credential file: %w", err)
	}
	return nil
}

func (s *FileStore) read() (*storeFile, error) {
	file := &storeFile{Version: fileStoreVersion, Credentials: map[string]json.RawMessage{}}
	data, err := safefile.Read(s.path, maxStoreBytes)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return file, nil
	case err != nil:
		return nil, err
	}
	switch err := json.Unmarshal(data, file); {
	case err != nil || file.Version < 1: // the error could quote a secret
		return nil, s.damaged()
	case file.Version > fileStoreVersion:
		return nil, fmt.Errorf("%s was written by a newer version of this program (layout %d); update the program", s.path, file.Version)
	case file.Credentials == nil:
		file.Credentials = map[string]json.RawMessage{}
	}
	return file, nil
}

// Sealed reports whether the file holds records that only a store with their key
// can open: those that one from NewSealedFileStore saved. A file that does not
// exist holds none.
func (s *FileStore) Sealed() (bool, error) {
	file, err := s.read()
	if err != nil {
		return false, fmt.Errorf("credential file: %w", err)
	}
	for _, raw := range file.Credentials {
		if _, ok := sealedBytes(raw); ok {
			return true, nil
		}
	}
	return false, nil
}

// String names the file.
func (s *FileStore) String() string { return "file store " + s.path }

// Format prints String for every verb, without the key of a sealed store.
func (s *FileStore) Format(f fmt.State, _ rune) { _, _ = io.WriteString(f, s.String()) }

func (s *FileStore) damaged() error {
	return fmt.Errorf("%s is damaged; move it away and sign in again", s.path)
}
