// SPDX-License-Identifier: Apache-2.0

package check

import (
	"context"
	"encoding/json"
	"errors"
	"regexp"
	"strings"

	"github.com/santhosh-tekuri/jsonschema/v6"
)

func toolRules() []Rule {
	const tool, names, failures = "server/tools#tool", "server/tools#tool-names", "server/tools#error-handling"
	return []Rule{
		{
			ID: "tools.members", Level: Must, Transports: Both, Section: tool,
			Demand: "a tool has a name and an inputSchema, and its members have the types of the schema",
			Check:  shaped(kindTools, "name:string! title:string description:string inputSchema:object! annotations:object icons:array execution:object"),
		}, {
			ID: "tools.name", Level: Should, Since: V20251125, Transports: Both, Section: names,
			Demand: "the name of a tool is 1 to 128 letters, digits, underscores, hyphens and dots",
			Check:  toolName,
		}, {
			ID: "tools.unique", Level: Should, Transports: Both, Section: tool, Elsewhere: map[string]string{V20251125: names, V20260728: names},
			Demand: "no two tools have the same name",
			Check:  unique(kindTools, "name"),
		}, {
			ID: "tools.annotations", Level: Must, Since: V20250326, Transports: Both, Section: tool,
			Demand: "the annotations of a tool are a title and booleans",
			Check:  toolAnnotations,
		}, {
			ID: "tools.input-schema", Level: Must, Transports: Both, Section: tool,
			Demand: "the inputSchema of a tool is a JSON Schema of type object",
			Check:  schemasOf("inputSchema", ""),
		}, {
			ID: "tools.output-schema", Level: Must, Since: V20250618, Transports: Both, Section: "server/tools#output-schema",
			Demand: "the outputSchema of a tool is a JSON Schema",
			Check:  schemasOf("outputSchema", V20251125),
		}, {
			ID: "tools.unknown", Level: Must, Transports: Both, Section: failures,
			Demand: "a call of an unknown tool does not succeed",
			Check:  unknownTool,
		}, {
			ID: "tools.unknown-code", Level: Should, Transports: Both, Section: failures,
			Demand: "a call of an unknown tool is answered with the error -32602",
			Check:  unknownToolCode,
		}, {
			ID: "tools.call-params", Level: Should, Transports: Both, Section: failures,
			Demand: "tools/call without the name of a tool is answered with the error -32602",
			Check:  callParams,
		},
	}
}

var toolNames = regexp.MustCompile(`^[A-Za-z0-9_.-]{1,128}$`)

func toolName(ctx context.Context, p *Probe) error {
	return p.each(ctx, kindTools, func(i item) {
		if name := text(i.members["name"]); i.members["name"] != nil && !toolNames.MatchString(name) {
			p.Brokenf("a tool has the name %q of %d characters", bound(name, 200), len([]rune(name)))
		}
	})
}

func toolAnnotations(ctx context.Context, p *Probe) error {
	return p.each(ctx, kindTools, func(i item) {
		if i.members["annotations"] == nil {
			return
		}
		for _, wrong := range misshapen(i.members["annotations"], "title:string readOnlyHint:boolean destructiveHint:boolean idempotentHint:boolean openWorldHint:boolean") {
			p.Brokenf("%q: annotations: %s", i.name(), wrong)
		}
	})
}

// schemasOf reports tools whose schema is none. Until the version objectUntil,
// or always if that is empty, it must be of type object.
func schemasOf(member, objectUntil string) func(context.Context, *Probe) error {
	return func(ctx context.Context, p *Probe) error {
		return p.each(ctx, kindTools, func(i item) {
			raw := i.members[member]
			if raw == nil {
				return // tools.members tells
			}
			if kindOf(raw) != "object" {
				p.Brokenf("%q: %s is %s", i.name(), member, given(raw))
				return
			}
			if objectUntil == "" || p.Version <= objectUntil {
				if t := members(raw)["type"]; text(t) != "object" {
					p.Brokenf("%q: %s has the type %s, not object", i.name(), member, given(t))
				}
			}
			if _, err := compile(raw); err != nil {
				p.Brokenf("%q: %s is no valid JSON Schema: %s", i.name(), member, schemaError(err))
			}
		})
	}
}

