// SPDX-License-Identifier: Apache-2.0

package jose

import (
	"encoding/base64"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"strings"

	"github.com/lestrrat-go/jwx/v3/jwa"
	"github.com/lestrrat-go/jwx/v3/jws"

	"github.com/atrawog/mcp-oauth-gateway/oauthdyn/internal/strictjson"
)

// A Token is a parsed access token in compact serialization. Its signature is
// not checked yet: only Issuer and KeyID may be used, to find the keys.
type Token struct {
	Issuer    string
	KeyID     string
	Algorithm string

	raw    string
	claims *Claims
}

// LogValue keeps the token itself out of logs.
func (t *Token) LogValue() slog.Value {
	return slog.GroupValue(slog.String("issuer", t.Issuer), slog.String("kid", t.KeyID))
}

// String names the token without showing it.
func (t *Token) String() string { return "token of " + t.Issuer }

// header is the part of a JWS header that matters. Members that would name a
// key or change the meaning of the token are refused, see forbiddenHeaders.
type header struct {
	Algorithm string `json:"alg"`
	Type      string `json:"typ"`
	KeyID     string `json:"kid"`
}

// forbiddenHeaders carry keys or addresses of keys chosen by the sender, or
// extensions that must be understood (RFC 7515 section 4.1, RFC 7797).
var forbiddenHeaders = []string{"jwk", "jku", "x5u", "x5c", "crit", "b64", "zip", "enc"}

// strict refuses the non-canonical forms that let one token have many
// spellings.
var strict = base64.RawURLEncoding.Strict()

// A Profile narrows or widens which tokens are read. The zero value is that of
// RFC 9068.
type Profile struct {
	// Algorithms are those that are allowed. Empty: all of Algorithms.
	Algorithms []string

	// PlainType also allows the type JWT, and none.
	PlainType bool
}

// Parse reads a token as RFC 9068 has it; see Profile.Parse.
func Parse(raw string) (*Token, error) { return Profile{}.Parse(raw) }

// Parse reads a token without trusting it. Algorithms and types that are not
// allowed are refused here, before any key is looked at.
func (f Profile) Parse(raw string) (*Token, error) {
	if len(raw) > MaxTokenBytes {
		return nil, fmt.Errorf("longer than %d bytes", MaxTokenBytes)
	}
	parts := strings.SplitN(raw, ".", 4)
	// The decoder skips line breaks.
	if len(parts) != 3 || strings.ContainsAny(raw, "\r\n") {
		return nil, errors.New("not a JWS in compact form")
	}
	h, err := f.parseHeader(parts[0])
	if err != nil {
		return nil, fmt.Errorf("header: %w", err)
	}
	if _, err := strict.DecodeString(parts[2]); err != nil {
		return nil, errors.New("signature: not base64url")
	}
	payload, err := decodeObject(parts[1])
	if err != nil {
		return nil, fmt.Errorf("claims: %w", err)
	}
	var w Members
	if err := payload.Decode(&w); err != nil {
		return nil, fmt.Errorf("claims: %w", err)
	}
	claims, err := w.Claims()
	if err != nil {
		return nil, fmt.Errorf("claims: %w", err)
	}
	return &Token{Issuer: claims.Issuer, KeyID: h.KeyID, Algorithm: h.Algorithm, raw: raw, claims: claims}, nil
}

func decodeObject(part string) (strictjson.Object, error) {
	data, err := strict.DecodeString(part)
	if err != nil {
		return nil, errors.New("not base64url")
	}
	return strictjson.Parse(data)
}

func (f Profile) parseHeader(part string) (h header, err error) {
	obj, err := decodeObject(part)
	if err != nil {
		return h, err
	}
	for _, name := range forbiddenHeaders {
		if _, ok := obj[name]; ok {
			return h, fmt.Errorf("member %q is not allowed", name)
		}
	}
	if err := obj.Decode(&h); err != nil {
		return h, err
	}
	if !slices.Contains(Algorithms, h.Algorithm) || len(f.Algorithms) > 0 && !slices.Contains(f.Algorithms, h.Algorithm) {
		return h, fmt.Errorf("algorithm %q is not allowed", h.Algorithm)
	}
	if !f.allowsType(h.Type) {
		return h, fmt.Errorf("type %q is not an access token (RFC 9068)", h.Type)
	}
	return h, nil
}

func (f Profile) allowsType(typ string) bool {
	// RFC 7515 section 4.1.9: "application/" may be left out.
	typ = strings.TrimPrefix(strings.ToLower(typ), "application/")
	return typ == TypeAccessToken || f.PlainType && (typ == "jwt" || typ == "")
}

// Verify checks the signature and returns the claims. The error is
// ErrUnknownKey if a newer key set could help.
func (t *Token) Verify(keys *PublicKeys) (*Claims, error) {
	fitting, err := keys.find(t.KeyID, t.Algorithm)
	if err != nil {
		return nil, err
	}
	alg, ok := jwa.LookupSignatureAlgorithm(t.Algorithm)
	if !ok {
		return nil, fmt.Errorf("algorithm %q is not allowed", t.Algorithm)
	}
	for _, key := range fitting {
		if _, err := jws.Verify([]byte(t.raw), jws.WithKey(alg, key)); err == nil {
			return t.claims, nil
		}
	}
	return nil, errors.New("signature is wrong")
}
