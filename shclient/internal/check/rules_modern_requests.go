// SPDX-License-Identifier: Apache-2.0

package check

import (
	"bytes"
	"context"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"net/http"
	"slices"
	"strings"
)

const streamableHTTP = "basic/transports/streamable-http"

// modernRequestRules are about what a server makes of the metadata of requests
// since 2026-07-28.
func modernRequestRules() []Rule {
	return []Rule{
		{
			ID: "meta.required", Level: Must, Since: V20260728, Transports: Both,
			Section: "basic#meta",
			Demand:  "a request without a required member of _meta is refused with -32602",
			Check: func(ctx context.Context, p *Probe) error {
				return p.eachAttempt(ctx, incomplete, func(name string, a *attempt) {
					switch {
					case a.Served:
						p.Brokenf("a request without %s is served", name)
					case a.code() == codeMismatch && name == metaVersion && a.Status != 0:
						// The header has then no value in the body that it could repeat.
					case a.code() != codeInvalidParams:
						p.Brokenf("a request without %s is refused with %s", name, a.refused())
					}
				})
			},
		}, {
			ID: "meta.required-status", Level: Must, Since: V20260728, Transports: HTTP,
			Section: "basic#meta",
			Demand:  "the refusal of a request without a required member of _meta has status 400",
			Check: func(ctx context.Context, p *Probe) error {
				return p.eachAttempt(ctx, incomplete, func(name string, a *attempt) {
					if !a.Served && a.Status != http.StatusBadRequest {
						p.Brokenf("a request without %s is refused with status %d", name, a.Status)
					}
				})
			},
		}, {
			ID: "version.unsupported", Level: Must, Since: V20260728, Transports: Both,
			Section: "basic/versioning#protocol-version-negotiation",
			Demand:  "a request in an unknown version is refused with -32022",
			Check: func(ctx context.Context, p *Probe) error {
				return p.eachAttempt(ctx, futureVersion, func(name string, a *attempt) {
					if a.Served {
						p.Brokenf("a request in version %s is served", name)
					} else if a.code() != codeOtherVersion {
						p.Brokenf("a request in version %s is refused with %s", name, a.refused())
					}
				})
			},
		}, {
			ID: "version.unsupported-data", Level: Must, Since: V20260728, Transports: Both,
			Section: "basic/versioning#protocol-version-negotiation",
			Demand:  "the refusal of an unknown version has data with the supported versions and the requested one",
			Check: func(ctx context.Context, p *Probe) error {
				return p.eachAttempt(ctx, futureVersion, func(name string, a *attempt) {
					if a.code() != codeOtherVersion {
						return
					}
					var data struct {
						Supported []string
						Requested *string
					}
					err := json.Unmarshal(a.Message.Error().Data, &data)
					if err != nil || data.Requested == nil || !slices.Contains(data.Supported, p.Version) {
						p.Brokenf("data is %s", bound(string(a.Message.Error().Data), 200))
					}
				})
			},
		}, {
			ID: "version.unsupported-status", Level: Must, Since: V20260728, Transports: HTTP,
			Section: streamableHTTP + "#protocol-version-header",
			Demand:  "the refusal of an unknown version has status 400",
			Check: func(ctx context.Context, p *Probe) error {
				return p.eachAttempt(ctx, futureVersion, func(name string, a *attempt) {
					if !a.Served && a.Status != http.StatusBadRequest {
						p.Brokenf("version %s is refused with status %d", name, a.Status)
					}
				})
			},
		}, {
			ID: "http.unknown-method-status", Level: Must, Since: V20260728, Transports: HTTP,
			Section: streamableHTTP + "#protocol-version-header",
			Demand:  "a method that the server does not have is answered with status 404 and -32601",
			Check: func(ctx context.Context, p *Probe) error {
				s, err := p.Session(ctx)
				if err != nil {
					return err
				}
				a, err := s.try(ctx, p, "no-such/method", p.modern(nil, nil), nil)
				if err != nil {
					return err
				}
				if a.Status != http.StatusNotFound || a.code() != codeNoMethod {
					p.Brokenf("an unknown method is answered with %s", a.refused())
				}
				return nil
			},
		}, {
			ID: "header.checked", Level: Must, Since: V20260728, Transports: HTTP,
			Section: streamableHTTP + "#server-validation",
			Demand:  "a request whose headers are missing, or differ from its body, is refused",
			Check: func(ctx context.Context, p *Probe) error {
				return p.eachAttempt(ctx, wrongHeaders, func(name string, a *attempt) {
					if a.Served {
						p.Brokenf("%s: the request is served", name)
					}
				})
			},
		}, {
			ID: "header.error", Level: Must, Since: V20260728, Transports: HTTP,
			Section: streamableHTTP + "#server-validation",
			Demand:  "headers that do not fit are refused with status 400 and -32020",
			Check: func(ctx context.Context, p *Probe) error {
				return p.eachAttempt(ctx, wrongHeaders, func(name string, a *attempt) {
					if !a.Served && (a.Status != http.StatusBadRequest || a.code() != codeMismatch) {
						p.Brokenf("%s: the refusal is %s", name, a.refused())
					}
				})
			},
		}, {
			ID: "header.name-encoded", Level: Must, Since: V20260728, Transports: HTTP,
			Section: streamableHTTP + "#value-encoding",
			Demand:  "an Mcp-Name in Base64 is decoded before it is compared",
			Check: func(ctx context.Context, p *Probe) error {
				s, method, params, name, err := p.named(ctx)
				if err != nil {
					return err
				}
				a, err := s.try(ctx, p, method, p.modern(params, nil), func(h http.Header) { h.Set("Mcp-Name", wrapped(name)) })
				if err == nil && a.code() == codeMismatch {
					p.Brokenf("the name %q in Base64 is taken for another", name)
				}
				return err
			},
		}, {
			ID: "header.param-checked", Level: Must, Since: V20260728, Transports: HTTP,
			Section: streamableHTTP + "#server-behavior-for-custom-headers",
			Demand:  "headers Mcp-Param-* that are missing, invalid, or differ from the arguments are refused with status 400 and -32020",
			Check:   checkParamHeaders,
		},
	}
}

