// SPDX-License-Identifier: Apache-2.0

package check

import (
	"context"
	"encoding/json"
	"fmt"
	"maps"
	"net/http"
	"slices"
	"strings"

	"github.com/santhosh-tekuri/jsonschema/v6"
)

// callRules call tools: those with readOnlyHint, or all with CallTools.
func callRules() []Rule {
	return []Rule{
		{
			ID: "tools.input-validated", Level: Must, Transports: Both, Section: "server/tools#security-considerations",
			Demand: "arguments that do not fit the inputSchema are refused",
			Check:  inputValidated,
		}, {
			ID: "tools.result", Level: Must, Transports: Both, Section: "server/tools#tool-result",
			Demand: "the result of a tool has content, of known types with their members",
			Check:  toolResult,
		}, {
			ID: "tools.content-version", Level: Should, Until: V20250326, Transports: Both, Section: "basic/lifecycle#operation",
			Demand: "the content of a tool's result is of the types that the version has",
			Check:  contentVersion,
		}, {
			ID: "tools.structured", Level: Must, Since: V20250618, Transports: Both, Section: "server/tools#output-schema",
			Demand: "a tool with an outputSchema gives structuredContent that fits it",
			Check:  structuredContent,
		}, {
			ID: "tools.structured-text", Level: Should, Since: V20250618, Transports: Both, Section: "server/tools#structured-content",
			Demand: "a tool that gives structuredContent gives it as text as well",
			Check:  structuredText,
		}, {
			ID: "progress.increases", Level: Must, Transports: Both, Section: "basic/utilities/progress#progress-flow",
			Elsewhere: map[string]string{V20260728: "basic/patterns/progress#progress-flow"},
			Demand:    "the progress of a request increases with each notification, and its members have their types",
			Check:     progressIncreases,
		}, {
			ID: "progress.stops", Level: Must, Since: V20250326, Transports: Both, Section: "basic/utilities/progress#implementation-notes",
			Elsewhere: map[string]string{V20260728: "basic/patterns/progress#implementation-notes"},
			Demand:    "no progress comes behind the answer",
			Check:     progressStops,
		},
	}
}

// call is a call of a tool with arguments that fit, and what came of it.
type call struct {
	tool      item
	arguments map[string]any
	answer    *Answer // nil if there was none
	err       error
	late      []Message // what came behind the answer, as far as it was waited for
}

const maxCalls = 50 // of tools, in a version

// calls calls the tools, once for all rules of the version.
func (p *Probe) calls(ctx context.Context) ([]call, error) {
	tools, err := p.callableTools(ctx)
	if err != nil {
		return nil, err
	}
	all, err := Once(p, "calls", func() ([]call, error) { return p.callAll(ctx, tools) })
	p.Forget()
	return all, err
}

// callableTools are the tools that may be called.
func (p *Probe) callableTools(ctx context.Context) ([]item, error) {
	l, err := p.list(ctx, kindTools)
	if err != nil {
		return nil, err
	}
	var tools []item
	for _, i := range l.items {
		_, may := p.argumentsFor(i.members)
		needsTask := text(members(i.members["execution"])["taskSupport"]) == "required"
		if may && !needsTask && text(i.members["name"]) != "" && kindOf(i.members["inputSchema"]) == "object" {
			tools = append(tools, i)
		}
	}
	if len(tools) == 0 {
		return nil, Skipf("no tool has the annotation readOnlyHint; --call-tools calls the others")
	}
	return tools[:min(len(tools), maxCalls)], nil
}

func (p *Probe) callAll(ctx context.Context, tools []item) ([]call, error) {
	s, err := p.Session(ctx)
	if err != nil {
		return nil, err
	}
	var all []call
	for n, tool := range tools {
		arguments := sampleObject(tool.members["inputSchema"], 0)
		token := encode(fmt.Sprintf("progress-%s-%d", p.Version, n))
		p.run.expectProgress(token)
		params := map[string]any{"name": text(tool.members["name"]), "arguments": arguments, "_meta": p.metaWith("progressToken", json.RawMessage(token))}
		c := call{tool: tool, arguments: arguments}
		c.answer, c.late, c.err = s.requestToEnd(ctx, p, "tools/call", params, p.mirror(tool.members, arguments))
		if ctx.Err() != nil {
			return nil, context.Cause(ctx)
		}
		all = append(all, c)
	}
	return all, nil
}

