// SPDX-License-Identifier: Apache-2.0

package check

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
)

func lifecycleRules() []Rule {
	const initialization, negotiation, capabilities = "basic/lifecycle#initialization", "basic/lifecycle#version-negotiation", "basic/lifecycle#capability-negotiation"
	return []Rule{
		{
			ID: "lifecycle.initialize-result", Level: Must, Until: V20251125, Transports: Both, Section: initialization,
			Demand: "the result of initialize has protocolVersion, capabilities and serverInfo with name and version",
			Check:  initializeResult,
		}, {
			ID: "lifecycle.unknown-version", Level: Must, Until: V20251125, Transports: Both, Section: negotiation,
			Demand: "initialize with a version that the server does not support is answered with one that it supports",
			Check:  initializeUnknown,
		}, {
			ID: "lifecycle.initialize-params", Level: Should, Until: V20251125, Transports: Both, Section: initialization,
			Demand: "initialize without its required members is refused",
			Check:  initializeParams,
		}, {
			ID: "lifecycle.capability-objects", Level: Must, Transports: Both, Section: capabilities,
			Elsewhere: map[string]string{V20260728: "server/discover#discoverresult"},
			Demand:    "each capability is an object, whose listChanged and subscribe are booleans",
			Check:     capabilityObjects,
		}, {
			ID: "lifecycle.declared", Level: Must, Transports: Both, Section: "basic/lifecycle#operation",
			Elsewhere: map[string]string{V20260728: "server/tools#capabilities"},
			Demand:    "what a capability stands for is served",
			Check:     declaredServed,
		}, {
			ID: "lifecycle.undeclared", Level: Must, Transports: Both, Section: "server/tools#capabilities",
			Demand: "tools, resources, prompts and completions that the server has are declared as capabilities",
			Check:  undeclaredServed,
		}, {
			ID: "lifecycle.quiet-before-initialized", Level: Should, Until: V20251125, Transports: Both, Section: initialization,
			Demand: "the server makes no request but ping before it gets the notification that the client is initialized",
			Check:  quietBeforeInitialized,
		}, {
			ID: "lifecycle.ping", Level: Must, Until: V20251125, Transports: Both, Section: "basic/utilities/ping#behavior-requirements",
			Demand: "a ping is answered promptly with an empty result",
			Check:  pingAnswered,
		},
	}
}

func initializeResult(ctx context.Context, p *Probe) error {
	s, err := p.Session(ctx)
	if err != nil {
		return err
	}
	p.Show(s.Initialize.Exchange)
	result := s.Initialize.Result()
	for _, wrong := range misshapen(result, "protocolVersion:string! capabilities:object! serverInfo:object! instructions:string") {
		p.Brokenf("the result of initialize: %s", wrong)
	}
	if info := members(result)["serverInfo"]; info != nil {
		for _, wrong := range misshapen(info, "name:string! version:string! title:string") {
			p.Brokenf("serverInfo: %s", wrong)
		}
	}
	return nil
}

// unopened is a session in which nothing was said yet.
func (p *Probe) unopened(ctx context.Context) (*Session, error) {
	s := &Session{probe: p}
	if p.Transport == Stdio {
		process, err := p.Start(ctx)
		if err != nil {
			return nil, err
		}
		s.Process = process
	}
	p.Forget()
	return s, nil
}

func initializeUnknown(ctx context.Context, p *Probe) error {
	for _, version := range []string{"1999-12-31", "2099-12-31"} {
		s, err := p.unopened(ctx)
		if err != nil {
			return err
		}
		answer, err := s.Request(ctx, p, "initialize", InitializeParams(version))
		if status, ok := errors.AsType[*StatusError](err); ok {
			p.Brokenf("initialize with version %s is refused with HTTP status %d", version, status.Response.Status)
			continue
		}
		if IsSilence(err) {
			p.Brokenf("initialize with version %s is not answered: %v", version, err)
			continue
		}
		if err != nil {
			return err
		}
		if answer.HTTP != nil {
			s.ID = answer.HTTP.Header.Get(headerSession)
			p.onClose(s.close)
		}
		got := text(members(answer.Result())["protocolVersion"])
		switch e := answer.Error(); {
		case e != nil:
			p.Brokenf("initialize with version %s is answered with %v", version, e)
		case got == version:
			p.Brokenf("the server agrees to version %s, which does not exist", version)
		case !slices.Contains(Versions(), got):
			p.Brokenf("initialize with version %s is answered with version %q, which does not exist", version, got)
		}
	}
	return nil
}

func initializeParams(ctx context.Context, p *Probe) error {
	s, err := p.unopened(ctx)
	if err != nil {
		return err
	}
	answer, err := s.Request(ctx, p, "initialize", map[string]any{})
	if _, ok := errors.AsType[*StatusError](err); ok {
		return nil
	}
	if err != nil {
		return err
	}
	if answer.HTTP != nil {
		s.ID = answer.HTTP.Header.Get(headerSession)
		p.onClose(s.close)
	}
	if answer.Error() == nil {
		p.Brokenf("initialize without protocolVersion, capabilities and clientInfo is accepted")
	}
	return nil
}

func capabilityObjects(ctx context.Context, p *Probe) error {
	s, err := p.Session(ctx)
	if err != nil {
		return err
	}
	p.Show(s.Initialize.Exchange)
	for name, raw := range s.capabilities() {
		if kindOf(raw) != "object" {
			p.Brokenf("the capability %s is %s, no object", name, given(raw))
			continue
		}
		if name == "experimental" || name == "extensions" {
			continue
		}
		for _, wrong := range misshapen(raw, "listChanged:boolean subscribe:boolean") {
			p.Brokenf("the capability %s: %s", name, wrong)
		}
	}
	return nil
}