// An attempts function tries requests that are wrong in several ways, each with
// a name.
type attempts struct {
	key string
	try func(context.Context, *Probe, *Session, func(name string, a *attempt, err error)) error
}

type named struct {
	name string
	a    *attempt
}

// eachAttempt looks at each of the attempts, which are made once for all rules.
func (p *Probe) eachAttempt(ctx context.Context, what attempts, look func(name string, a *attempt)) error {
	all, err := Once(p, what.key, func() ([]named, error) {
		s, err := p.Session(ctx)
		if err != nil {
			return nil, err
		}
		var all []named
		var failed error
		err = what.try(ctx, p, s, func(name string, a *attempt, err error) {
			if err != nil {
				failed = fmt.Errorf("%s: %w", name, err)
				return
			}
			all = append(all, named{name, a})
		})
		if err == nil && len(all) == 0 {
			err = failed
		}
		return all, err
	})
	if err != nil {
		return err
	}
	for _, one := range all {
		p.Forget()
		p.Show(one.a.Exchange)
		look(one.name, one.a)
	}
	return nil
}

// incomplete are requests without a member of _meta. Over stdio a server of both
// eras takes one without a version for one of the older era.
var incomplete = attempts{"incomplete", func(ctx context.Context, p *Probe, s *Session, add func(string, *attempt, error)) error {
	if p.Transport == HTTP || !s.discover().offers(V20260728) {
		a, err := s.try(ctx, p, "server/discover", p.modern(nil, map[string]any{metaVersion: nil}), func(h http.Header) {
			h.Set("Mcp-Protocol-Version", p.Version)
		})
		add(metaVersion, a, err)
	}
	a, err := s.try(ctx, p, "server/discover", p.modern(nil, map[string]any{metaCapabilities: nil}), nil)
	add(metaCapabilities, a, err)
	return nil
}}

// futureVersion is a request in a version of the future.
var futureVersion = attempts{"futureVersion", func(ctx context.Context, p *Probe, s *Session, add func(string, *attempt, error)) error {
	const version = "2999-12-31"
	a, err := s.try(ctx, p, "server/discover", p.modern(nil, map[string]any{metaVersion: version}), func(h http.Header) {
		h.Set("Mcp-Protocol-Version", version)
	})
	add(version, a, err)
	return nil
}}

// wrongHeaders are requests whose headers do not fit their body.
var wrongHeaders = attempts{"wrongHeaders", func(ctx context.Context, p *Probe, s *Session, add func(string, *attempt, error)) error {
	discover := func(name string, change func(http.Header)) {
		a, err := s.try(ctx, p, "server/discover", p.modern(nil, nil), change)
		add(name, a, err)
	}
	// A server that serves clients of before 2025-06-18 may take a request
	// without the header for one of theirs.
	if !s.discover().offers(V20250618) {
		discover("no MCP-Protocol-Version", func(h http.Header) { h.Del("Mcp-Protocol-Version") })
	}
	discover("another MCP-Protocol-Version", func(h http.Header) { h.Set("Mcp-Protocol-Version", V20251125) })
	discover("no Mcp-Method", func(h http.Header) { h.Del("Mcp-Method") })
	discover("another Mcp-Method", func(h http.Header) { h.Set("Mcp-Method", "tools/list") })
	discover("Mcp-Method in upper case", func(h http.Header) { h.Set("Mcp-Method", "SERVER/DISCOVER") })
	_, method, params, _, err := p.named(ctx)
	if err != nil {
		return nil // a server without anything to name
	}
	for name, change := range map[string]func(http.Header){
		"no Mcp-Name":      func(h http.Header) { h.Del("Mcp-Name") },
		"another Mcp-Name": func(h http.Header) { h.Set("Mcp-Name", "another") },
	} {
		a, err := s.try(ctx, p, method, p.modern(params, nil), change)
		add(name, a, err)
	}
	return nil
}}

