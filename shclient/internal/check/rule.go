// SPDX-License-Identifier: Apache-2.0

package check

import (
	"context"
	"fmt"
	"path"
	"slices"
	"strings"
)

// The protocol versions that are known.
const (
	V20241105 = "2024-11-05"
	V20250326 = "2025-03-26"
	V20250618 = "2025-06-18"
	V20251125 = "2025-11-25" // the last with initialize
	V20260728 = "2026-07-28" // the first without
)

// Versions are all of them, oldest first.
func Versions() []string { return []string{V20241105, V20250326, V20250618, V20251125, V20260728} }

// Level is how strongly the specification demands something (RFC 2119).
type Level string

// The levels. A broken MUST fails the run.
const (
	Must   Level = "MUST"
	Should Level = "SHOULD"
)

// Transport is a set of transports.
type Transport uint8

// The transports. HTTP is Streamable HTTP.
const (
	HTTP Transport = 1 << iota
	Stdio
	Both = HTTP | Stdio
)

func (t Transport) String() string {
	switch t {
	case HTTP:
		return "HTTP"
	case Stdio:
		return "stdio"
	}
	return "HTTP, stdio"
}

// A Rule is one demand of the specification that can be seen from outside.
type Rule struct {
	// ID is theme.name, in lower case.
	ID    string
	Level Level
	// Since and Until are the first and the last protocol version that make the
	// demand; empty means that there is no such bound.
	Since, Until string
	Transports   Transport
	// Section is the page below the specification of a version, and the anchor.
	Section string
	// Elsewhere has the Section in versions where it is another one.
	Elsewhere map[string]string
	// Demand is a line that says what a server has to do.
	Demand string
	// Anonymous means that the rule needs no session, so that it can be tried
	// at a server that wants a login which we do not have.
	Anonymous bool
	// Check tries the rule. It reports what is broken with Probe.Brokenf; an
	// error made by Skipf means that there is nothing to try, and any other that
	// it could not be found out.
	Check func(context.Context, *Probe) error
}

// Rules are all rules, by theme.
func Rules() []Rule {
	return slices.Concat(
		lifecycleRules(),
		jsonrpcRules(),
		httpRules(),
		sseRules(),
		sessionRules(),
		stdioRules(),
		listRules(),
		toolRules(),
		callRules(),
		resourceRules(),
		promptRules(),
		utilityRules(),
		modernRequestRules(),
		modernResultRules(),
		modernPatternRules(),
		oauthRules(),
		observed(), // last: they look at what the others have seen
	)
}

// Applies reports whether the rule is one of a version, over a transport.
func (r *Rule) Applies(version string, t Transport) bool {
	return r.Transports&t != 0 && (r.Since == "" || version >= r.Since) && (r.Until == "" || version <= r.Until)
}

const specification = "https://modelcontextprotocol.io/specification/"

// URL is where the specification of a version makes the demand.
func (r *Rule) URL(version string) string {
	section := r.Section
	if other, ok := r.Elsewhere[version]; ok {
		section = other
	}
	return specification + version + "/" + section
}

// versions names those that the rule applies to.
func (r *Rule) versions() string {
	switch {
	case r.Since == "" && r.Until == "":
		return "all"
	case r.Since == r.Until:
		return r.Since
	case r.Since == "":
		return "to " + r.Until
	case r.Until == "":
		return "since " + r.Since
	}
	return r.Since + " to " + r.Until
}

// Select returns the rules whose ID matches one of the globs in only, or all if
// there are none, and none of those in skip. A glob that matches no rule is an
// error: it is a mistake in writing.
func Select(rules []Rule, only, skip []string) ([]Rule, error) {
	matched := map[string]bool{}
	matches := func(globs []string, id string) (any bool, err error) {
		for _, glob := range globs {
			ok, err := path.Match(glob, id)
			if err != nil {
				return false, fmt.Errorf("%q is no pattern of rules", glob)
			}
			any = any || ok
			matched[glob] = matched[glob] || ok
		}
		return any, nil
	}
	var selected []Rule
	for _, r := range rules {
		in, err := matches(only, r.ID)
		if err != nil {
			return nil, err
		}
		out, err := matches(skip, r.ID)
		if err != nil {
			return nil, err
		}
		if (in || len(only) == 0) && !out {
			selected = append(selected, r)
		}
	}
	for _, glob := range slices.Concat(only, skip) {
		if !matched[glob] {
			return nil, fmt.Errorf("no rule matches %q", glob)
		}
	}
	return selected, nil
}

// List writes one line for each rule: identifier, level, versions and demand.
func List(rules []Rule) string {
	var b strings.Builder
	for _, r := range rules {
		fmt.Fprintf(&b, "%-34s %-6s  %-24s  %s\n", r.ID, r.Level, r.versions(), r.Demand)
	}
	return b.String()
}
