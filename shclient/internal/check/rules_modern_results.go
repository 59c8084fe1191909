// SPDX-License-Identifier: Apache-2.0

package check

import (
	"context"
	"encoding/json"
	"net/http"
	"regexp"
	"slices"
	"strings"
)

// modernResultRules are about what every result has since 2026-07-28, and what
// comes beside it.
func modernResultRules() []Rule {
	return []Rule{
		{
			ID: "discover.result", Level: Must, Since: V20260728, Transports: Both,
			Section: "server/discover#discoverresult",
			Demand:  "the result of server/discover names the supported versions and the capabilities",
			Check: func(ctx context.Context, p *Probe) error {
				s, err := p.Session(ctx)
				if err != nil {
					return err
				}
				p.Show(s.Initialize.Exchange)
				if e := s.Initialize.Error(); e != nil {
					p.Brokenf("server/discover is answered with %v", e)
					return nil
				}
				result := members(s.Initialize.Result())
				var versions []string
				if json.Unmarshal(result["supportedVersions"], &versions) != nil || !slices.Contains(versions, p.Version) {
					p.Brokenf("supportedVersions is %s, and the request was in %s", shown(result["supportedVersions"]), p.Version)
				}
				if kindOf(result["capabilities"]) != "object" {
					p.Brokenf("capabilities is %s", shown(result["capabilities"]))
				}
				return nil
			},
		}, {
			ID: "discover.extensions", Level: Must, Since: V20260728, Transports: Both,
			Section: "basic/versioning#extension-negotiation",
			Demand:  "the identifiers of extensions have a prefix and follow the rules of _meta keys",
			Check: func(ctx context.Context, p *Probe) error {
				s, err := p.Session(ctx)
				if err != nil {
					return err
				}
				extensions := members(s.discover().Capabilities["extensions"])
				if len(extensions) == 0 {
					return Skipf("the server has no extensions")
				}
				p.Show(s.Initialize.Exchange)
				for name := range extensions {
					if !strings.Contains(name, "/") || !metaKey.MatchString(name) {
						p.Brokenf("an extension has the identifier %q", name)
					}
				}
				return nil
			},
		}, {
			ID: "result.type", Level: Must, Since: V20260728, Transports: Both,
			Section: "basic#resulttype",
			Demand:  "every result has a resultType: complete, input_required, or one of an extension that is declared",
			Check: func(ctx context.Context, p *Probe) error {
				return p.eachResult(ctx, func(s *Session, t traffic, result map[string]json.RawMessage) {
					kind := result["resultType"]
					known := text(kind) == "complete" || text(kind) == "input_required"
					extended := text(kind) != "" && len(members(s.discover().Capabilities["extensions"])) > 0
					if !known && !extended {
						p.Brokenf("resultType of %s is %s", t.method, shown(kind))
					}
				})
			},
		}, {
			ID: "result.server-info", Level: Should, Since: V20260728, Transports: Both,
			Section: "basic#meta",
			Demand:  "every result has the server's name and version in _meta",
			Check: func(ctx context.Context, p *Probe) error {
				return p.eachResult(ctx, func(_ *Session, t traffic, result map[string]json.RawMessage) {
					info := members(members(result["_meta"])[metaServerInfo])
					if text(info["name"]) == "" || kindOf(info["version"]) != "string" {
						p.Brokenf("serverInfo of %s is %s", t.method, shown(members(result["_meta"])[metaServerInfo]))
					}
				})
			},
		}, {
			ID: "result.meta-keys", Level: Must, Since: V20260728, Transports: Both,
			Section: "basic#meta",
			Demand:  "the keys of _meta are a name, with a prefix of labels if there is one",
			Check: func(ctx context.Context, p *Probe) error {
				return p.eachResult(ctx, func(_ *Session, t traffic, result map[string]json.RawMessage) {
					for key := range members(result["_meta"]) {
						if !metaKey.MatchString(key) {
							p.Brokenf("_meta of %s has the key %q", t.method, key)
						}
					}
				})
			},
		}, {
			ID: "cache.hints", Level: Must, Since: V20260728, Transports: Both,
			Section: "server/utilities/caching#cacheable-results",
			Demand:  "results that can be cached have a ttlMs of 0 or more, and the cacheScope public or private",
			Check: func(ctx context.Context, p *Probe) error {
				return p.eachResult(ctx, func(_ *Session, t traffic, result map[string]json.RawMessage) {
					if !slices.Contains(cacheable, t.method) || text(result["resultType"]) == "input_required" {
						return
					}
					if !wholeNumber.Match(result["ttlMs"]) {
						p.Brokenf("ttlMs of %s is %s", t.method, shown(result["ttlMs"]))
					}
					if scope := text(result["cacheScope"]); scope != "public" && scope != "private" {
						p.Brokenf("cacheScope of %s is %s", t.method, shown(result["cacheScope"]))
					}
				})
			},
		}, {
			ID: "cache.scope-of-pages", Level: Must, Since: V20260728, Transports: Both,
			Section: "server/utilities/caching#interaction-with-pagination",
			Demand:  "all pages of a list have the same cacheScope",
			Check: func(ctx context.Context, p *Probe) error {
				scopes := map[string]string{}
				return p.eachResult(ctx, func(_ *Session, t traffic, result map[string]json.RawMessage) {
					scope := text(result["cacheScope"])
					if before, ok := scopes[t.method]; ok && scope != before && strings.HasSuffix(t.method, "/list") {
						p.Brokenf("cacheScope of %s is %q, and %q on another page", t.method, before, scope)
					}
					scopes[t.method] = scope
				})
			},
		}, {
			ID: "tools.order", Level: Should, Since: V20260728, Transports: Both,
			Section: "server/tools#capabilities",
			Demand:  "the order of the tools stays the same",
			Check: func(ctx context.Context, p *Probe) error {
				s, err := p.Session(ctx)
				if err != nil {
					return err
				}
				var orders [3]string
				for i := range orders {
					a, err := s.try(ctx, p, "tools/list", p.modern(nil, nil), nil)
					if err != nil {
						return err
					}
					if !a.Served {
						return Skipf("the server has no tools")
					}
					var tools []struct{ Name string }
					_ = json.Unmarshal(members(a.Message.Result())["tools"], &tools) // other rules judge lists
					for _, tool := range tools {
						orders[i] += tool.Name + ", "
					}
				}
				if orders[0] != orders[1] || orders[1] != orders[2] {
					p.Brokenf("the tools are first %q, then %q and %q", orders[0], orders[1], orders[2])
				}
				return nil
			},
		}, {
			ID: "tools.header-annotation", Level: Must, Since: V20260728, Transports: Both,
			Section: "server/tools#x-mcp-header",
			Demand:  "x-mcp-header is the unique name of a header, at an argument of type string, integer or boolean",
			Check: func(ctx context.Context, p *Probe) error {
				s, err := p.Session(ctx)
				if err != nil {
					return err
				}
				tools, err := p.rawTools(ctx, s)
				if err != nil {
					return err
				}
				for _, tool := range tools {
					for _, fault := range annotationFaults(tool["inputSchema"]) {
						p.Brokenf("tool %s: %s", text(tool["name"]), fault)
					}
				}
				return nil
			},
		}, {
			ID: "messages.no-requests", Level: Must, Since: V20260728, Transports: Both,
			Section: "basic/patterns/mrtr",
			Demand:  "the server makes no JSON-RPC requests",
			Check: func(ctx context.Context, p *Probe) error {
				return p.eachBefore(ctx, func(t traffic, m Message) {
					if m.Has("method") && m.Has("id") {
						p.Brokenf("a request for %s comes before the answer to %s", m.Method(), t.method)
					}
				})
			},
		}, {
			ID: "messages.related", Level: Must, Since: V20260728, Transports: Both,
			Section: streamableHTTP + "#receiving-messages",
			Demand:  "notifications before the answer relate to the request: progress and log messages",
			Check: func(ctx context.Context, p *Probe) error {
				return p.eachBefore(ctx, func(t traffic, m Message) {
					if method := m.Method(); strings.HasSuffix(method, "list_changed") || method == "notifications/resources/updated" {
						p.Brokenf("%s comes before the answer to %s", method, t.method)
					}
				})
			},
		}, {
			ID: "messages.no-cancelled", Level: Must, Since: V20260728, Transports: Both,
			Section: "basic/patterns/cancellation#behavior-requirements",
			Demand:  "the server sends notifications/cancelled for nothing but its subscriptions",
			Check: func(ctx context.Context, p *Probe) error {
				return p.eachBefore(ctx, func(t traffic, m Message) {
					if m.Method() == "notifications/cancelled" {
						p.Brokenf("notifications/cancelled comes before the answer to %s", t.method)
					}
				})
			},
		}, {
			ID: "log.asked", Level: Must, Since: V20260728, Transports: Both,
			Section: "server/utilities/logging#per-request-log-level",
			Demand:  "no log messages come for a request without logLevel",
			Check: func(ctx context.Context, p *Probe) error {
				return p.eachBefore(ctx, func(t traffic, m Message) {
					if m.Method() == "notifications/message" {
						p.Brokenf("a log message comes before the answer to %s", t.method)
					}
				})
			},
		}, {
			ID: "log.level-checked", Level: Should, Since: V20260728, Transports: Both,
			Section: "server/utilities/logging#error-handling",
			Demand:  "a logLevel that does not exist is refused with -32602",
			Check: func(ctx context.Context, p *Probe) error {
				s, err := p.Session(ctx)
				if err != nil {
					return err
				}
				if s.discover().Capabilities["logging"] == nil {
					return Skipf("the server has no log messages")
				}
				a, err := s.try(ctx, p, "tools/list", p.modern(nil, map[string]any{metaLogLevel: "loud"}), nil)
				if err == nil && a.code() != codeInvalidParams {
					p.Brokenf("the logLevel %q: %s", "loud", a.refused())
				}
				return err
			},
		}, {
			ID: "http.no-buffering", Level: Should, Since: V20260728, Transports: HTTP,
			Section: streamableHTTP + "#receiving-messages",
			Demand:  "streams have the header X-Accel-Buffering: no",
			Check: func(ctx context.Context, p *Probe) error {
				any := false
				err := p.eachTraffic(ctx, func(_ *Session, t traffic) {
					if t.a.Header != nil && strings.HasPrefix(t.a.Header.Get("Content-Type"), "text/event-stream") {
						if any = true; !strings.EqualFold(t.a.Header.Get("X-Accel-Buffering"), "no") {
							p.Brokenf("the stream for %s is without it", t.method)
						}
					}
				})
				if err == nil && !any {
					return Skipf("nothing is answered with a stream")
				}
				return err
			},
		}, {
			ID: "errors.codes", Level: Must, Since: V20260728, Transports: Both,
			Section: "basic#error-codes",
			Demand:  "no error has a code of an earlier version, or an undefined one from -32020 to -32099",
			Check: func(ctx context.Context, p *Probe) error {
				return p.eachTraffic(ctx, func(_ *Session, t traffic) {
					switch code := t.a.code(); {
					case code == -32002, code == -32042, code <= -32023 && code >= -32099:
						p.Brokenf("%s is answered with code %d", t.method, code)
					}
				})
			},
		}, {
			ID: "http.other-methods", Level: Should, Since: V20260728, Transports: HTTP,
			Section: streamableHTTP + "#earlier-streamable-http-revisions",
			Demand:  "a server of modern versions alone answers GET and DELETE with 405, and gives no session ids",
			Check: func(ctx context.Context, p *Probe) error {
				s, err := p.Session(ctx)
				if err != nil {
					return err
				}
				if s.discover().offers(V20260728) {
					return Skipf("the server speaks earlier versions as well")
				}
				for _, method := range []string{http.MethodGet, http.MethodDelete} {
					p.Forget()
					h := http.Header{"Accept": {"text/event-stream"}}
					h.Set("Mcp-Protocol-Version", p.Version)
					resp, err := p.Do(ctx, HTTPRequest{Method: method, Header: h, HeadOnly: true})
					if err != nil {
						return err
					}
					if resp.Status != http.StatusMethodNotAllowed {
						p.Brokenf("%s is answered with status %d", method, resp.Status)
					}
				}
				if id := s.ID; id != "" || s.Initialize.HTTP != nil && s.Initialize.HTTP.Header.Get(headerSession) != "" {
					p.Forget()
					p.Show(s.Initialize.Exchange)
					p.Brokenf("the answer has a session id")
				}
				return nil
			},
		}, {
			ID: "version.initialize-refused", Level: Should, Since: V20260728, Transports: Both,
			Section: "basic/versioning#backward-compatibility-with-initialization-based-versions",
			Demand:  "a server of modern versions alone names them when it refuses initialize",
			Check: func(ctx context.Context, p *Probe) error {
				s, err := p.Session(ctx)
				if err != nil {
					return err
				}
				if s.discover().offers(V20260728) {
					return Skipf("the server speaks earlier versions as well")
				}
				a, err := s.try(ctx, p, "initialize", InitializeParams(V20251125), func(h http.Header) { h.Del("Mcp-Protocol-Version") })
				switch {
				case err != nil:
					return err
				case a.Served:
					return Skipf("the server takes initialize")
				case !strings.Contains(string(a.Message.Raw), p.Version):
					p.Brokenf("the answer does not name %s", p.Version)
				}
				return nil
			},
		},
	}
}