// wrapped is a value in the Base64 form of headers.
func wrapped(v string) string {
	return "=?base64?" + base64.StdEncoding.EncodeToString([]byte(v)) + "?="
}

// first is the first item of a list, or an error made by Skipf.
func first(ctx context.Context, p *Probe, s *Session, method, member string) (map[string]json.RawMessage, error) {
	answer, err := s.Request(ctx, p, method, nil)
	if err != nil {
		return nil, err
	}
	var items []map[string]json.RawMessage
	_ = json.Unmarshal(members(answer.Result())[member], &items) // other rules judge lists
	if len(items) == 0 {
		return nil, Skipf("the server has no %s", member)
	}
	return items[0], nil
}

// named finds a request that has a name in a header and changes nothing: a
// resource to read, or a prompt without arguments.
func (p *Probe) named(ctx context.Context) (s *Session, method string, params map[string]any, name string, err error) {
	s, err = p.Session(ctx)
	if err != nil {
		return nil, "", nil, "", err
	}
	type found struct {
		method, member, name string
	}
	f, err := Once(p, "named", func() (found, error) {
		if item, err := first(ctx, p, s, "resources/list", "resources"); err == nil {
			return found{"resources/read", "uri", text(item["uri"])}, nil
		}
		if item, err := first(ctx, p, s, "prompts/list", "prompts"); err == nil {
			return found{"prompts/get", "name", text(item["name"])}, nil
		}
		return found{}, Skipf("the server has neither resources nor prompts")
	})
	return s, f.method, map[string]any{f.member: f.name}, f.name, err
}

// checkParamHeaders needs a tool with an argument that is repeated in a header.
// It calls it with headers that do not fit only, which must not reach the tool.
func checkParamHeaders(ctx context.Context, p *Probe) error {
	s, err := p.Session(ctx)
	if err != nil {
		return err
	}
	tools, err := p.rawTools(ctx, s)
	if err != nil {
		return err
	}
	tried := false
	for _, tool := range tools {
		arguments, ok := p.argumentsFor(tool)
		if !ok {
			continue // a server that does not look at the headers would run it
		}
		for argument, header := range mirrored(tool) {
			tried = true
			arguments[argument] = "one"
			params := p.modern(map[string]any{"name": text(tool["name"]), "arguments": arguments}, nil)
			for name, value := range map[string]string{"missing": "", "another value": "two", "invalid Base64": "=?base64?!?="} {
				p.Forget()
				a, err := s.try(ctx, p, "tools/call", params, func(h http.Header) {
					if value != "" {
						h.Set("Mcp-Param-"+header, value)
					}
				})
				if err != nil {
					return err
				}
				if a.Served {
					p.Brokenf("Mcp-Param-%s, %s: the call is served", header, name)
				} else if a.Status != http.StatusBadRequest || a.code() != codeMismatch {
					p.Brokenf("Mcp-Param-%s, %s: the refusal is %s", header, name, a.refused())
				}
			}
			break
		}
		if tried {
			return nil
		}
	}
	return Skipf("no tool that may be called has an argument of type string with x-mcp-header")
}

// rawTools are the tools of the first pages, as they stand.
func (p *Probe) rawTools(ctx context.Context, s *Session) ([]map[string]json.RawMessage, error) {
	return Once(p, "rawTools", func() ([]map[string]json.RawMessage, error) {
		var all []map[string]json.RawMessage
		params := map[string]any{}
		for range 20 {
			answer, err := s.Request(ctx, p, "tools/list", params)
			if err != nil {
				return nil, err
			}
			result := members(answer.Result())
			var page []map[string]json.RawMessage
			_ = json.Unmarshal(result["tools"], &page) // other rules judge lists
			all = append(all, page...)
			if kindOf(result["nextCursor"]) != "string" {
				break
			}
			params = map[string]any{"cursor": text(result["nextCursor"])}
		}
		if len(all) == 0 {
			return nil, Skipf("the server has no tools")
		}
		return all, nil
	})
}

// mirrored are the arguments of type string at the top of a tool's schema that
// are repeated in headers.
func mirrored(tool map[string]json.RawMessage) map[string]string {
	found := map[string]string{}
	for name, property := range members(members(tool["inputSchema"])["properties"]) {
		m := members(property)
		if header := text(m["x-mcp-header"]); text(m["type"]) == "string" && isToken(header) {
			found[name] = header
		}
	}
	return found
}

// isToken reports whether text can be part of a header's name (RFC 9110,
// section 5.6.2).
func isToken(s string) bool {
	return s != "" && !strings.ContainsFunc(s, func(r rune) bool {
		return r > '~' || !bytes.ContainsRune([]byte("!#$%&'*+-.^_`|~0123456789"), r) && (r < 'A' || r > 'Z') && (r < 'a' || r > 'z')
	})
}
