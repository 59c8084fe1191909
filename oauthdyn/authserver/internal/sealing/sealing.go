// SPDX-License-Identifier: Apache-2.0

// Package sealing makes ciphers for what a server keeps.
package sealing

import (
	"crypto/aes"
	"crypto/cipher"
	"crypto/hkdf"
	"crypto/sha256"
)

// Cipher returns AES-256-GCM with random nonces and a key that is derived from a
// secret of at least 128 bits of entropy (HKDF, RFC 5869). What is sealed for
// one purpose cannot be opened for another.
func Cipher(secret []byte, purpose string) (cipher.AEAD, error) {
	key, err := hkdf.Key(sha256.New, secret, nil, purpose, 32)
	if err != nil {
		return nil, err
	}
	block, err := aes.NewCipher(key)
	if err != nil {
		return nil, err
	}
	return cipher.NewGCMWithRandomNonce(block)
}
