// SPDX-License-Identifier: Apache-2.0

package check

import (
	"context"
	"encoding/json"
	"fmt"
	"slices"
)

func promptRules() []Rule {
	const prompt, failures = "server/prompts#prompt", "server/prompts#error-handling"
	return []Rule{
		{
			ID: "prompts.members", Level: Must, Transports: Both, Section: prompt,
			Demand: "a prompt has a name, and its members have the types of the schema",
			Check:  shaped(kindPrompts, "name:string! title:string description:string arguments:objects icons:array"),
		}, {
			ID: "prompts.arguments", Level: Must, Transports: Both, Section: prompt,
			Demand: "an argument of a prompt has a name, and its members have the types of the schema",
			Check:  promptArguments,
		}, {
			ID: "prompts.unique", Level: Should, Transports: Both, Section: prompt,
			Demand: "no two prompts have the same name",
			Check:  unique(kindPrompts, "name"),
		}, {
			ID: "prompts.messages", Level: Must, Transports: Both, Section: "server/prompts#promptmessage",
			Demand: "the messages of a prompt have the role user or assistant, and content of a known type with its members",
			Check:  promptMessages,
		}, {
			ID: "prompts.unknown-code", Level: Should, Transports: Both, Section: failures,
			Demand: "getting an unknown prompt is answered with the error -32602",
			Check: func(ctx context.Context, p *Probe) error {
				return p.refused(ctx, "prompts", "prompts/get", "getting an unknown prompt", map[string]any{"name": "shclient-check-no-such-prompt"})
			},
		}, {
			ID: "prompts.required-arguments", Level: Should, Transports: Both, Section: failures,
			Demand: "getting a prompt without a required argument is answered with the error -32602",
			Check:  promptRequired,
		},
	}
}

// argumentsOf are the arguments of a prompt.
func argumentsOf(prompt item) []promptArgument {
	var arguments []promptArgument
	_ = json.Unmarshal(prompt.members["arguments"], &arguments) // prompts.members tells
	return arguments
}

type promptArgument struct {
	Name     string
	Required bool
}

func promptArguments(ctx context.Context, p *Probe) error {
	return p.each(ctx, kindPrompts, func(i item) {
		var arguments []json.RawMessage
		_ = json.Unmarshal(i.members["arguments"], &arguments) // prompts.members tells
		for _, a := range arguments {
			for _, wrong := range misshapen(a, "name:string! title:string description:string required:boolean") {
				p.Brokenf("%q: an argument: %s", i.name(), wrong)
			}
		}
	})
}

func promptMessages(ctx context.Context, p *Probe) error {
	l, err := p.list(ctx, kindPrompts)
	if err != nil {
		return err
	}
	s, err := p.Session(ctx)
	if err != nil {
		return err
	}
	tried := false
	for _, i := range l.items[:min(len(l.items), maxReads)] {
		name := text(i.members["name"])
		if name == "" {
			continue
		}
		arguments := map[string]any{}
		for _, a := range argumentsOf(i) {
			arguments[a.Name] = "1"
		}
		p.Forget()
		answer, err := s.Request(ctx, p, "prompts/get", map[string]any{"name": name, "arguments": arguments})
		if err != nil {
			return fmt.Errorf("prompts/get of %q: %w", name, err)
		}
		if answer.Error() != nil || text(members(answer.Result())["resultType"]) == "input_required" {
			continue // the arguments may be wrong
		}
		tried = true
		for _, wrong := range misshapen(answer.Result(), "messages:array! description:string") {
			p.Brokenf("%q: %s", name, wrong)
		}
		var messages []json.RawMessage
		_ = json.Unmarshal(members(answer.Result())["messages"], &messages) // told above
		for _, m := range messages {
			if role := members(m)["role"]; !slices.Contains([]string{"user", "assistant"}, text(role)) {
				p.Brokenf("%q: a message has the role %s", name, given(role))
			}
			for _, wrong := range miscontent(members(m)["content"]) {
				p.Brokenf("%q: %s", name, wrong)
			}
		}
	}
	if !tried {
		return Skipf("the server has no prompt that could be had")
	}
	return nil
}

func promptRequired(ctx context.Context, p *Probe) error {
	l, err := p.list(ctx, kindPrompts)
	if err != nil {
		return err
	}
	s, err := p.Session(ctx)
	if err != nil {
		return err
	}
	for _, i := range l.items {
		if !slices.ContainsFunc(argumentsOf(i), func(a promptArgument) bool { return a.Required }) {
			continue
		}
		p.Forget()
		answer, err := s.Request(ctx, p, "prompts/get", map[string]any{"name": text(i.members["name"]), "arguments": map[string]any{}})
		return p.wantError(fmt.Sprintf("getting %q without its arguments", i.name()), answer, err, codeInvalidParams)
	}
	return Skipf("no prompt has a required argument")
}
