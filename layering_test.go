// SPDX-License-Identifier: Apache-2.0

package gateway_test

import (
	"slices"
	"strings"
	"testing"
)

// A rule forbids the packages that match from to import the packages that
// match ban, directly or through others. Patterns are relative to the repository
// for its own packages; "/..." covers a package and all below it.
type rule struct {
	from   []string
	except []string // of from
	ban    []string
	direct bool // only the imports in its own source count
	reason string
}

var rules = []rule{
	{
		from:   []string{"oauthdyn/..."},
		ban:    []string{"shproxy/...", "fetchserver/...", "shclient/...", "examples/..."},
		reason: "oauthdyn is the foundation: OAuth for any Go program, bridge or not",
	}, {
		from:   []string{"oauthdyn"},
		ban:    []string{"oauthdyn/resource/...", "oauthdyn/authserver/...", "oauthdyn/oauthdyntest/..."},
		reason: "who only wants the client must not link a server or its storage",
	}, {
		from:   []string{"oauthdyn"},
		ban:    []string{"net/http/httptest", "html/template"},
		reason: "the client serves one loopback request; test servers and pages are not its business",
	}, {
		from:   []string{"oauthdyn"},
		ban:    []string{"github.com/lestrrat-go/jwx/...", "github.com/modelcontextprotocol/go-sdk/...", "github.com/zalando/go-keyring/..."},
		reason: "the client signs two kinds of JWT, which internal/jose/jwt does without a JOSE library, and serves any MCP implementation",
	}, {
		from:   []string{"oauthdyn/gosdk"},
		ban:    []string{"github.com/modelcontextprotocol/go-sdk/mcp", "github.com/lestrrat-go/jwx/..."},
		reason: "the adapter is for the SDK's seam, which is light",
	}, {
		from:   []string{"oauthdyn/resource/..."},
		ban:    []string{"oauthdyn/authserver/..."},
		reason: "a resource server trusts any authorization server, not only ours",
	}, {
		from:   []string{"oauthdyn/resource/..."},
		except: []string{"oauthdyn/resource/gosdk"},
		ban:    []string{"github.com/modelcontextprotocol/go-sdk/..."},
		reason: "tokens can be checked in front of any server; resource/gosdk is for those built with the SDK",
	}, {
		from:   []string{"oauthdyn/authserver/store/memory", "oauthdyn/authserver/store/storetest"},
		ban:    []string{"oauthdyn/authserver/store/bolt", "oauthdyn/authserver/store/redis"},
		reason: "a store must not pull in the database of another",
	}, {
		from:   []string{"oauthdyn/authserver/store/bolt"},
		ban:    []string{"oauthdyn/authserver/store/memory", "oauthdyn/authserver/store/redis"},
		reason: "a store must not pull in another",
	}, {
		from:   []string{"oauthdyn/authserver/store/redis"},
		ban:    []string{"oauthdyn/authserver/store/memory", "oauthdyn/authserver/store/bolt"},
		reason: "a store must not pull in another",
	}, {
		from:   []string{"shproxy/replica"},
		ban:    []string{"shproxy", "shproxy/internal/session", "shproxy/internal/child", "shproxy/replica/redis"},
		reason: "replicas find each other whatever they serve, and by any directory",
	}, {
		from: []string{"oauthdyn/...", "shproxy/...", "fetchserver/...", "shclient/..."},
		except: []string{
			"oauthdyn/authserver/store/redis", "oauthdyn/authserver/original", "oauthdyn/internal/redistest", "oauthdyn/internal/cli", "oauthdyn/cmd/...",
			"shproxy/replica/redis", "shproxy/internal/cli", "shproxy/cmd/...",
		},
		ban:    []string{"github.com/redis/go-redis/..."},
		reason: "only who keeps a store in Redis links a client for it",
	}, {
		from:   []string{"oauthdyn/..."},
		except: []string{"oauthdyn/internal/jose"},
		ban:    []string{"github.com/lestrrat-go/jwx/..."},
		direct: true,
		reason: "internal/jose keeps the JOSE library replaceable",
	}, {
		from:   []string{"oauthdyn/...", "shproxy/...", "fetchserver/...", "shclient/..."},
		except: []string{"oauthdyn/authserver/login/oidc", "oauthdyn/internal/cli", "oauthdyn/cmd/..."},
		ban:    []string{"github.com/coreos/go-oidc/...", "github.com/go-jose/..."},
		reason: "only who signs people in at an OpenID provider links a library for it",
	}, {
		from: []string{"oauthdyn/...", "shproxy/...", "fetchserver/...", "shclient/..."},
		except: []string{
			"oauthdyn/tracing", "oauthdyn/internal/cli", "oauthdyn/cmd/...", "shproxy/internal/cli", "shproxy/cmd/...",
			"fetchserver/internal/cli", "fetchserver/cmd/...",
		},
		ban:    []string{"go.opentelemetry.io/..."},
		reason: "libraries tell of spans by functions of their own; only commands send them",
	}, {
		from:   []string{"oauthdyn/...", "shproxy/...", "fetchserver/...", "shclient/..."},
		ban:    []string{"google.golang.org/grpc/...", "go.opentelemetry.io/otel/exporters/..."},
		reason: "the official exporter of traces costs 7 MB of program and its memory, even if nothing is traced",
	}, {
		from:   []string{"shproxy/...", "fetchserver/..."},
		except: []string{"shproxy/cmd/...", "shproxy/internal/cli", "fetchserver/cmd/...", "fetchserver/internal/cli"},
		ban:    []string{"oauthdyn/..."},
		reason: "the libraries take a func(http.Handler) http.Handler, so that any authentication fits; only their commands choose ours",
	}, {
		from:   []string{"shproxy/..."},
		ban:    []string{"fetchserver/...", "shclient/...", "examples/..."},
		reason: "the bridge knows neither the servers it wraps nor their clients",
	}, {
		from:   []string{"fetchserver/..."},
		ban:    []string{"shproxy/...", "shclient/...", "examples/..."},
		reason: "the fetch server stands alone",
	}, {
		from:   []string{"shclient/..."},
		ban:    []string{"fetchserver/...", "examples/...", "oauthdyn/resource/...", "oauthdyn/authserver/...", "oauthdyn/oauthdyntest/..."},
		reason: "a client must not link a server",
	}, {
		from:   []string{"shclient/..."},
		ban:    []string{"shproxy", "shproxy/internal/...", "shproxy/cmd/..."},
		reason: "the client shares shproxy's wire packages (jsonrpc, sse, mcpheader, era), not its process supervision",
	}, {
		from:   []string{"shclient/internal/render", "shclient/internal/ask", "shclient/internal/peer"},
		ban:    []string{"shclient", "shclient/internal/cli", "github.com/spf13/...", "golang.org/x/term"},
		reason: "what draws, asks and speaks serves any command, also inside the shell, and tests without a process",
	}, {
		from:   []string{"shproxy", "shproxy/jsonrpc", "shproxy/sse", "shproxy/mcpheader", "shproxy/era", "shproxy/internal/..."},
		except: []string{"shproxy/internal/cli"},
		ban:    []string{"github.com/modelcontextprotocol/go-sdk/..."},
		reason: "bytes in, bytes out: typed messages lose what they do not know",
	}, {
		from:   []string{"oauthdyn/...", "shproxy/...", "fetchserver/...", "shclient/..."},
		except: []string{"oauthdyn/oauthdyntest/...", "oauthdyn/authserver/store/storetest", "oauthdyn/authserver/login/internal/logintest", "oauthdyn/internal/redistest", "shproxy/internal/redistest", "shproxy/internal/inbody/inbodytest", "shproxy/replica/replicatest"},
		ban:    []string{"testing", "net/http/httptest"},
		reason: "test support belongs into packages whose names end in test",
	},
}

