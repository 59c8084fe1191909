// SPDX-License-Identifier: Apache-2.0

package check

import (
	"context"
	"encoding/json"
	"errors"
	"slices"
	"strings"
)

// utilityRules are about completion and logging.
func utilityRules() []Rule {
	return []Rule{
		{
			ID: "completion.result", Level: Must, Transports: Both, Section: "server/utilities/completion#completion-results",
			Demand: "a completion has at most 100 values, which are strings",
			Check:  completionResult,
		}, {
			ID: "completion.unknown-ref", Level: Should, Since: V20250326, Transports: Both, Section: "server/utilities/completion#error-handling",
			Demand: "completing an argument of an unknown prompt is answered with the error -32602",
			Check: func(ctx context.Context, p *Probe) error {
				return p.refused(ctx, "completions", "completion/complete", "completion for an unknown prompt",
					completionParams("ref/prompt", "name", "shclient-check-no-such-prompt", "x", ""))
			},
		}, {
			ID: "logging.set-level", Level: Must, Until: V20251125, Transports: Both, Section: "server/utilities/logging#setting-log-level",
			Demand: "each level of log messages can be set, with an empty result",
			Check:  setLevel,
		}, {
			ID: "logging.invalid-level", Level: Should, Until: V20251125, Transports: Both, Section: "server/utilities/logging#error-handling",
			Demand: "an invalid level is answered with the error -32602",
			Check: func(ctx context.Context, p *Probe) error {
				return p.refused(ctx, "logging", "logging/setLevel", "an invalid level", map[string]any{"level": "shclient"})
			},
		}, {
			ID: "logging.level-honoured", Level: Should, Until: V20251125, Transports: Both, Section: "server/utilities/logging#message-flow",
			Demand: "no log messages come below the level that was set",
			Check:  levelHonoured,
		},
	}
}

func completionParams(kind, member, name, argument, value string) map[string]any {
	return map[string]any{
		"ref":      map[string]any{"type": kind, member: name},
		"argument": map[string]any{"name": argument, "value": value},
	}
}

// anyCompletion asks for the first argument of a prompt or a template; nil if
// there is none.
func anyCompletion(prompts, templates []item) map[string]any {
	for _, prompt := range prompts {
		for _, a := range argumentsOf(prompt) {
			return completionParams("ref/prompt", "name", text(prompt.members["name"]), a.Name, "")
		}
	}
	for _, template := range templates {
		uri := text(template.members["uriTemplate"])
		if _, rest, ok := strings.Cut(uri, "{"); ok {
			name, _, _ := strings.Cut(strings.TrimLeft(rest, "+#./;?&"), "}")
			name, _, _ = strings.Cut(name, ",")
			return completionParams("ref/resource", "uri", uri, strings.TrimRight(name, "*"), "")
		}
	}
	return nil
}

const maxValues = 100 // of a completion

func completionResult(ctx context.Context, p *Probe) error {
	s, err := p.Session(ctx)
	if err != nil {
		return err
	}
	if s.capabilities()["completions"] == nil {
		return Skipf("the server does not declare completions")
	}
	var lists [2][]item
	for i, k := range []kind{kindPrompts, kindTemplates} {
		l, err := p.list(ctx, k)
		if err == nil {
			lists[i] = l.items
		}
	}
	tried := false
	for _, params := range []map[string]any{anyCompletion(lists[0], nil), anyCompletion(nil, lists[1])} {
		if params == nil {
			continue
		}
		p.Forget()
		answer, err := s.Request(ctx, p, "completion/complete", params)
		if err != nil {
			return err
		}
		if answer.Error() != nil {
			continue
		}
		tried = true
		completion := members(answer.Result())["completion"]
		for _, wrong := range misshapen(completion, "values:strings! total:integer hasMore:boolean") {
			p.Brokenf("completion: %s", wrong)
		}
		var values []json.RawMessage
		if _ = json.Unmarshal(members(completion)["values"], &values); len(values) > maxValues {
			p.Brokenf("a completion has %d values", len(values))
		}
	}
	if !tried {
		return Skipf("the server completes no argument that it lists")
	}
	return nil
}

func setLevel(ctx context.Context, p *Probe) error {
	if _, err := p.declares(ctx, "logging"); err != nil {
		return err
	}
	s, err := p.NewSession(ctx) // the level is one of the session
	if err != nil {
		return err
	}
	for _, level := range logLevels {
		p.Forget()
		answer, err := s.Request(ctx, p, "logging/setLevel", map[string]any{"level": level})
		if status, ok := errors.AsType[*StatusError](err); ok {
			p.Brokenf("the level %s is answered with HTTP status %d", level, status.Response.Status)
			continue
		}
		if err != nil {
			return err
		}
		if e := answer.Error(); e != nil && e.Code != codeNoMethod { // lifecycle.declared tells
			p.Brokenf("the level %s is answered with %v", level, e)
		} else if extra := namesBut(answer.Result(), "_meta"); e == nil && extra != "" {
			p.Brokenf("the result is not empty but has %s", extra)
		}
	}
	return nil
}

func levelHonoured(ctx context.Context, p *Probe) error {
	if _, err := p.declares(ctx, "logging"); err != nil {
		return err
	}
	s, err := p.NewSession(ctx)
	if err != nil {
		return err
	}
	answer, err := s.Request(ctx, p, "logging/setLevel", map[string]any{"level": "emergency"})
	if err != nil {
		return err
	}
	if e := answer.Error(); e != nil {
		return Skipf("the level cannot be set: %v", e)
	}
	look := func(a *Answer, late []Message) {
		for _, m := range slices.Concat(a.Before, late) {
			if level := text(members(m.Members["params"])["level"]); m.Method() == "notifications/message" && level != "emergency" {
				p.Brokenf("a log message has the level %s, below emergency", level)
			}
		}
	}
	tools, err := p.callableTools(ctx)
	if err != nil && !isSkip(err) {
		return err
	}
	for _, tool := range tools[:min(len(tools), maxReads)] {
		arguments := sampleObject(tool.members["inputSchema"], 0)
		p.Forget()
		if answer, late, err := s.requestToEnd(ctx, p, "tools/call", map[string]any{"name": text(tool.members["name"]), "arguments": arguments}, nil); err == nil {
			look(answer, late)
		}
	}
	for _, method := range []string{"tools/list", "ping"} {
		if answer, err := s.Request(ctx, p, method, nil); err == nil {
			look(answer, nil)
		}
	}
	return nil
}
