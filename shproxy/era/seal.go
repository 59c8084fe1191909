// SPDX-License-Identifier: Apache-2.0

package era

import (
	"bytes"
	"crypto/aes"
	"crypto/cipher"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"errors"
	"strings"
	"time"

	"github.com/atrawog/mcp-oauth-gateway/shproxy/jsonrpc"
)

// Sealer makes the requestState of calls that wait for their client: what it
// says is hidden, cannot be made up or changed, and is good for one principal.
// It is safe for concurrent use.
type Sealer struct {
	aead   cipher.AEAD
	prefix string
}

// NewSealer returns a sealer with a key of its own, so that what it sealed is
// worth nothing once it is gone: neither is the call.
func NewSealer() *Sealer { return NewSealerAt("") }

// NewSealerAt returns a sealer whose requestState tells, for everybody to read,
// where the call waits: that is what [Place] returns. A place has no dot.
func NewSealerAt(place string) *Sealer {
	key := make([]byte, 32)
	rand.Read(key)
	block, err := aes.NewCipher(key)
	if err != nil {
		panic(err) // the key has the right length
	}
	aead, err := cipher.NewGCMWithRandomNonce(block)
	if err != nil {
		panic(err)
	}
	prefix := statePrefix
	if place != "" {
		prefix += place + "."
	}
	return &Sealer{aead, prefix}
}

// statePrefix marks what a Sealer made.
const statePrefix = "mcp-bridge-1."

// Place returns where a call waits whose requestState comes from a sealer of
// [NewSealerAt]. What it says may be made up.
func Place(state string) (place string, ok bool) {
	text, ours := strings.CutPrefix(state, statePrefix)
	if !ours || len(state) > maxState {
		return "", false
	}
	place, _, ok = strings.Cut(text, ".")
	return place, ok
}

// maxState bounds a requestState of ours.
const maxState = 1 << 10

// Ticket says which call a requestState is for.
type Ticket struct {
	Process string    `json:"p"` // the conversation with the server that the call is part of
	Call    uint64    `json:"c"` // in that conversation
	Round   int       `json:"r"` // a ticket is good for one try
	Expires time.Time `json:"e"`
	Request []byte    `json:"d"` // digest of what was asked
}

// ErrState is returned for a requestState that is none of ours, was changed,
// belongs to somebody else, or has expired.
var ErrState = errors.New("requestState is not valid, or not any more; send the request anew without it")

// Seal returns the requestState for a ticket of the principal.
func (s *Sealer) Seal(principal string, t Ticket) string {
	text, err := json.Marshal(t)
	if err != nil {
		panic(err) // there is nothing in it that could not be encoded
	}
	return s.prefix + base64.RawURLEncoding.EncodeToString(s.aead.Seal(nil, nil, text, []byte(principal)))
}

// Open returns the ticket that was sealed for the principal, or [ErrState].
func (s *Sealer) Open(principal, state string, now time.Time) (Ticket, error) {
	var t Ticket
	text, ours := strings.CutPrefix(state, s.prefix)
	if !ours || len(state) > maxState {
		return t, ErrState
	}
	sealed, err := base64.RawURLEncoding.DecodeString(text)
	if err != nil {
		return t, ErrState
	}
	plain, err := s.aead.Open(nil, nil, sealed, []byte(principal))
	if err != nil || json.Unmarshal(plain, &t) != nil || !now.Before(t.Expires) {
		return Ticket{}, ErrState
	}
	return t, nil
}

// State returns the requestState in a request, decoded.
func State(frame []byte, m jsonrpc.Message) (state string, ok bool) {
	if m.Kind != jsonrpc.Request || !bytes.Contains(m.Params.Of(frame), []byte(memberState)) {
		return "", false
	}
	span, ok := jsonrpc.Lookup(frame, m.Params, memberState)
	return jsonrpc.Text(span.Of(frame)), ok
}

// The members that a retry adds to a request (MCP 2026-07-28, multi round-trip
// requests).
const (
	memberState     = "requestState"
	memberResponses = "inputResponses"
)

// fingerprint is a digest of what a request asks for: its method and its
// params, whatever their order and spelling, without what a retry may change.
func fingerprint(frame []byte, m jsonrpc.Message) []byte {
	hash := sha256.New()
	hash.Write([]byte(jsonrpc.Text(m.Method.Of(frame))))
	for _, name := range []string{"name", "uri", "arguments"} {
		span, ok := jsonrpc.Lookup(frame, m.Params, name)
		if !ok {
			hash.Write([]byte{0})
			continue
		}
		hash.Write([]byte{1})
		hash.Write(canonical(span.Of(frame)))
	}
	return hash.Sum(nil)
}

// canonical spells raw JSON in one way: members sorted, no spaces, numbers as
// they were.
func canonical(raw []byte) []byte {
	decoder := json.NewDecoder(bytes.NewReader(raw))
	decoder.UseNumber()
	var value any
	if decoder.Decode(&value) != nil {
		return raw
	}
	text, err := json.Marshal(value)
	if err != nil {
		return raw
	}
	return text
}
