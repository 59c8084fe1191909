// SPDX-License-Identifier: Apache-2.0

package capture

import (
	"bytes"
	"encoding/json"
	"fmt"
	"maps"
	"regexp"
	"slices"
	"strings"

	"github.com/atrawog/mcp-oauth-gateway/shproxy/jsonrpc"
)

// decode reads JSON with numbers as they are written. It is nil for what is none.
func decode(raw []byte) any {
	d := json.NewDecoder(bytes.NewReader(raw))
	d.UseNumber()
	var v any
	if d.Decode(&v) != nil {
		return nil
	}
	return v
}

// equal reports whether two values are the same, whatever the order of members
// and the spelling of numbers. A text that was redacted equals any value.
func equal(a, b any) bool {
	if isRedacted(a) || isRedacted(b) {
		return true
	}
	switch a := a.(type) {
	case map[string]any:
		b, ok := b.(map[string]any)
		return ok && maps.EqualFunc(a, b, equal)
	case []any:
		b, ok := b.([]any)
		return ok && slices.EqualFunc(a, b, equal)
	case json.Number:
		b, ok := b.(json.Number)
		return ok && jsonrpc.Key([]byte(a)) == jsonrpc.Key([]byte(b))
	}
	return a == b
}

func isRedacted(v any) bool {
	text, ok := v.(string)
	return ok && strings.Contains(text, Redacted)
}

// Kind is what became of a value.
type Kind string

// The kinds.
const (
	Added   Kind = "added"
	Removed Kind = "removed"
	Changed Kind = "changed"
)

// A Change is one difference. Before is missing in what was added, After in
// what was removed.
type Change struct {
	Subject  string `json:"subject"` // such as "tool echo"
	Path     string `json:"path"`    // JSONPath (RFC 9535) in the subject; $ is all of it
	Kind     Kind   `json:"change"`
	Before   any    `json:"before,omitempty"`
	After    any    `json:"after,omitempty"`
	Breaking bool   `json:"breaking"`      // for clients of what was before
	Why      string `json:"why,omitempty"` // if it is
}

// plainName is a member that needs no quotes in a path.
var plainName = regexp.MustCompile(`^[A-Za-z_][A-Za-z0-9_]*$`)

// member is the path of a member.
func member(path, name string) string {
	if plainName.MatchString(name) {
		return path + "." + name
	}
	quoted := strings.ReplaceAll(strings.ReplaceAll(name, `\`, `\\`), `'`, `\'`)
	return path + "['" + quoted + "']"
}

// differences are those of two values, for which no rules are known.
func differences(subject, path string, a, b any) []Change {
	if equal(a, b) {
		return nil
	}
	switch before := a.(type) {
	case map[string]any:
		if after, ok := b.(map[string]any); ok {
			return memberDifferences(subject, path, before, after)
		}
	case []any:
		if after, ok := b.([]any); ok {
			return elementDifferences(subject, path, before, after)
		}
	}
	return []Change{{Subject: subject, Path: path, Kind: Changed, Before: a, After: b}}
}

func memberDifferences(subject, path string, before, after map[string]any) (list []Change) {
	for _, name := range names(before, after) {
		a, had := before[name]
		b, has := after[name]
		switch at := member(path, name); {
		case !has:
			list = append(list, Change{Subject: subject, Path: at, Kind: Removed, Before: a})
		case !had:
			list = append(list, Change{Subject: subject, Path: at, Kind: Added, After: b})
		default:
			list = append(list, differences(subject, at, a, b)...)
		}
	}
	return list
}

func elementDifferences(subject, path string, before, after []any) (list []Change) {
	for i := range max(len(before), len(after)) {
		switch at := fmt.Sprintf("%s[%d]", path, i); {
		case i >= len(after):
			list = append(list, Change{Subject: subject, Path: at, Kind: Removed, Before: before[i]})
		case i >= len(before):
			list = append(list, Change{Subject: subject, Path: at, Kind: Added, After: after[i]})
		default:
			list = append(list, differences(subject, at, before[i], after[i])...)
		}
	}
	return list
}

// names are the keys of both maps, in order.
func names[V any](a, b map[string]V) []string {
	all := slices.Collect(maps.Keys(a))
	for name := range b {
		if _, known := a[name]; !known {
			all = append(all, name)
		}
	}
	slices.Sort(all)
	return all
}
