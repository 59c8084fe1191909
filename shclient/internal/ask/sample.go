// SPDX-License-Identifier: Apache-2.0

//lint:file-ignore SA1019 servers of the legacy era ask for it

package ask

import (
	"context"
	"errors"
	"strings"

	"github.com/modelcontextprotocol/go-sdk/jsonrpc"
	"github.com/modelcontextprotocol/go-sdk/mcp"

	"github.com/atrawog/mcp-oauth-gateway/shclient/internal/render"
)

// codeRejected answers a request that the person refuses (MCP, sampling, "Error
// Handling").
const codeRejected = -1

// maxMessages of a request are shown; a person does not read more.
const maxMessages = 50

// Sample shows what a server wants a model to answer, and lets a person answer.
func (a *Asker) Sample(ctx context.Context, params *mcp.CreateMessageParams) (*mcp.CreateMessageResult, error) {
	a.mu.Lock()
	defer a.mu.Unlock()
	rejected := &jsonrpc.Error{Code: codeRejected, Message: "User rejected sampling request"}
	if a.ReadLine == nil {
		a.print("%s asks for what a model would say: refused, since nobody is at the terminal\n", a.server())
		return nil, rejected
	}
	a.print("%s asks for what a model would say:\n\n", a.Screen.Bold(a.server()))
	if params.SystemPrompt != "" {
		a.message("system", params.SystemPrompt)
	}
	shown := params.Messages[max(0, len(params.Messages)-maxMessages):]
	for _, m := range shown {
		if text, ok := m.Content.(*mcp.TextContent); ok {
			a.message(string(m.Role), text.Text)
		} else {
			a.message(string(m.Role), render.Screen{}.Content(m.Content))
		}
	}
	text, err := a.lines(ctx)
	if _, ok := errors.AsType[ended](err); ok || err == nil && text == "" {
		return nil, rejected
	}
	if err != nil {
		return nil, err
	}
	return &mcp.CreateMessageResult{
		Role:       "assistant",
		Model:      "human",
		StopReason: "endTurn",
		Content:    &mcp.TextContent{Text: text},
	}, nil
}

func (a *Asker) message(role, text string) {
	a.print("%s\n", a.Screen.Dim(render.Line(role)+":"))
	a.paragraph(text)
}

// lines reads an answer of several lines.
func (a *Asker) lines(ctx context.Context) (string, error) {
	a.print("%s\n", a.Screen.Dim("Your answer, ended by a line with a single dot; nothing, or "+wordDecline+", refuses."))
	var lines []string
	for {
		text, err := a.line(ctx, "> ")
		if err != nil {
			return "", err
		}
		if text == "." {
			return strings.Join(lines, "\n"), nil
		}
		lines = append(lines, text)
	}
}
