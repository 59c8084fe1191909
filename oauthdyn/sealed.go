// SPDX-License-Identifier: Apache-2.0

package oauthdyn

import (
	"crypto/aes"
	"crypto/cipher"
	"encoding/json"
	"errors"
	"fmt"
)

// SealedKeyBytes is the length of the key of a sealed file store, in bytes.
const SealedKeyBytes = 32

// NewSealedFileStore returns a store like that of NewFileStore, whose records
// are encrypted with a key that is kept elsewhere (AES-256-GCM, each record
// bound to its name). A file that was written without a key can be read, and
// each record is sealed when it is saved next. A key of another length than
// SealedKeyBytes is an error. Package keyring keeps the key in the operating
// system's keyring.
func NewSealedFileStore(path string, key []byte) (*FileStore, error) {
	if len(key) != SealedKeyBytes {
		return nil, fmt.Errorf("oauthdyn: key of a sealed store has %d bytes, not %d", len(key), SealedKeyBytes)
	}
	block, err := aes.NewCipher(key)
	if err != nil {
		return nil, fmt.Errorf("oauthdyn: %w", err)
	}
	aead, err := cipher.NewGCMWithRandomNonce(block)
	if err != nil {
		return nil, fmt.Errorf("oauthdyn: %w", err)
	}
	s := NewFileStore(path)
	s.aead = aead
	return s, nil
}

// sealed is an encrypted record in the file.
type sealed struct {
	Sealed []byte `json:"sealed"`
}

var errSealed = errors.New("record is sealed with another key than this program has; move the file away and sign in again")

// seal encodes a record for the file.
func (s *FileStore) seal(name string, c *Credentials) (json.RawMessage, error) {
	raw, err := json.Marshal(c)
	if err != nil || s.aead == nil {
		return raw, err
	}
	return json.Marshal(sealed{s.aead.Seal(nil, nil, raw, []byte(name))})
}

// sealedBytes returns what is in a sealed record, or false if the record is plain.
func sealedBytes(raw json.RawMessage) ([]byte, bool) {
	var box sealed
	if json.Unmarshal(raw, &box) != nil || box.Sealed == nil {
		return nil, false
	}
	return box.Sealed, true
}

// open decodes a record of the file.
func (s *FileStore) open(name string, raw json.RawMessage) (*Credentials, error) {
	if box, ok := sealedBytes(raw); ok {
		if s.aead == nil {
			return nil, errSealed
		}
		plain, err := s.aead.Open(nil, nil, box, []byte(name))
		if err != nil {
			return nil, errSealed
		}
		raw = plain
	}
	c := new(Credentials)
	if json.Unmarshal(raw, c) != nil { // its error could quote a secret
		return nil, s.damaged()
	}
	return c, nil
}