// listed is the part of a package in go list's output that the rules need.
type listed struct {
	ImportPath string
	Imports    []string
}

func TestLayering(t *testing.T) {
	imports := map[string][]string{}
	for _, p := range goJSON[listed](t, "list", "-deps", "-json=ImportPath,Imports", "work") {
		imports[p.ImportPath] = p.Imports
	}
	for _, r := range rules {
		matched := false
		for _, from := range sortedKeys(imports) {
			if !matchesAny(from, r.from) || matchesAny(from, r.except) {
				continue
			}
			matched = true
			if chain := findImport(imports, from, r); chain != nil {
				t.Errorf("forbidden import: %s\n\t%s", strings.Join(chain, " -> "), r.reason)
			}
		}
		if !matched {
			t.Errorf("the rule about %s matches no package", strings.Join(r.from, ", "))
		}
	}
}

func TestFindImport(t *testing.T) {
	imports := map[string][]string{
		prefix + "/a":   {prefix + "/b", "fmt"},
		prefix + "/b":   {prefix + "/c/d"},
		prefix + "/c/d": {prefix + "/a", "testing"}, // a cycle must not hang the search
	}
	for _, test := range []struct {
		ban    string
		direct bool
		want   string
	}{
		{"c/...", false, prefix + "/a " + prefix + "/b " + prefix + "/c/d"},
		{"c", false, ""},
		{"testing", false, prefix + "/a " + prefix + "/b " + prefix + "/c/d testing"},
		{"fmt", false, prefix + "/a fmt"},
		{"a", false, ""},
		{"b", true, prefix + "/a " + prefix + "/b"},
		{"testing", true, ""},
	} {
		if got := strings.Join(findImport(imports, prefix+"/a", rule{ban: []string{test.ban}, direct: test.direct}), " "); got != test.want {
			t.Errorf("ban %s: chain %q, want %q", test.ban, got, test.want)
		}
	}
}

// findImport returns the shortest chain of imports from a package to one that
// the rule bans, or nil.
func findImport(imports map[string][]string, from string, r rule) []string {
	seen := map[string]bool{from: true}
	for queue := [][]string{{from}}; len(queue) > 0; queue = queue[1:] {
		chain := queue[0]
		for _, next := range imports[chain[len(chain)-1]] {
			if seen[next] {
				continue
			}
			seen[next] = true
			longer := append(slices.Clone(chain), next)
			if matchesAny(next, r.ban) {
				return longer
			}
			if !r.direct {
				queue = append(queue, longer)
			}
		}
	}
	return nil
}

func matchesAny(importPath string, patterns []string) bool {
	name := strings.TrimPrefix(importPath, prefix+"/")
	return slices.ContainsFunc(patterns, func(pattern string) bool {
		if base, ok := strings.CutSuffix(pattern, "/..."); ok {
			return name == base || strings.HasPrefix(name, base+"/")
		}
		return name == pattern
	})
}

func sortedKeys[V any](m map[string]V) []string {
	keys := make([]string, 0, len(m))
	for k := range m {
		keys = append(keys, k)
	}
	slices.Sort(keys)
	return keys
}
