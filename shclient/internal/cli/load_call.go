// SPDX-License-Identifier: Apache-2.0

package cli

import (
	"context"
	"encoding/json"
	"fmt"

	"github.com/atrawog/mcp-oauth-gateway/shclient/internal/load"
	"github.com/atrawog/mcp-oauth-gateway/shclient/internal/toolargs"
	"github.com/atrawog/mcp-oauth-gateway/shproxy/jsonrpc"
	"github.com/atrawog/mcp-oauth-gateway/shproxy/mcpheader"
)

// maxToolPages bounds the pages of a list of tools.
const maxToolPages = 1000

// toolCall is the call of a tool with the arguments of the command line, encoded
// as the schema wants them.
func (a *app) toolCall(ctx context.Context, t target, s load.Session, args []string) (load.Call, error) {
	call := load.Call{Method: "tools/call", Tools: new(mcpheader.Params)}
	hint := "run shclient list " + t.hint()
	var schema any
	cursor := ""
	for page := 0; ; page++ {
		tools, next, err := askTools(ctx, s, cursor, call.Tools)
		if err != nil {
			return call, err
		}
		found := false
		if schema, found = tools[args[0]]; found {
			break
		}
		if cursor = next; cursor == "" || page == maxToolPages {
			return call, &exitError{failure: failure{exitUsage, fmt.Sprintf("the server has no tool %q", args[0]), hint}}
		}
	}
	parsed, err := toolargs.Parse(schema)
	if err != nil {
		return call, fmt.Errorf("tool %s: %w", args[0], err)
	}
	arguments, err := parsed.Encode(args[1:], a.readArgument)
	if err != nil {
		return call, &exitError{failure: failure{exitUsage, err.Error(), hint}}
	}
	call.Params = jsonrpc.AppendString([]byte(`{"name":`), args[0])
	call.Params = append(append(append(call.Params, `,"arguments":`...), arguments...), '}')
	return call, nil
}

// askTools reads one page of tools: the schemas by name, and the next cursor.
func askTools(ctx context.Context, s load.Session, cursor string, headers *mcpheader.Params) (map[string]any, string, error) {
	params := []byte(`{}`)
	if cursor != "" {
		params = append(jsonrpc.AppendString([]byte(`{"cursor":`), cursor), '}')
	}
	frame, m, err := s.Ask(ctx, "tools/list", params)
	if err != nil {
		return nil, "", err
	}
	if err := load.Judge(frame, m); err != nil {
		return nil, "", err
	}
	next, err := headers.Add(frame, m)
	if err != nil {
		return nil, "", err
	}
	var result struct {
		Tools []struct {
			Name        string `json:"name"`
			InputSchema any    `json:"inputSchema"`
		} `json:"tools"`
	}
	if err := json.Unmarshal(m.Result.Of(frame), &result); err != nil {
		return nil, "", fmt.Errorf("the list of tools: %w", err)
	}
	tools := make(map[string]any)
	for _, tool := range result.Tools {
		tools[tool.Name] = tool.InputSchema
	}
	return tools, next, nil
}