// cacheable are the methods whose results have hints.
var cacheable = []string{"server/discover", "tools/list", "prompts/list", "resources/list", "resources/templates/list", "resources/read"}

var (
	wholeNumber = regexp.MustCompile(`^[0-9]+$`)
	metaKey     = regexp.MustCompile(`^([A-Za-z]([A-Za-z0-9-]*[A-Za-z0-9])?(\.[A-Za-z]([A-Za-z0-9-]*[A-Za-z0-9])?)*/)?([A-Za-z0-9]([A-Za-z0-9_.-]*[A-Za-z0-9])?)?$`)
)

// shown is a value for findings.
func shown(raw json.RawMessage) string {
	if raw == nil {
		return "missing"
	}
	return bound(string(raw), 200)
}

// annotationFaults says what is wrong with the x-mcp-header annotations of a
// schema.
func annotationFaults(schema json.RawMessage) []string {
	var faults []string
	seen := map[string]bool{}
	// reachable is whether only properties lead from the root to the value.
	var walk func(raw json.RawMessage, reachable bool)
	walk = func(raw json.RawMessage, reachable bool) {
		if kindOf(raw) == "array" {
			var items []json.RawMessage
			_ = json.Unmarshal(raw, &items) // it is an array
			for _, item := range items {
				walk(item, false)
			}
			return
		}
		m := members(raw)
		if annotation, ok := m["x-mcp-header"]; ok {
			name, kind := text(annotation), text(m["type"])
			switch {
			case !isToken(name):
				faults = append(faults, "x-mcp-header "+shown(annotation)+" is no name of a header")
			case !slices.Contains([]string{"string", "integer", "boolean"}, kind):
				faults = append(faults, "x-mcp-header "+name+" is at an argument of type "+shown(m["type"]))
			case !reachable:
				faults = append(faults, "x-mcp-header "+name+" is at a place that is not reached by properties alone")
			case seen[strings.ToLower(name)]:
				faults = append(faults, "x-mcp-header "+name+" is there twice")
			}
			seen[strings.ToLower(name)] = true
		}
		for keyword, value := range m {
			switch keyword {
			case "properties":
				for _, property := range members(value) {
					walk(property, reachable)
				}
			case "default", "examples", "const", "enum": // data, not schemas
			default:
				walk(value, false)
			}
		}
	}
	walk(schema, true)
	return faults
}
