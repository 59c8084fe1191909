// SPDX-License-Identifier: Apache-2.0

//go:build unix

package conformance_test

import (
	"context"
	"errors"
	"fmt"
	"slices"

	"github.com/modelcontextprotocol/go-sdk/mcp"
)

// newClient is the client of a scenario, on stdio or as a library.
func newClient(scenario string) *mcp.Client {
	client := mcp.NewClient(&mcp.Implementation{Name: "conformance", Version: "1.0.0"}, &mcp.ClientOptions{
		ElicitationHandler: func(context.Context, *mcp.ElicitRequest) (*mcp.ElicitResult, error) {
			// Defaults are filled in by the SDK.
			return &mcp.ElicitResult{Action: "accept", Content: accepted[scenario]}, nil
		},
	})
	if err := mcp.AddSendingCustomMethod[*skillsParams, *skillsResult](client, listSkills); err != nil {
		panic(err) // it is not one of the standard
	}
	return client
}

// perform does what a scenario asks of a client.
func perform(ctx context.Context, scenario string, session *mcp.ClientSession, listTools func(context.Context) ([]*mcp.Tool, error)) error {
	script := scripts[scenario]
	switch {
	case isOAuth(scenario):
		script = calling(toolCall{"test-tool", nil})
	case script == nil:
		return fmt.Errorf("the scenario %s is unknown", scenario)
	}
	tools, err := listTools(ctx)
	if err != nil {
		return err
	}
	return script(ctx, session, tools)
}

// accepted is what the user fills into forms, by scenario.
var accepted = map[string]map[string]any{
	"elicitation-sep1034-client-defaults": {},
	"sep-2322-client-request-state":       {"confirmed": true},
}

// A script is what a client does after it has listed the tools.
type script func(context.Context, *mcp.ClientSession, []*mcp.Tool) error

// scripts are by scenario.
var scripts = map[string]script{
	"initialize":                          calling(),
	"request-metadata":                    calling(),
	"json-schema-ref-no-deref":            calling(),
	"tools_call":                          calling(toolCall{"add_numbers", map[string]any{"a": 5, "b": 3}}),
	"elicitation-sep1034-client-defaults": callWhenListening("test_client_elicitation_defaults"),
	"sse-retry":                           callWhenListening("test_reconnection"),
	"sep-2322-client-request-state": calling(toolCall{"test_mrtr_echo_state", nil}, toolCall{"test_mrtr_no_state", nil},
		toolCall{"test_mrtr_unrelated", nil}, toolCall{"test_mrtr_no_result_type", nil}),
	"json-schema-2020-12-preservation": echoSchema,
	"http-standard-headers":            useEverything,
	"http-custom-headers":              callAsTold,
	"http-invalid-tool-headers":        callAll,

	"sep-2640-client-no-prefetch":        listOnly,
	"sep-2640-client-verify-digest":      loadSkills,
	"sep-2640-client-verify-size":        loadSkills,
	"sep-2640-client-verify-frontmatter": loadSkills,
}

type toolCall struct {
	Name      string
	Arguments map[string]any
}

func calling(calls ...toolCall) script {
	return func(ctx context.Context, s *mcp.ClientSession, _ []*mcp.Tool) error { return callTools(ctx, s, calls) }
}

// callTools calls all, whatever comes of each.
func callTools(ctx context.Context, s *mcp.ClientSession, calls []toolCall) (err error) {
	for _, call := range calls {
		arguments := call.Arguments
		if arguments == nil {
			arguments = map[string]any{}
		}
		_, failed := s.CallTool(ctx, &mcp.CallToolParams{Name: call.Name, Arguments: arguments})
		err = errors.Join(err, failed)
	}
	return err
}

// echoSchema sends a tool's schema back, to show that it came through.
func echoSchema(ctx context.Context, s *mcp.ClientSession, tools []*mcp.Tool) error {
	at := slices.IndexFunc(tools, func(t *mcp.Tool) bool { return t.Name == "json_schema_2020_12_tool" })
	if at < 0 {
		return errors.New("the tool with the schema is not listed")
	}
	return callTools(ctx, s, []toolCall{{"json_schema_echo", map[string]any{"schema": tools[at].InputSchema}}})
}

// useEverything makes a request of every kind that has a name.
func useEverything(ctx context.Context, s *mcp.ClientSession, tools []*mcp.Tool) error {
	var failed []error
	if len(tools) > 0 {
		failed = append(failed, callTools(ctx, s, []toolCall{{tools[0].Name, nil}}))
	}
	resources, err := s.ListResources(ctx, nil)
	if failed = append(failed, err); err == nil && len(resources.Resources) > 0 {
		_, err := s.ReadResource(ctx, &mcp.ReadResourceParams{URI: resources.Resources[0].URI})
		failed = append(failed, err)
	}
	prompts, err := s.ListPrompts(ctx, nil)
	if failed = append(failed, err); err == nil && len(prompts.Prompts) > 0 {
		_, err := s.GetPrompt(ctx, &mcp.GetPromptParams{Name: prompts.Prompts[0].Name})
		failed = append(failed, err)
	}
	return errors.Join(failed...)
}

// callAsTold makes the calls that the suite lists.
func callAsTold(ctx context.Context, s *mcp.ClientSession, _ []*mcp.Tool) error {
	given, err := readGiven()
	if err != nil {
		return err
	}
	return callTools(ctx, s, given.ToolCalls)
}

// callAll calls every tool that is left when the client has dropped what it
// must not call.
func callAll(ctx context.Context, s *mcp.ClientSession, tools []*mcp.Tool) error {
	var calls []toolCall
	for _, tool := range tools {
		calls = append(calls, toolCall{tool.Name, map[string]any{"region": "us-west1"}})
	}
	return callTools(ctx, s, calls)
}
