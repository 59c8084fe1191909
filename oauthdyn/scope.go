// SPDX-License-Identifier: Apache-2.0

package oauthdyn

import (
	"errors"
	"fmt"
	"slices"
	"strings"
)

const (
	scopeOfflineAccess = "offline_access"

	// A union of scopes that grows beyond these is a server's fault.
	maxScopes     = 100
	maxScopeBytes = 4 << 10
)

// checkScopes accepts scope tokens of RFC 6749 section 3.3, within bounds.
func checkScopes(scopes []string) error {
	size := 0
	for _, s := range scopes {
		size += len(s) + 1
		if !validScope(s) {
			return fmt.Errorf("scope %q: want printable ASCII without blank, quote and backslash (RFC 6749 section 3.3)", peerText(s))
		}
	}
	if len(scopes) > maxScopes || size > maxScopeBytes {
		return fmt.Errorf("too many scopes: %d scopes in %d bytes", len(scopes), size)
	}
	return nil
}

func validScope(s string) bool {
	for i := range len(s) {
		if c := s[i]; c <= ' ' || c > '~' || c == '"' || c == '\\' {
			return false
		}
	}
	return s != ""
}

// unionScopes appends those of more that base does not have.
func unionScopes(base, more []string) []string {
	union := slices.Clone(base)
	for _, s := range more {
		if !slices.Contains(union, s) {
			union = append(union, s)
		}
	}
	return union
}

// coversScopes reports whether all of want are in have.
func coversScopes(have, want []string) bool {
	for _, s := range want {
		if !slices.Contains(have, s) {
			return false
		}
	}
	return true
}

// scopesFor selects what a login asks for: an explicit demand, the
// configuration, the challenge, the resource's metadata, else nothing, which
// leaves it to the authorization server. Of these it is sure; offline is whether
// offline_access is to be asked for, too, which brings a refresh token at
// servers that announce it.
func (c *Client) scopesFor(demand []string, d *Discovery) (scopes []string, offline bool, err error) {
	scopes = demand
	if len(scopes) == 0 && len(c.cfg.Scopes) > 0 {
		return slices.Clone(c.cfg.Scopes), false, nil
	}
	if len(scopes) == 0 {
		scopes = d.Scopes
	}
	if len(scopes) == 0 && d.ResourceMetadata != nil {
		scopes = d.ResourceMetadata.ScopesSupported
	}
	// Alone it would ask for nothing else than a refresh token.
	offline = len(scopes) > 0 && len(c.cfg.Scopes) == 0 && !c.flow.unattended() &&
		slices.Contains(d.Server.ScopesSupported, scopeOfflineAccess) && !slices.Contains(scopes, scopeOfflineAccess)
	scopes = unionScopes(nil, scopes)
	return scopes, offline, checkScopes(scopes)
}

// withOfflineAccess appends offline_access.
func withOfflineAccess(scopes []string) []string {
	return unionScopes(scopes, []string{scopeOfflineAccess})
}

// codeNotAllowed is what Keycloak calls it when a person may not have a refresh
// token that outlives the session.
const codeNotAllowed = "not_allowed"

// deniesScope reports whether a server announces a scope and does not grant it
// to this client or person, and says so instead of leaving it out (RFC 6749
// section 3.3).
func deniesScope(err error) bool {
	return errors.Is(err, &Error{Code: CodeInvalidScope}) || errors.Is(err, &Error{Code: codeNotAllowed})
}

// scopeKey names a set of scopes.
func scopeKey(scopes []string) string {
	sorted := slices.Sorted(slices.Values(scopes))
	return strings.Join(slices.Compact(sorted), " ")
}

// stepUps counts how often a set of scopes was asked for because the resource
// demanded it, so that a resource that is never content cannot open one login
// page after another.
type stepUps struct {
	count map[string]int
}

const (
	maxStepUps       = 2  // for one set of scopes, until one of them helps
	maxStepUpSubject = 64 // sets that are told apart
)

// allow reports whether one more attempt is in order, and counts it.
func (s *stepUps) allow(key string) bool {
	if s.count == nil {
		s.count = map[string]int{}
	}
	if s.count[key] >= maxStepUps || len(s.count) >= maxStepUpSubject && s.count[key] == 0 {
		return false
	}
	s.count[key]++
	return true
}

// settle forgets the attempts for a set that was granted and helped.
func (s *stepUps) settle(key string) { delete(s.count, key) }