// metaWith is _meta with one more member.
func (p *Probe) metaWith(name string, value any) map[string]any {
	meta := map[string]any{name: value}
	if p.Modern() {
		maps.Copy(meta, p.Meta())
	}
	return meta
}

func (r *run) expectProgress(token json.RawMessage) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.tokens = append(r.tokens, token)
}

// requestToEnd is Request that also returns what comes behind the answer: on
// its stream, or over stdio before the answer to the next request.
func (s *Session) requestToEnd(ctx context.Context, p *Probe, method string, params map[string]any, change func(http.Header)) (*Answer, []Message, error) {
	id := s.NewID()
	raw := requestBytes(id, method, p.params(params))
	if s.Process != nil {
		answer, err := s.Send(ctx, p, raw, id)
		if err != nil {
			return nil, nil, err
		}
		next, err := s.Request(ctx, p, p.anyRequest(), nil)
		if err != nil {
			return answer, nil, nil
		}
		return answer, next.Before, nil
	}
	replying := s.replying(ctx, p)
	h := s.Header(p, raw)
	if p.Modern() {
		change(h)
	}
	r := HTTPRequest{Body: raw, Header: h, Until: func(m Message) bool { return replying(m) && s.lingers }}
	resp, err := p.Do(ctx, r)
	if err != nil {
		return nil, nil, err
	}
	s.lingers = resp.isStream() && !resp.Ended
	i := slices.IndexFunc(resp.Messages, Message.IsResponse)
	switch {
	case i < 0 && resp.Status >= 300:
		return nil, nil, &StatusError{resp}
	case i < 0:
		return nil, nil, &silence{"the answer has no response"}
	}
	return &Answer{Message: resp.Messages[i], Before: resp.Messages[:i], HTTP: resp, Exchange: resp.Exchange}, resp.Messages[i+1:], nil
}

// everyResult runs f for each call that has ended with a result.
func (p *Probe) everyResult(ctx context.Context, f func(c call, result map[string]json.RawMessage)) error {
	all, err := p.calls(ctx)
	if err != nil {
		return err
	}
	tried := false
	for _, c := range all {
		if c.answer == nil || c.answer.Error() != nil {
			continue
		}
		result := members(c.answer.Result())
		if kind := text(result["resultType"]); result == nil || kind == "input_required" || kind == "task" {
			continue // jsonrpc.result-object tells of what is no object
		}
		tried = true
		p.Show(c.answer.Exchange)
		f(c, result)
		p.Forget()
	}
	if !tried {
		return Skipf("no tool that may be called gave a result")
	}
	return nil
}

func failed(result map[string]json.RawMessage) bool { return string(result["isError"]) == "true" }

func toolResult(ctx context.Context, p *Probe) error {
	return p.everyResult(ctx, func(c call, result map[string]json.RawMessage) {
		for _, wrong := range misshapen(c.answer.Result(), "content:array! isError:boolean _meta:object") {
			p.Brokenf("%q: %s", c.tool.name(), wrong)
		}
		if s := result["structuredContent"]; s != nil && kindOf(s) != "object" && !p.Modern() && p.Version >= V20250618 {
			p.Brokenf("%q: structuredContent is %s, no object", c.tool.name(), given(s))
		}
		var content []json.RawMessage
		_ = json.Unmarshal(result["content"], &content) // told above
		for _, block := range content {
			for _, wrong := range miscontent(block) {
				p.Brokenf("%q: %s", c.tool.name(), wrong)
			}
		}
	})
}

func contentVersion(ctx context.Context, p *Probe) error {
	return p.everyResult(ctx, func(c call, result map[string]json.RawMessage) {
		var content []map[string]json.RawMessage
		_ = json.Unmarshal(result["content"], &content) // tools.result tells
		for _, block := range content {
			if kind := text(block["type"]); contentSince[kind] > p.Version {
				p.Brokenf("%q: content has the type %s, which came with %s", c.tool.name(), kind, contentSince[kind])
			}
		}
	})
}

func structuredContent(ctx context.Context, p *Probe) error {
	return p.everyResult(ctx, func(c call, result map[string]json.RawMessage) {
		output := c.tool.members["outputSchema"]
		if output == nil || failed(result) {
			return
		}
		structured := result["structuredContent"]
		if structured == nil {
			p.Brokenf("%q has an outputSchema, and gives no structuredContent", c.tool.name())
			return
		}
		schema, err := compile(output)
		if err != nil {
			return // tools.output-schema tells
		}
		value, err := jsonschema.UnmarshalJSON(strings.NewReader(string(structured)))
		if err == nil {
			err = schema.Validate(value)
		}
		if err != nil {
			p.Brokenf("%q: structuredContent does not fit the outputSchema: %s", c.tool.name(), schemaError(err))
		}
	})
}

