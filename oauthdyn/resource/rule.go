// SPDX-License-Identifier: Apache-2.0

package resource

import (
	"encoding/base64"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strings"

	"github.com/atrawog/mcp-oauth-gateway/oauthdyn/internal/plainpath"
)

// A Rule names scopes that some requests need. A request needs the scopes of
// every rule that matches it, so that the order of rules means nothing and one
// more rule never lets more through.
//
// What a rule cannot judge, it matches: a path that is not in plain form, for
// one that looks at paths, and a POST that does not say what it calls, for one
// that looks at MCP methods.
type Rule struct {
	// Path is that of the request, or a directory above it. Empty: any.
	Path string

	// Methods are HTTP methods, in capitals. Empty: all.
	Methods []string

	// MCPMethods are JSON-RPC methods, such as "tools/call". They are read from
	// the Mcp-Method header of MCP 2026-07-28; a POST of an older revision, or
	// without the header, matches. The header comes from the client: the MCP
	// server must check that it fits the body, as that revision requires, or
	// the rule can be evaded. Empty: all, and requests that are no call.
	MCPMethods []string

	// MCPNames are names of tools and prompts, or URIs of resources, as in the
	// Mcp-Name header. They narrow MCPMethods, which must not be empty then.
	MCPNames []string

	// Scopes are what the request needs. At least one is required.
	Scopes []string
}

func (r *Rule) check() error {
	if len(r.Scopes) == 0 {
		return errors.New("a rule names no scope")
	}
	if err := checkScopes(r.Scopes); err != nil {
		return err
	}
	if len(r.MCPNames) > 0 && len(r.MCPMethods) == 0 {
		return errors.New("a rule names an MCP name, but no MCP method")
	}
	if _, ok := plainpath.Parse(r.Path); r.Path != "" && !ok {
		return fmt.Errorf("path %q of a rule is not absolute, or not in plain form", r.Path)
	}
	return nil
}

func (r *Rule) matches(req *http.Request) bool {
	if len(r.Methods) > 0 && !slices.Contains(r.Methods, req.Method) {
		return false
	}
	if r.Path != "" {
		if path, ok := plainpath.Parse(req.URL.EscapedPath()); ok && !plainpath.Under(path, r.Path) {
			return false
		}
	}
	return len(r.MCPMethods) == 0 || r.matchesCall(req)
}

// matchesCall looks at the headers of MCP 2026-07-28.
func (r *Rule) matchesCall(req *http.Request) bool {
	switch req.Method {
	case http.MethodGet, http.MethodHead, http.MethodDelete, http.MethodOptions:
		return false // carries no message
	}
	// Servers of older revisions do not compare the headers with the body.
	version, _ := single(req.Header, "Mcp-Protocol-Version")
	if !since(version, "2026-07-28") {
		return true
	}
	method, ok := single(req.Header, "Mcp-Method")
	if !ok {
		return true
	}
	if !slices.Contains(r.MCPMethods, method) {
		return false
	}
	if len(r.MCPNames) == 0 {
		return true
	}
	name, ok := single(req.Header, "Mcp-Name")
	if ok {
		name, ok = decodeName(name)
	}
	return !ok || slices.Contains(r.MCPNames, name)
}

// single returns the value of a header that must be there once.
func single(h http.Header, name string) (string, bool) {
	values := h[name]
	if len(values) != 1 || values[0] == "" {
		return "", false
	}
	return values[0], true
}

// since compares revisions of MCP, which are dates.
func since(version, first string) bool {
	if len(version) != len(first) {
		return false
	}
	for i := range len(version) {
		if c := version[i]; (c < '0' || c > '9') && (c != '-' || first[i] != '-') {
			return false
		}
	}
	return version >= first
}

// decodeName undoes the encoding of values that a header cannot carry.
func decodeName(value string) (string, bool) {
	encoded, ok := strings.CutPrefix(value, "=?base64?")
	if !ok {
		return value, true
	}
	if encoded, ok = strings.CutSuffix(encoded, "?="); !ok {
		return value, true
	}
	name, err := base64.StdEncoding.DecodeString(encoded)
	return string(name), err == nil
}

// A policy knows which scopes requests need, and which scopes satisfy which.
type policy struct {
	required []string
	rules    []Rule
	// above holds, for a scope, the others that include it.
	above map[string][]string
}

func newPolicy(o *Options) (*policy, error) {
	p := &policy{required: o.RequiredScopes, rules: slices.Clone(o.Rules), above: map[string][]string{}}
	for i := range p.rules {
		if err := p.rules[i].check(); err != nil {
			return nil, err
		}
	}
	for _, scopes := range [][]string{o.Scopes, o.RequiredScopes} {
		if err := checkScopes(scopes); err != nil {
			return nil, err
		}
	}
	for scope := range o.Implies {
		for _, below := range reach(o.Implies, scope) {
			if below != scope {
				p.above[below] = append(p.above[below], scope)
			}
		}
	}
	return p, nil
}

// checkScopes accepts scope tokens of RFC 6749 section 3.3. MCP says that a
// resource should not ask for offline_access, which is between a client and its
// authorization server.
func checkScopes(scopes []string) error {
	for _, scope := range scopes {
		bad := strings.ContainsFunc(scope, func(r rune) bool { return r <= ' ' || r > '~' || r == '"' || r == '\\' })
		if scope == "" || bad {
			return fmt.Errorf("scope %q holds a character that scopes cannot have (RFC 6749 section 3.3)", scope)
		}
		if scope == "offline_access" {
			return errors.New("offline_access is not a scope of a resource; leave it out")
		}
	}
	return nil
}

// reach lists all that a scope includes, directly or through others.
func reach(implies map[string][]string, from string) []string {
	var found []string
	for queue := []string{from}; len(queue) > 0; queue = queue[1:] {
		for _, next := range implies[queue[0]] {
			if !slices.Contains(found, next) {
				found = append(found, next)
				queue = append(queue, next)
			}
		}
	}
	return found
}

// needs returns all scopes that a request needs, in a fixed order.
func (p *policy) needs(req *http.Request) []string {
	needed := p.required
	for i := range p.rules {
		if !p.rules[i].matches(req) {
			continue
		}
		for _, scope := range p.rules[i].Scopes {
			if !slices.Contains(needed, scope) {
				needed = append(slices.Clip(needed), scope)
			}
		}
	}
	return needed
}

// satisfied reports whether all that is needed was granted, directly or with a
// scope above it.
func (p *policy) satisfied(granted *Principal, needed []string) bool {
	for _, scope := range needed {
		if !granted.HasScopes(scope) &&
			!slices.ContainsFunc(p.above[scope], func(above string) bool { return granted.HasScopes(above) }) {
			return false
		}
	}
	return true
}

// all lists the scopes of the metadata: those that are named there, and those
// that requests can need.
func (p *policy) all(named []string) []string {
	all := slices.Clone(named)
	add := func(scopes []string) {
		for _, scope := range scopes {
			if !slices.Contains(all, scope) {
				all = append(all, scope)
			}
		}
	}
	add(p.required)
	for _, rule := range p.rules {
		add(rule.Scopes)
	}
	return all
}
