// SPDX-License-Identifier: Apache-2.0

package main

import (
	"encoding/json"
	"slices"
)

// A prompt is what prompts/list says of it, and its messages.
type prompt struct {
	Name        string           `json:"name"`
	Description string           `json:"description"`
	Arguments   []promptArgument `json:"arguments,omitempty"`

	get func(*call, map[string]string) ([]object, error)
}

type promptArgument struct {
	Name     string `json:"name"`
	Required bool   `json:"required"`
}

func allPrompts() []prompt {
	return []prompt{
		{"test_simple_prompt", "has no arguments", nil, simplePrompt},
		{"test_prompt_with_arguments", "has two arguments", []promptArgument{{"arg1", true}, {"arg2", true}}, argumentsPrompt},
		{"test_prompt_with_embedded_resource", "has a resource", []promptArgument{{"resourceUri", true}}, resourcePrompt},
		{"test_prompt_with_image", "has a picture", nil, imagePrompt},
		{"test_input_required_result_prompt", "asks the user for the context", nil, askingPrompt},
	}
}

func (c *call) listPrompts() (object, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	return object{"prompts": slices.Clone(c.prompts)}, nil
}

func (c *call) getPrompt() (object, error) {
	args := map[string]string{}
	if raw := c.params.Arguments; raw != nil {
		if err := json.Unmarshal(raw, &args); err != nil {
			return nil, fail(invalidParams, "arguments: %v", err)
		}
	}
	c.mu.Lock()
	at := slices.IndexFunc(c.prompts, func(p prompt) bool { return p.Name == c.params.Name })
	if at < 0 {
		c.mu.Unlock()
		return nil, fail(invalidParams, "Unknown prompt: %s", c.params.Name)
	}
	p := c.prompts[at]
	c.mu.Unlock()
	for _, a := range p.Arguments {
		if _, ok := args[a.Name]; a.Required && !ok {
			return nil, fail(invalidParams, "the argument %s is missing", a.Name)
		}
	}
	messages, err := p.get(c, args)
	return object{"description": p.Description, "messages": messages}, err
}

func user(content object) object { return object{"role": "user", "content": content} }

func simplePrompt(*call, map[string]string) ([]object, error) {
	return []object{user(textContent("This is a simple prompt for testing."))}, nil
}

func argumentsPrompt(_ *call, args map[string]string) ([]object, error) {
	return []object{user(textContent("Prompt with arguments: arg1='%s', arg2='%s'", args["arg1"], args["arg2"]))}, nil
}

func resourcePrompt(_ *call, args map[string]string) ([]object, error) {
	return []object{user(embedded(args["resourceUri"])), user(textContent("Please process the resource."))}, nil
}

func imagePrompt(*call, map[string]string) ([]object, error) {
	return []object{user(imageContent()), user(textContent("Please analyze the picture."))}, nil
}

func askingPrompt(c *call, _ map[string]string) ([]object, error) {
	a, err := c.ask1("user_context", field("What is the context?", "context"))
	return []object{user(textContent("Context: %s", a.field("context")))}, err
}
