// SPDX-License-Identifier: Apache-2.0

//lint:file-ignore SA1019 sampling is deprecated since 2026-07-28, and still has to pass

package main

import (
	"context"
	"encoding/json"
	"errors"

	"github.com/modelcontextprotocol/go-sdk/mcp"
)

// addQuestions adds what asks back. A tool returns its question as input that
// it requires, and is called once more with the answer: that is how 2026-07-28
// does it, and for older clients the SDK sends the question as a request.
func (s *server) addQuestions() {
	mcp.AddTool(s.mcp, describe("askUser", "Ask the user a question (elicitation), and return the answer",
		`{"type": "object", "additionalProperties": false, "properties": {
			"question": {"type": "string", "maxLength": 1000, "default": "What shall be echoed?"}}}`), askUser)
	mcp.AddTool(s.mcp, describe("askModel", "Ask the client's model (sampling), and return what it says",
		`{"type": "object", "additionalProperties": false, "properties": {
			"prompt": {"type": "string", "maxLength": 10000, "default": "Say hello."},
			"maxTokens": {"type": "integer", "minimum": 1, "maximum": 10000, "default": 100}}}`), askModel)
}

// question is the key of the one question that a tool has.
const question = "question"

var (
	errNoElicitation = errors.New("this client does not say that it can ask its user (capability elicitation), or cannot be asked: the stateless form has no way back to clients before " + modernVersion)
	errNoSampling    = errors.New("this client does not say that it can ask a model (capability sampling), or cannot be asked: the stateless form has no way back to clients before " + modernVersion)
)

func askUser(_ context.Context, req *mcp.CallToolRequest, in struct {
	Question string `json:"question"`
}) (*mcp.CallToolResult, any, error) {
	if answer, ok := req.Params.InputResponses[question].(*mcp.ElicitResult); ok {
		said, _ := answer.Content["answer"].(string)
		switch answer.Action {
		case "accept":
			return text("The user says: " + said), nil, nil
		case "decline":
			return text("The user declines to answer."), nil, nil
		}
		return text("The user has closed the question."), nil, nil
	}
	if _, _, can := (call{CallToolRequest: req}).client(); can.Elicitation == nil {
		return nil, nil, errNoElicitation
	}
	return &mcp.CallToolResult{InputRequests: mcp.InputRequestMap{question: &mcp.ElicitParams{
		Message:         in.Question,
		RequestedSchema: json.RawMessage(`{"type": "object", "properties": {"answer": {"type": "string", "title": "Answer"}}, "required": ["answer"]}`),
	}}}, nil, nil
}

func askModel(_ context.Context, req *mcp.CallToolRequest, in struct {
	Prompt    string `json:"prompt"`
	MaxTokens int64  `json:"maxTokens"`
}) (*mcp.CallToolResult, any, error) {
	if answer, ok := req.Params.InputResponses[question].(*mcp.CreateMessageWithToolsResult); ok {
		for _, content := range answer.Content {
			if said, ok := content.(*mcp.TextContent); ok {
				return text("The model " + answer.Model + " says: " + said.Text), nil, nil
			}
		}
		return text("The model " + answer.Model + " says nothing in text."), nil, nil
	}
	if _, _, can := (call{CallToolRequest: req}).client(); can.Sampling == nil {
		return nil, nil, errNoSampling
	}
	return &mcp.CallToolResult{InputRequests: mcp.InputRequestMap{question: &mcp.CreateMessageParams{
		Messages:  []*mcp.SamplingMessage{{Role: "user", Content: &mcp.TextContent{Text: in.Prompt}}},
		MaxTokens: in.MaxTokens,
	}}}, nil, nil
}