// compile reads a schema in the dialect that it names, else in 2020-12, and
// loads no other.
func compile(raw json.RawMessage) (*jsonschema.Schema, error) {
	doc, err := jsonschema.UnmarshalJSON(strings.NewReader(string(raw)))
	if err != nil {
		return nil, err
	}
	const name = "mcp:schema"
	c := jsonschema.NewCompiler()
	c.DefaultDraft(jsonschema.Draft2020)
	c.UseLoader(jsonschema.SchemeURLLoader{}) // of no scheme at all
	c.UseRegexpEngine(patternOf)
	if err := c.AddResource(name, doc); err != nil {
		return nil, err
	}
	return c.Compile(name)
}

// beyondGo finds what ECMA-262 patterns have and Go's do not.
var beyondGo = regexp.MustCompile(`\(\?[=!<]|\\[1-9]|\\u|\\c|\\k`)

// patternOf compiles the patterns that Go can read. Others match anything.
func patternOf(text string) (jsonschema.Regexp, error) {
	re, err := regexp.Compile(text)
	if err != nil && beyondGo.MatchString(text) {
		return anything(text), nil
	}
	return re, err
}

type anything string

func (anything) MatchString(string) bool { return true }
func (a anything) String() string        { return string(a) }

// schemaError is the innermost of what is wrong, on one line.
func schemaError(err error) string {
	if invalid, ok := errors.AsType[*jsonschema.SchemaValidationError](err); ok {
		err = invalid.Err
	}
	if v, ok := errors.AsType[*jsonschema.ValidationError](err); ok {
		for len(v.Causes) > 0 {
			v = v.Causes[0]
		}
		return oneLine(v.Error(), 300)
	}
	return oneLine(err.Error(), 300)
}

const noTool = "shclient-check-no-such-tool"

func unknownTool(ctx context.Context, p *Probe) error {
	s, err := p.declares(ctx, "tools")
	if err != nil {
		return err
	}
	answer, err := s.Request(ctx, p, "tools/call", map[string]any{"name": noTool, "arguments": map[string]any{}})
	if _, ok := errors.AsType[*StatusError](err); ok {
		return nil
	}
	if err != nil {
		return err
	}
	if answer.Error() == nil && string(members(answer.Result())["isError"]) != "true" {
		p.Brokenf("a call of a tool that does not exist succeeds")
	}
	return nil
}

func unknownToolCode(ctx context.Context, p *Probe) error {
	s, err := p.declares(ctx, "tools")
	if err != nil {
		return err
	}
	answer, err := s.Request(ctx, p, "tools/call", map[string]any{"name": noTool, "arguments": map[string]any{}})
	return p.wantError("a call of an unknown tool", answer, err, codeInvalidParams)
}

func callParams(ctx context.Context, p *Probe) error {
	s, err := p.declares(ctx, "tools")
	if err != nil {
		return err
	}
	answer, err := s.Request(ctx, p, "tools/call", map[string]any{"arguments": map[string]any{}})
	if p.Modern() && p.Transport == HTTP {
		// The header with the name is missing as well, which may be seen first.
		return p.wantError("tools/call without a name", answer, err, codeInvalidParams, -32020)
	}
	return p.wantError("tools/call without a name", answer, err, codeInvalidParams)
}

// declares returns the shared session if the server has the capability.
func (p *Probe) declares(ctx context.Context, capability string) (*Session, error) {
	s, err := p.Session(ctx)
	if err != nil {
		return nil, err
	}
	p.Forget()
	if s.capabilities()[capability] == nil {
		return nil, Skipf("the server does not declare %s", capability)
	}
	return s, nil
}
