// SPDX-License-Identifier: Apache-2.0

package shclient

import (
	"fmt"
	"slices"

	"github.com/atrawog/mcp-oauth-gateway/shproxy/jsonrpc"
)

// toolFilter decides which tools the program gets to know.
type toolFilter struct{ allow, deny []string }

func (f toolFilter) passesAll() bool { return len(f.allow) == 0 && len(f.deny) == 0 }

func (f toolFilter) allows(tool string) bool {
	matches := func(pattern string) bool { return matchTool(pattern, tool) }
	return (len(f.allow) == 0 || slices.ContainsFunc(f.allow, matches)) && !slices.ContainsFunc(f.deny, matches)
}

// matchTool compares a name with a pattern. It goes back to the last * only, so
// that its time is bounded by the product of the lengths.
func matchTool(pattern, name string) bool {
	p, n := []rune(pattern), []rune(name)
	i, j := 0, 0
	star, from := -1, 0 // the last *, and where what it stands for began
	for j < len(n) {
		switch {
		case i < len(p) && p[i] == '*':
			star, from = i, j
			i++
		case i < len(p) && (p[i] == '?' || p[i] == n[j]):
			i++
			j++
		case star >= 0:
			from++
			i, j = star+1, from
		default:
			return false
		}
	}
	for i < len(p) && p[i] == '*' {
		i++
	}
	return i == len(p)
}

// refuses returns why a call must not be sent, nil if it may.
func (f toolFilter) refuses(m message) error {
	if f.passesAll() || m.method() != methodCallTool || f.allows(m.param("name")) {
		return nil
	}
	return fmt.Errorf("tool %s is not allowed: the bridge was started with a filter for tools", oneLine(m.param("name")))
}

// apply returns the answer to a request without the tools that the program is
// not to know. The page may be empty then; its cursor stays.
func (f toolFilter) apply(request, answer message) message {
	if f.passesAll() || request.method() != methodListTools || answer.Error.Present() {
		return answer
	}
	list, _ := jsonrpc.Lookup(answer.frame, answer.Result, "tools")
	cuts := jsonrpc.Cuts(answer.frame, list, func(tool jsonrpc.Span) bool {
		name, _ := jsonrpc.Lookup(answer.frame, tool, "name")
		return f.allows(jsonrpc.Text(name.Of(answer.frame)))
	})
	if len(cuts) == 0 {
		return answer
	}
	kept, _ := scan(jsonrpc.AppendSplice(nil, answer.frame, cuts...)) // cuts leave it well-formed
	return kept
}