func structuredText(ctx context.Context, p *Probe) error {
	return p.everyResult(ctx, func(c call, result map[string]json.RawMessage) {
		structured := result["structuredContent"]
		if structured == nil {
			return
		}
		var want any
		_ = json.Unmarshal(structured, &want) // it is JSON
		var content []map[string]json.RawMessage
		_ = json.Unmarshal(result["content"], &content) // tools.result tells
		for _, block := range content {
			var got any
			if json.Unmarshal([]byte(text(block["text"])), &got) == nil && slices.Equal(encode(got), encode(want)) {
				return
			}
		}
		p.Brokenf("%q gives structuredContent that no text content repeats", c.tool.name())
	})
}

// inputValidated calls tools with arguments of the wrong type.
func inputValidated(ctx context.Context, p *Probe) error {
	tools, err := p.callableTools(ctx)
	if err != nil {
		return err
	}
	s, err := p.Session(ctx)
	if err != nil {
		return err
	}
	tried := false
	for _, tool := range tools {
		wrong, ok := wrongArguments(tool.members["inputSchema"])
		if !ok {
			continue
		}
		tried = true
		p.Forget()
		params := map[string]any{"name": text(tool.members["name"]), "arguments": wrong}
		if p.Modern() {
			params = p.modern(params, nil)
		}
		a, err := s.try(ctx, p, "tools/call", params, func(h http.Header) {
			if p.Modern() {
				p.mirror(tool.members, wrong)(h)
			}
		})
		if err != nil {
			return err
		}
		if a.Served && !failed(members(a.Message.Result())) {
			p.Brokenf("%q takes %s, which its inputSchema does not allow", tool.name(), encode(wrong))
		}
	}
	if !tried {
		return Skipf("no tool that may be called has arguments of a certain type")
	}
	return nil
}

// wrongArguments are arguments that a schema refuses: one has the wrong type.
func wrongArguments(raw json.RawMessage) (map[string]any, bool) {
	schema, err := compile(raw)
	if err != nil {
		return nil, false
	}
	good := sampleObject(raw, 0)
	properties := members(members(raw)["properties"])
	for _, name := range slices.Sorted(maps.Keys(properties)) {
		if members(properties[name])["x-mcp-header"] != nil {
			continue // no header could repeat it
		}
		for _, value := range []any{map[string]any{"not": []any{"what"}}, "no number", 12345} {
			wrong := maps.Clone(good)
			wrong[name] = value
			doc, err := jsonschema.UnmarshalJSON(strings.NewReader(string(encode(wrong))))
			if err == nil && schema.Validate(doc) != nil {
				return wrong, true
			}
		}
	}
	return nil, false
}

func progressIncreases(ctx context.Context, p *Probe) error {
	all, err := p.calls(ctx)
	if err != nil {
		return err
	}
	tried := false
	for _, c := range all {
		if c.answer == nil {
			continue
		}
		p.Show(c.answer.Exchange)
		last, first := 0.0, true
		for _, m := range slices.Concat(c.answer.Before, c.late) {
			if m.Method() != "notifications/progress" {
				continue
			}
			tried = true
			params := m.Members["params"]
			for _, wrong := range misshapen(params, "progressToken:string|integer! progress:number! total:number message:string") {
				p.Brokenf("%q: progress: %s", c.tool.name(), wrong)
			}
			var progress float64
			_ = json.Unmarshal(members(params)["progress"], &progress) // told above
			if !first && progress <= last {
				p.Brokenf("%q: progress goes from %v to %v", c.tool.name(), last, progress)
			}
			last, first = progress, false
		}
		p.Forget()
	}
	if !tried {
		return Skipf("no tool that may be called tells its progress")
	}
	return nil
}

func progressStops(ctx context.Context, p *Probe) error {
	all, err := p.calls(ctx)
	if err != nil {
		return err
	}
	for _, c := range all {
		if c.answer == nil {
			continue
		}
		p.Show(c.answer.Exchange)
		for _, m := range c.late {
			if m.Method() == "notifications/progress" {
				p.Brokenf("%q tells progress behind its answer", c.tool.name())
				break
			}
		}
		p.Forget()
	}
	return nil
}