// declaredServed asks for something of each capability.
func declaredServed(ctx context.Context, p *Probe) error {
	s, err := p.Session(ctx)
	if err != nil {
		return err
	}
	capabilities := s.capabilities()
	requests := []struct {
		capability, method string
		params             map[string]any
	}{
		{"tools", "tools/list", nil},
		{"resources", "resources/list", nil},
		{"prompts", "prompts/list", nil},
		{"completions", "completion/complete", completionParams("ref/prompt", "name", "shclient-unknown", "x", "")},
	}
	if !p.Modern() {
		requests = append(requests, struct {
			capability, method string
			params             map[string]any
		}{"logging", "logging/setLevel", map[string]any{"level": "info"}})
		if string(members(capabilities["resources"])["subscribe"]) == "true" {
			if uri := p.anyURI(ctx); uri != "" {
				requests = append(requests, struct {
					capability, method string
					params             map[string]any
				}{"resources", "resources/subscribe", map[string]any{"uri": uri}})
			}
		}
	}
	for _, r := range requests {
		if capabilities[r.capability] == nil {
			continue
		}
		p.Forget()
		answer, err := s.Request(ctx, p, r.method, r.params)
		if status, ok := errors.AsType[*StatusError](err); ok {
			p.Brokenf("the server declares %s, and refuses %s with HTTP status %d", r.capability, r.method, status.Response.Status)
			continue
		}
		if err != nil {
			return err
		}
		if e := answer.Error(); e != nil && e.Code == codeNoMethod {
			p.Brokenf("the server declares %s, and answers %s with %v", r.capability, r.method, e)
		}
	}
	return nil
}

// anyURI is that of a resource, or empty.
func (p *Probe) anyURI(ctx context.Context) string {
	l, err := p.list(ctx, kindResources)
	if err != nil || len(l.items) == 0 {
		return ""
	}
	return text(l.items[0].members["uri"])
}

// undeclaredServed asks for what the server does not declare. Only something
// that it has counts: an empty list is a polite no.
func undeclaredServed(ctx context.Context, p *Probe) error {
	s, err := p.Session(ctx)
	if err != nil {
		return err
	}
	capabilities := s.capabilities()
	var prompts, templates []item
	for _, k := range kinds {
		if capabilities[k.capability] != nil {
			if l, err := p.list(ctx, k); err == nil && k == kindPrompts {
				prompts = l.items
			} else if err == nil && k == kindTemplates {
				templates = l.items
			}
			continue
		}
		p.Forget()
		answer, err := s.Request(ctx, p, k.method, nil)
		if err != nil {
			if _, refused := errors.AsType[*StatusError](err); refused || IsSilence(err) {
				continue
			}
			return err
		}
		var list []json.RawMessage
		if json.Unmarshal(members(answer.Result())[k.member], &list) == nil && len(list) > 0 {
			p.Brokenf("the server lists %s, and does not declare %s", k.member, k.capability)
		}
	}
	if capabilities["completions"] != nil || p.Version < V20250326 {
		return nil
	}
	params := anyCompletion(prompts, templates)
	if params == nil {
		return nil
	}
	p.Forget()
	answer, err := s.Request(ctx, p, "completion/complete", params)
	if err != nil {
		return nil // refused, or not answered: both say no
	}
	var values []string
	if json.Unmarshal(members(members(answer.Result())["completion"])["values"], &values) == nil && len(values) > 0 {
		p.Brokenf("the server completes arguments, and does not declare completions")
	}
	return nil
}

func quietBeforeInitialized(ctx context.Context, p *Probe) error {
	s, err := p.unopened(ctx)
	if err != nil {
		return err
	}
	answer, err := s.Request(ctx, p, "initialize", InitializeParams(p.Version))
	if err != nil {
		return err
	}
	if answer.HTTP != nil {
		s.ID = answer.HTTP.Header.Get(headerSession)
		p.onClose(s.close)
	}
	s.Initialize = answer
	before := answer.Before
	// A request of the server's own may come behind its answer.
	if pong, err := s.Request(ctx, p, "ping", nil); err == nil {
		before = append(before, pong.Before...)
	}
	for _, m := range before {
		if m.Has("id") && m.Has("method") && m.Method() != "ping" {
			p.Brokenf("the server makes the request %s", m.Method())
		}
	}
	return nil
}

func pingAnswered(ctx context.Context, p *Probe) error {
	s, err := p.Session(ctx)
	if err != nil {
		return err
	}
	p.Forget()
	answer, err := s.Request(ctx, p, "ping", nil)
	if IsSilence(err) {
		p.Brokenf("ping is not answered: %v", err)
		return nil
	}
	if err != nil {
		return err
	}
	if e := answer.Error(); e != nil {
		p.Brokenf("ping is answered with %v", e)
	} else if extra := namesBut(answer.Result(), "_meta"); extra != "" {
		p.Brokenf("the result of ping is not empty but has %s", extra)
	}
	return nil
}

// namesBut are the names of the members of an object, but for one.
func namesBut(raw json.RawMessage, but string) string {
	m := members(raw)
	if m == nil {
		return fmt.Sprintf("the value %s", given(raw))
	}
	var names []string
	for name := range m {
		if name != but {
			names = append(names, name)
		}
	}
	slices.Sort(names)
	return bound(strings.Join(names, ", "), 200)
}
