// SPDX-License-Identifier: Apache-2.0

// Package documenturl decides which URLs can be a client id: section 3 of
// draft-ietf-oauth-client-id-metadata-document, and MCP's "Client ID Metadata
// Documents".
package documenturl

import (
	"errors"
	"net/url"
	"slices"
	"strings"
)

// maxBytes bounds a client id.
const maxBytes = 2048

// Check reports why a URL cannot be a client id, or nil. The error does not
// repeat the URL.
func Check(raw string) error {
	if len(raw) > maxBytes {
		return errors.New("is longer than 2048 bytes")
	}
	u, err := url.Parse(raw)
	if err != nil {
		return errors.New("is not a URL")
	}
	switch segments := strings.Split(strings.ToLower(u.EscapedPath()), "/"); {
	case u.Scheme != "https":
		return errors.New("has to be https")
	case u.Hostname() == "" || u.User != nil || strings.ContainsAny(raw, "?#"):
		return errors.New("needs a host, and neither user name, query nor fragment")
	case len(u.Path) < 2:
		return errors.New("needs a path")
	case slices.ContainsFunc(segments, isDots):
		return errors.New("has dot segments")
	}
	return nil
}

func isDots(segment string) bool {
	segment = strings.ReplaceAll(segment, "%2e", ".")
	return segment == "." || segment == ".."
}
