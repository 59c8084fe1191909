// SPDX-License-Identifier: Apache-2.0

package main

import (
	"context"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"
)

// addTokens adds what looks at who calls. None of it proves anything: that is
// for whoever checks the token, in front of the server or in it.
func (s *server) addTokens() {
	add(s, "bearerDecode", "Decode the JWT of the Authorization header. Its signature is not verified, and not shown",
		`{"type": "object", "additionalProperties": false, "properties": {
			"includeRaw": {"type": "boolean", "default": false, "description": "Include the header and the payload as they are encoded"}}}`, bearerDecode)
	add(s, "authContext", "Display what the current request says about who makes it", noArguments, authContext)
	add(s, "whoIStheGOAT", "Employs cutting-edge artificial intelligence, which is an if, to find the greatest programmer of all time", noArguments, whoIsTheGOAT)
}

// maxToken bounds what is decoded.
const maxToken = 16 << 10

// A jwt is a token in its parts (RFC 7519), unverified.
type jwt struct {
	parts          []string
	header, claims map[string]any
}

func decodeJWT(token string) (*jwt, error) {
	t := &jwt{parts: strings.Split(token, ".")}
	switch n := len(t.parts); {
	case len(token) > maxToken:
		return nil, fmt.Errorf("it is longer than %d characters", maxToken)
	case n == 5:
		return nil, errors.New("it is encrypted: only the server that it is for can read it")
	case n != 3:
		return nil, fmt.Errorf("a JWT has 3 parts, this has %d: it is opaque, and only its issuer can tell what it says", n)
	}
	for i, v := range []*map[string]any{&t.header, &t.claims} {
		data, err := base64.RawURLEncoding.DecodeString(strings.TrimRight(t.parts[i], "="))
		if err != nil {
			return nil, fmt.Errorf("part %d is no Base64URL", i+1)
		}
		decoder := json.NewDecoder(strings.NewReader(string(data)))
		decoder.UseNumber()
		if decoder.Decode(v) != nil || *v == nil {
			return nil, fmt.Errorf("part %d holds no JSON object", i+1) // without the text, which may be anything
		}
	}
	return t, nil
}

// bearer is the token of the Authorization header.
func (c call) bearer() (token string, present, isBearer bool) {
	value := c.header().Get("Authorization")
	scheme, token, _ := strings.Cut(value, " ")
	return strings.TrimSpace(token), value != "", strings.EqualFold(scheme, "Bearer")
}

func bearerDecode(_ context.Context, c call, in struct {
	IncludeRaw bool `json:"includeRaw"`
}) (string, error) {
	p := newPage("Bearer Token Analysis")
	token, present, isBearer := c.bearer()
	if !present || !isBearer {
		p.note(missing(c, present))
		return p.String(), nil
	}
	t, err := decodeJWT(token)
	if err != nil {
		p.note("No JWT that can be read: " + err.Error())
		return p.String(), nil
	}
	p.note("Valid JWT structure; the signature was not verified")
	p.section("Header")
	showClaims(p, t.header, []claimLabel{{"alg", "Algorithm"}, {"typ", "Type"}, {"kid", "Key ID"}})
	p.section("Payload")
	rest := showClaims(p, t.claims, []claimLabel{{"iss", "Issuer"}, {"sub", "Subject"}, {"aud", "Audience"}, {"jti", "JWT ID"}})
	for _, l := range []claimLabel{{"iat", "Issued At"}, {"nbf", "Not Before"}, {"exp", "Expires"}} {
		if value, ok := rest[l.name]; ok {
			p.line(l.label, "%s", moment(l.name, value))
			delete(rest, l.name)
		}
	}
	if len(rest) > 0 {
		p.section("Custom Claims")
		for _, name := range slices.Sorted(maps.Keys(rest)) {
			p.line(shown(name), "%s", claim(rest[name]))
		}
	}
	p.section("Signature")
	if t.parts[2] == "" {
		p.note("Missing")
	} else {
		p.note(fmt.Sprintf("Present (%d characters, not shown: with them others could use the token)", len(t.parts[2])))
	}
	if in.IncludeRaw {
		p.section("Raw Parts")
		p.line("Header", "%s", shown(t.parts[0]))
		p.line("Payload", "%s", shown(t.parts[1]))
	}
	return p.String(), nil
}

