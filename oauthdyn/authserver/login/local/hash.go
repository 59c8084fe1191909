// SPDX-License-Identifier: Apache-2.0

package local

import (
	"crypto/rand"
	"crypto/subtle"
	"encoding/base64"
	"errors"
	"fmt"
	"log/slog"
	"strings"

	"golang.org/x/crypto/argon2"
)

// Cost of a password hash: the OWASP recommendation for Argon2id with the least
// memory, since anybody can make the server compute one.
const (
	argonTime    = 2
	argonMemory  = 19 << 10 // KiB
	argonThreads = 1
	argonKey     = 32
	argonSalt    = 16

	// maxHashing bounds the hashes computed at the same time, and with it the
	// memory that strangers can claim: 4 times 19 MiB.
	maxHashing = 4
)

// A hash is the Argon2id hash of a password.
type hash struct {
	time, memory uint32
	threads      uint8
	salt, key    []byte
}

func newHash(password string) hash {
	h := nobody()
	h.key = argon2.IDKey([]byte(password), h.salt, h.time, h.memory, h.threads, argonKey)
	return h
}

// nobody returns a hash that no password is known for, and that takes as long to
// check as another.
func nobody() hash {
	h := hash{time: argonTime, memory: argonMemory, threads: argonThreads, salt: make([]byte, argonSalt), key: make([]byte, argonKey)}
	rand.Read(h.salt)
	rand.Read(h.key)
	return h
}

func (h hash) matches(password string) bool {
	key := argon2.IDKey([]byte(password), h.salt, h.time, h.memory, h.threads, uint32(len(h.key)))
	return subtle.ConstantTimeCompare(key, h.key) == 1
}

// encode writes the hash in PHC string format.
func (h hash) encode() string {
	return fmt.Sprintf("$argon2id$v=%d$m=%d,t=%d,p=%d$%s$%s", argon2.Version, h.memory, h.time, h.threads,
		base64.RawStdEncoding.EncodeToString(h.salt), base64.RawStdEncoding.EncodeToString(h.key))
}

// parseHash reads what encode wrote, or another program with other costs.
func parseHash(s string) (h hash, err error) {
	malformed := errors.New("not an Argon2id hash in PHC format")
	parts := strings.Split(s, "$")
	if len(parts) != 6 || parts[0] != "" || parts[1] != "argon2id" || parts[2] != fmt.Sprintf("v=%d", argon2.Version) {
		return h, malformed
	}
	if n, err := fmt.Sscanf(parts[3], "m=%d,t=%d,p=%d", &h.memory, &h.time, &h.threads); err != nil || n != 3 {
		return h, malformed
	}
	if h.memory > 1<<20 || h.time < 1 || h.time > 100 || h.threads < 1 {
		return h, errors.New("costs of the Argon2id hash are out of range")
	}
	h.salt, err = base64.RawStdEncoding.DecodeString(parts[4])
	if err != nil || len(h.salt) < 8 {
		return h, malformed
	}
	h.key, err = base64.RawStdEncoding.DecodeString(parts[5])
	if err != nil || len(h.key) < 16 || len(h.key) > 128 {
		return h, malformed
	}
	return h, nil
}

// String hides the hash.
func (h hash) String() string { return "password hash" }

// LogValue hides the hash.
func (h hash) LogValue() slog.Value { return slog.StringValue(h.String()) }
