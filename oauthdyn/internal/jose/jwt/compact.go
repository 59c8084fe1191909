// SPDX-License-Identifier: Apache-2.0

package jwt

import (
	"errors"
	"fmt"
	"strings"

	"github.com/atrawog/mcp-oauth-gateway/oauthdyn/internal/strictjson"
)

// compact is a JWT in compact form whose signature is not checked: RFC 7515
// section 7.1.
type compact struct {
	algorithm string
	typ       string // in lower case, without "application/"
	keyID     string
	header    strictjson.Object
	claims    strictjson.Object
	input     []byte // what is signed
	signature []byte
}

// parseCompact reads a JWT. Extensions that would change what it means are
// refused.
func parseCompact(raw string) (*compact, error) {
	parts := strings.Split(raw, ".")
	if len(parts) != 3 || strings.ContainsAny(raw, "\r\n") { // the decoder skips line breaks
		return nil, errors.New("not a JWS in compact form")
	}
	head, err := decodeObject(parts[0])
	if err != nil {
		return nil, fmt.Errorf("header: %w", err)
	}
	var h struct {
		Algorithm string `json:"alg"`
		Type      string `json:"typ"`
		KeyID     string `json:"kid"`
	}
	if err := head.Decode(&h); err != nil {
		return nil, fmt.Errorf("header: %w", err)
	}
	for _, name := range []string{"crit", "b64", "zip", "enc"} {
		if _, ok := head[name]; ok {
			return nil, fmt.Errorf("header: member %q is not allowed", name)
		}
	}
	sig, err := strict.DecodeString(parts[2])
	if err != nil {
		return nil, errors.New("signature: not base64url")
	}
	payload, err := decodeObject(parts[1])
	if err != nil {
		return nil, fmt.Errorf("claims: %w", err)
	}
	return &compact{
		algorithm: h.Algorithm,
		typ:       strings.TrimPrefix(strings.ToLower(h.Type), "application/"),
		keyID:     h.KeyID,
		header:    head,
		claims:    payload,
		input:     []byte(parts[0] + "." + parts[1]),
		signature: sig,
	}, nil
}

func decodeObject(part string) (strictjson.Object, error) {
	data, err := strict.DecodeString(part)
	if err != nil {
		return nil, errors.New("not base64url")
	}
	return strictjson.Parse(data)
}