// missing says why there is no token to look at.
func missing(c call, present bool) string {
	switch {
	case c.header() == nil:
		return onStdio
	case present:
		return "The Authorization header has another scheme than Bearer"
	}
	return "No Authorization header found: none was sent, or the proxy in front keeps it for itself"
}

type claimLabel struct{ name, label string }

// showClaims shows those that have a label, and returns the others.
func showClaims(p *page, claims map[string]any, labels []claimLabel) (rest map[string]any) {
	rest = maps.Clone(claims)
	for _, l := range labels {
		if value, ok := rest[l.name]; ok {
			p.line(l.label, "%s", claim(value))
			delete(rest, l.name)
		}
	}
	return rest
}

func claim(value any) string {
	if text, ok := value.(string); ok {
		return shown(text)
	}
	data, err := json.Marshal(value)
	if err != nil {
		return "?"
	}
	return shown(string(data))
}

// moment shows a NumericDate and how far off it is.
func moment(name string, value any) string {
	number, ok := value.(json.Number)
	seconds, err := number.Float64()
	if !ok || err != nil || seconds < 0 || seconds > 1e11 {
		return claim(value) + " (no date)"
	}
	at := time.Unix(int64(seconds), 0)
	away := time.Until(at).Round(time.Second)
	switch {
	case away >= 0:
		return fmt.Sprintf("%s (in %s)", instant(at), away)
	case name == "exp":
		return fmt.Sprintf("%s (EXPIRED %s ago!)", instant(at), -away)
	}
	return fmt.Sprintf("%s (%s ago)", instant(at), -away)
}

func authContext(_ context.Context, c call, _ none) (string, error) {
	p := newPage("Authentication Context Analysis")
	p.section("Bearer Token")
	token, present, isBearer := c.bearer()
	if present && isBearer {
		p.note(fmt.Sprintf("Present (length: %d)", len(token)))
		if t, err := decodeJWT(token); err == nil {
			showClaims(p, t.claims, []claimLabel{{"sub", "Subject"}, {"client_id", "Client ID"}, {"scope", "Scope"}})
		}
	} else {
		p.note(missing(c, present))
	}
	p.section("OAuth Headers")
	found := false
	for _, l := range []claimLabel{
		{"X-User-Id", "User ID"}, {"X-User-Name", "User Name"}, {"X-Auth-Token", "Auth Token"}, {"X-Client-Id", "Client ID"}, {"X-Oauth-Client", "OAuth Client"},
	} {
		if value := c.header().Get(l.name); value != "" {
			p.line(l.label, "%s", headerValue(l.name, value))
			found = true
		}
	}
	if !found {
		p.note("No OAuth headers found")
	}
	p.section("Client")
	info, protocol, _ := c.client()
	p.line("Name", "%s v%s", shown(info.Name), shown(info.Version))
	p.line("Protocol Version", "%s", shown(protocol))
	return p.String(), nil
}

func whoIsTheGOAT(_ context.Context, c call, _ none) (string, error) {
	p := newPage("G.O.A.T. PROGRAMMER IDENTIFICATION SYSTEM v3.14159")
	name := c.person()
	if name == "" {
		p.note("AUTHENTICATION REQUIRED: greatness is never anonymous.")
		return p.String(), nil
	}
	p.section("ADVANCED AI ANALYSIS COMPLETE")
	p.line("Subject", "%s", name)
	p.line("Code Quality Score", "100/100 (the scale has been recalled)")
	p.line("Session Management", "%s, as it should be", c.server.form())
	p.section("CONCLUSION")
	p.note(fmt.Sprintf("By the unanimous vote of one branch, it is %s.", name))
	return p.String(), nil
}

// person is what the request calls its user, or empty.
func (c call) person() string {
	if token, _, isBearer := c.bearer(); isBearer {
		if t, err := decodeJWT(token); err == nil {
			for _, name := range []string{"name", "preferred_username", "username", "sub"} {
				if value, ok := t.claims[name].(string); ok && value != "" {
					return shown(value)
				}
			}
		}
	}
	for _, field := range []string{"X-User-Name", "X-User-Id"} {
		if value := c.header().Get(field); value != "" {
			return shown(value)
		}
	}
	return ""
}
