// SPDX-License-Identifier: Apache-2.0

// Package redirecturi decides which redirect URIs a client may register, and
// whether a request's URI is one of them: OAuth 2.1 sections 2.3 and 7.5, RFC
// 8252 sections 7 and 8, RFC 9700 section 4.1.
package redirecturi

import (
	"errors"
	"fmt"
	"net/url"
	"slices"
	"strconv"
	"strings"
)

// maxBytes bounds a redirect URI.
const maxBytes = 2048

// PrivateSchemes are private-use schemes without a dot that known MCP clients
// register. RFC 8252 section 7.1 asks for a dot; these came before it was heard.
var PrivateSchemes = []string{"claude", "code-oss", "cursor", "lmstudio", "raycast", "vscode", "vscode-insiders", "windsurf", "zed"}

// responseParams are set by the authorization server and must not be in the
// registered URI too.
var responseParams = []string{"code", "state", "iss", "error", "error_description", "error_uri"}

// Check reports why a redirect URI cannot be registered, or nil. The error does
// not repeat the URI.
func Check(raw string) error {
	if err := checkText(raw); err != nil {
		return err
	}
	u, err := url.Parse(raw)
	if err != nil {
		return errors.New("is not a URI")
	}
	if u.User != nil || strings.Contains(u.Host, "@") {
		return errors.New("holds a user name")
	}
	if err := checkPath(u.EscapedPath() + u.Opaque); err != nil {
		return err
	}
	if err := checkQuery(u.RawQuery); err != nil {
		return err
	}
	switch u.Scheme {
	case "https":
		return checkHost(u)
	case "http":
		if !IsLoopback(raw) {
			return errors.New("uses http, which is accepted only for 127.0.0.1, [::1] and localhost; use https")
		}
		return checkHost(u)
	}
	if strings.Contains(u.Scheme, ".") || slices.Contains(PrivateSchemes, u.Scheme) {
		return nil
	}
	return fmt.Errorf("uses the scheme %q; use https, http on a loopback address, or a private scheme in reverse domain form such as com.example.app", u.Scheme)
}

// checkText refuses bytes that browsers strip, reinterpret or treat as the end.
func checkText(raw string) error {
	if raw == "" || len(raw) > maxBytes {
		return fmt.Errorf("must have 1 to %d bytes", maxBytes)
	}
	for i := range len(raw) {
		switch c := raw[i]; {
		case c <= ' ' || c >= 0x7f:
			return errors.New("holds a space, control or non-ASCII character")
		case strings.IndexByte("\\\"<>^`{|}*", c) >= 0:
			return fmt.Errorf("holds the character %q", string(c))
		case c == '#':
			return errors.New("has a fragment")
		case c == '%':
			b, err := strconv.ParseUint(raw[i+1:min(i+3, len(raw))], 16, 8)
			if err != nil || len(raw) < i+3 {
				return errors.New("holds a malformed percent-encoding")
			}
			if b < ' ' || b == 0x7f {
				return errors.New("holds an encoded control character")
			}
		}
	}
	return nil
}

// checkPath refuses segments that servers resolve differently (CVE-2026-3872).
func checkPath(path string) error {
	lower := strings.ToLower(path)
	for _, hidden := range []string{"%2e", "%2f", "%5c", "@"} {
		if strings.Contains(lower, hidden) {
			return fmt.Errorf("holds %q in its path", hidden)
		}
	}
	for segment := range strings.SplitSeq(path, "/") {
		if name, _, _ := strings.Cut(segment, ";"); name == "." || name == ".." {
			return errors.New("holds a dot segment")
		}
	}
	return nil
}

func checkQuery(raw string) error {
	query, err := url.ParseQuery(raw)
	if err != nil {
		return errors.New("has a malformed query")
	}
	for _, name := range responseParams {
		if query.Has(name) {
			return fmt.Errorf("holds the response parameter %q", name)
		}
	}
	return nil
}

// checkHost wants a plain host name or address, and a port in range.
func checkHost(u *url.URL) error {
	host := u.Hostname()
	if host == "" || u.Opaque != "" {
		return errors.New("has no host")
	}
	if strings.ContainsAny(host, "%_,;!$&'()+=~") || strings.HasPrefix(host, ".") || strings.Contains(host, "..") {
		return errors.New("has a malformed host")
	}
	if strings.HasSuffix(u.Host, ":") {
		return errors.New("has an empty port")
	}
	if port := u.Port(); port != "" {
		if n, err := strconv.ParseUint(port, 10, 16); err != nil || n == 0 {
			return errors.New("has a port out of range")
		}
	}
	return nil
}

// Match reports whether given is one of the registered URIs: byte for byte, but
// for the port of an http loopback URI (RFC 8252 section 7.3).
func Match(registered []string, given string) bool {
	if slices.Contains(registered, given) {
		return true
	}
	host, rest, ok := splitLoopback(given)
	if !ok || Check(given) != nil {
		return false
	}
	return slices.ContainsFunc(registered, func(uri string) bool {
		h, r, ok := splitLoopback(uri)
		return ok && h == host && r == rest
	})
}

// splitLoopback splits an http loopback URI at its port. It accepts the three
// spellings of a loopback host and nothing that merely resolves to one.
func splitLoopback(uri string) (host, rest string, ok bool) {
	tail, ok := strings.CutPrefix(uri, "http://")
	if !ok {
		return "", "", false
	}
	for _, host := range []string{"127.0.0.1", "[::1]", "localhost"} {
		rest, ok := strings.CutPrefix(tail, host)
		if !ok {
			continue
		}
		if digits, ok := strings.CutPrefix(rest, ":"); ok {
			rest = strings.TrimLeft(digits, "0123456789")
		}
		return host, rest, rest == "" || rest[0] == '/' || rest[0] == '?'
	}
	return "", "", false
}

// WithoutPort drops the port of an http loopback URI: what is left is what Match
// compares. Other URIs stay as they are.
func WithoutPort(uri string) string {
	host, rest, ok := splitLoopback(uri)
	if !ok {
		return uri
	}
	return "http://" + host + rest
}

// IsLoopback reports whether the URI leads to the person's own computer by http.
func IsLoopback(uri string) bool {
	_, _, ok := splitLoopback(uri)
	return ok
}

// Append adds parameters to a redirect URI and leaves its own query as it is:
// OAuth 2.1 section 4.1.2.
func Append(uri string, params url.Values) string {
	switch i := strings.IndexByte(uri, '?'); {
	case i < 0:
		return uri + "?" + params.Encode()
	case i == len(uri)-1 || strings.HasSuffix(uri, "&"):
		return uri + params.Encode()
	}
	return uri + "&" + params.Encode()
}
