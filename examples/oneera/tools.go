// SPDX-License-Identifier: Apache-2.0

package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"
)

// A tool is what tools/list says of it, and what it does.
type tool struct {
	Name        string          `json:"name"`
	Description string          `json:"description"`
	InputSchema json.RawMessage `json:"inputSchema"`

	run func(*call) (object, error)
}

// arguments of tools.
type arguments struct {
	Prompt, Message, Region, URI string
	Milliseconds, Bytes          int
}

func (c *call) arguments() (a arguments, err error) {
	if c.params.Arguments != nil {
		err = json.Unmarshal(c.params.Arguments, &a)
	}
	return a, err
}

func schema(properties string) json.RawMessage {
	return json.RawMessage(`{"type":"object","properties":{` + properties + `}}`)
}

// allTools are those that the suite asks for, with the suite's names, and our
// own.
func allTools() []tool {
	none := schema("")
	return slices.Concat([]tool{
		{"test_error_handling", "fails", none, failing},
		{"test_reconnection", "takes a moment", none, reconnection},
		{"test_tool_with_logging", "logs while it runs", none, logging},
		{"test_logging_tool", "logs once", none, loggingOnce},
		{"test_tool_with_progress", "reports progress", none, progressing},
		{"test_x_mcp_header", "has an argument that goes into a header", schema(`"region":{"type":"string","x-mcp-header":"Region"},"level":{"type":"integer"}`), region},
		{"json_schema_2020_12_tool", "has a schema with keywords of 2020-12", richSchema, saying("the schema is what matters")},
		{"test_trigger_tool_change", "changes the list of tools", none, addTool},
		{"test_trigger_prompt_change", "changes the list of prompts", none, addPrompt},

		{"add_resource", "changes the list of resources", none, addResource},
		{"touch_resource", "says that the content of a resource has changed", schema(`"uri":{"type":"string"}`), touch},
		{"whoami", "says what the server knows of its client", none, whoami},
		{"slow", "reports progress until its time is over or it is cancelled", schema(`"milliseconds":{"type":"integer"}`), slow},
		{"cancelled", "says how many requests were cancelled", none, cancelled},
		{"big", "returns that many bytes of text", schema(`"bytes":{"type":"integer"}`), big},
	}, contentTools(), askingTools())
}

func (c *call) listTools() (object, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	return object{"tools": slices.Clone(c.tools)}, nil
}

// callTool runs a tool. Errors become results, but for those of the protocol.
func (c *call) callTool() (object, error) {
	c.mu.Lock()
	at := slices.IndexFunc(c.tools, func(t tool) bool { return t.Name == c.params.Name })
	if at < 0 {
		c.mu.Unlock()
		return nil, fail(invalidParams, "Unknown tool: %s", c.params.Name)
	}
	run := c.tools[at].run
	c.mu.Unlock()
	result, err := run(c)
	if err == nil || ofProtocol(err) {
		return result, err
	}
	result = text("%v", err)
	result["isError"] = true
	return result, nil
}

func ofProtocol(err error) bool {
	_, failed := errors.AsType[*rpcError](err)
	_, asking := errors.AsType[*inputRequired](err)
	return failed || asking
}

// text is the result of a tool.
func text(format string, args ...any) object { return contents(textContent(format, args...)) }

func saying(words string) func(*call) (object, error) {
	return func(*call) (object, error) { return text("%s", words), nil }
}

func failing(*call) (object, error) {
	return nil, errors.New("this tool fails, as it was asked to")
}

func reconnection(*call) (object, error) {
	time.Sleep(100 * time.Millisecond)
	return text("done"), nil
}

func logging(c *call) (object, error) {
	for _, words := range []string{"Tool execution started", "Tool processing data", "Tool execution completed"} {
		c.log("info", words)
		time.Sleep(50 * time.Millisecond)
	}
	return text("logged three messages"), nil
}

func loggingOnce(c *call) (object, error) {
	c.log("info", "test_logging_tool runs")
	return text("logged a message, if that was wanted"), nil
}

func progressing(c *call) (object, error) {
	for _, done := range []int{0, 50, 100} {
		c.progress(done, 100)
		time.Sleep(50 * time.Millisecond)
	}
	return text("reported progress"), nil
}

func region(c *call) (object, error) {
	args, err := c.arguments()
	return text("region=%s", args.Region), err
}

func addTool(c *call) (object, error) {
	c.mu.Lock()
	name := fmt.Sprintf("added_tool_%d", len(c.tools))
	c.tools = append(c.tools, tool{name, "was added", schema(""), saying("I was added")})
	c.mu.Unlock()
	c.era.changed("tools")
	return text("added %s", name), nil
}

func addPrompt(c *call) (object, error) {
	c.mu.Lock()
	name := fmt.Sprintf("added_prompt_%d", len(c.prompts))
	c.prompts = append(c.prompts, prompt{Name: name, Description: "was added", get: simplePrompt})
	c.mu.Unlock()
	c.era.changed("prompts")
	return text("added %s", name), nil
}

func addResource(c *call) (object, error) {
	c.mu.Lock()
	name := fmt.Sprintf("added-%d", len(c.resources))
	c.resources = append(c.resources, textResource("test://"+name, name, "I was added"))
	c.mu.Unlock()
	c.era.changed("resources")
	return text("added %s", name), nil
}

func touch(c *call) (object, error) {
	args, err := c.arguments()
	if err != nil {
		return nil, err
	}
	if c.find(args.URI) == nil {
		return nil, fmt.Errorf("no resource %q", args.URI)
	}
	c.era.updated(args.URI)
	return text("touched %s", args.URI), nil
}

func whoami(c *call) (object, error) {
	known, err := json.Marshal(object{
		"protocolVersion": c.client.version, "clientInfo": c.client.info, "capabilities": c.client.capabilities,
	})
	return text("%s", known), err
}

func slow(c *call) (object, error) {
	const tick = 50
	args, err := c.arguments()
	if err != nil {
		return nil, err
	}
	for at := 0; at < args.Milliseconds; at += tick {
		c.progress(at, args.Milliseconds)
		select {
		case <-c.ctx.Done():
			return nil, c.ctx.Err()
		case <-time.After(tick * time.Millisecond):
		}
	}
	return text("took %d ms", args.Milliseconds), nil
}

func cancelled(c *call) (object, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	return text("%d", c.cancelled), nil
}

func big(c *call) (object, error) {
	args, err := c.arguments()
	if err != nil || args.Bytes < 0 || args.Bytes > 1<<30 {
		return nil, fmt.Errorf("%d bytes are none or too many: %w", args.Bytes, err)
	}
	return text("%s", strings.Repeat("big ", args.Bytes/4+1)[:args.Bytes]), nil
}

// richSchema is what the suite wants to see unchanged.
var richSchema = json.RawMessage(`{
	"$schema": "https://json-schema.org/draft/2020-12/schema",
	"type": "object",
	"$defs": {"address": {"$anchor": "addressDef", "type": "object",
		"properties": {"street": {"type": "string"}, "city": {"type": "string"}}}},
	"properties": {
		"name": {"type": "string"},
		"address": {"$ref": "#/$defs/address"},
		"contactMethod": {"type": "string", "enum": ["phone", "email"]},
		"phone": {"type": "string"},
		"email": {"type": "string"}
	},
	"allOf": [{"anyOf": [{"required": ["phone"]}, {"required": ["email"]}]}],
	"if": {"properties": {"contactMethod": {"const": "phone"}}, "required": ["contactMethod"]},
	"then": {"required": ["phone"]},
	"else": {"required": ["email"]},
	"additionalProperties": false
}`)
