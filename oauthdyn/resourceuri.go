// SPDX-License-Identifier: Apache-2.0

package oauthdyn

import (
	"errors"
	"fmt"
	"net/url"
	"strings"
)

// CanonicalResource returns the canonical URI of an MCP server, the value of
// the resource parameter of RFC 8707: scheme and host in lower case, no default
// port, no slash behind a bare host. Path, query and a slash behind a path are
// kept, because they can be significant. What is not an absolute http or https
// URL, and what holds a user name or a fragment, is an error.
func CanonicalResource(raw string) (string, error) {
	u, err := url.Parse(raw)
	if err != nil {
		return "", fmt.Errorf("resource is not a URL: %w", errors.Unwrap(err))
	}
	switch {
	case u.Scheme != "https" && u.Scheme != "http":
		return "", fmt.Errorf("resource %q: want an absolute http or https URL", raw)
	case u.Host == "" || u.Hostname() == "":
		return "", fmt.Errorf("resource %q has no host", raw)
	case u.User != nil:
		return "", errors.New("resource URL holds a user name or password; remove it")
	case u.Fragment != "" || strings.HasSuffix(raw, "#"):
		return "", fmt.Errorf("resource %q has a fragment; remove it (RFC 8707 section 2)", raw)
	}
	u.Host = strings.TrimPrefix(origin(u), u.Scheme+"://")
	if u.Path == "/" {
		u.Path, u.RawPath = "", ""
	}
	return u.String(), nil
}

// wellKnown inserts a well-known path between host and path of an identifier,
// as RFC 8414 section 3.1 and RFC 9728 section 3.1 ask.
func wellKnown(u *url.URL, suffix string) string {
	v := url.URL{Scheme: u.Scheme, Host: u.Host}
	v.Path = suffix + strings.TrimSuffix(u.Path, "/")
	if u.RawPath != "" {
		v.RawPath = suffix + strings.TrimSuffix(u.RawPath, "/")
	}
	v.RawQuery = u.RawQuery
	return v.String()
}

// ResourceMetadataURL returns where the metadata of a protected resource is
// published: RFC 9728 section 3.1. The error says why resource is not a URL.
func ResourceMetadataURL(resource string) (string, error) {
	u, err := url.Parse(resource)
	if err != nil {
		return "", fmt.Errorf("resource is not a URL: %w", errors.Unwrap(err))
	}
	return wellKnown(u, WellKnownResource), nil
}
