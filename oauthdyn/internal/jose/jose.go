// SPDX-License-Identifier: Apache-2.0

// Package jose signs and verifies access tokens in the JWT profile of RFC 9068
// and reads and writes the key sets around them (RFC 7517). It is the only
// place that knows the JOSE library.
package jose

import "errors"

// Signature algorithms. Nothing else is ever accepted.
const (
	ES256 = "ES256"
	RS256 = "RS256"
	EdDSA = "EdDSA" // RFC 8037, with Ed25519
)

// Algorithms are all of them.
var Algorithms = []string{ES256, RS256, EdDSA}

// TypeAccessToken is the typ header of an access token (RFC 9068 section 2.1).
const TypeAccessToken = "at+jwt"

// MaxTokenBytes bounds a token; longer ones are refused unread.
const MaxTokenBytes = 8 << 10

// ErrUnknownKey reports a token signed by a key that the key set does not hold.
var ErrUnknownKey = errors.New("signed by an unknown key")
