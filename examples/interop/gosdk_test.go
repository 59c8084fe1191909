// SPDX-License-Identifier: Apache-2.0

//go:build unix

//lint:file-ignore SA1019 the versions with initialize have what 2026-07-28 deprecates

package interop_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/modelcontextprotocol/go-sdk/jsonrpc"
	"github.com/modelcontextprotocol/go-sdk/mcp"
)

// A goClient drives the go-sdk's client, in this process.
type goClient struct {
	*driver
	ctx     context.Context
	bridge  func(connectParams) *exec.Cmd // nil: the client connects by itself
	session *mcp.ClientSession

	mu    sync.Mutex
	calls map[int]context.CancelFunc // guarded by mu; by id of the command
}

// startGo returns the driver of the go-sdk's client. With a bridge, the client
// talks to that program on its standard input and output.
func startGo(t *testing.T, bridge func(connectParams) *exec.Cmd) *driver {
	ctx, cancel := context.WithCancel(context.Background())
	g := &goClient{ctx: ctx, bridge: bridge, calls: map[int]context.CancelFunc{}}
	var running sync.WaitGroup
	g.driver = newDriver(func(c command) error {
		running.Go(func() { g.run(c) })
		return nil
	})
	t.Cleanup(func() {
		cancel()
		if g.session != nil {
			g.session.Close()
		}
		running.Wait()
	})
	return g.driver
}

func (g *goClient) run(c command) {
	r := reply{ID: c.ID}
	result, err := g.do(c)
	if err == nil {
		r.Result, err = json.Marshal(result)
	}
	if err != nil {
		r.Error = &clientError{Message: err.Error()}
		if e, ok := errors.AsType[*jsonrpc.Error](err); ok {
			r.Error.Code = int(e.Code)
		}
	}
	g.receive(line{reply: r})
}

func (g *goClient) emit(method string, params any) {
	text, err := json.Marshal(params)
	if err != nil {
		text = fmt.Appendf(nil, "%q", err)
	}
	g.receive(line{event: event{Method: method, Params: text}})
}

func (g *goClient) do(c command) (any, error) {
	switch c.Op {
	case "connect":
		return g.connect(c.Params.(connectParams))
	case "list":
		return g.list()
	case "call":
		return g.call(c.ID, c.Params.(callParams))
	case "cancel":
		g.mu.Lock()
		defer g.mu.Unlock()
		g.calls[c.Params.(cancelParams).Call]()
		return nil, nil
	case "prompt":
		p := c.Params.(promptParams)
		return g.session.GetPrompt(g.ctx, &mcp.GetPromptParams{Name: p.Name, Arguments: p.Arguments})
	case "read":
		return g.session.ReadResource(g.ctx, &mcp.ReadResourceParams{URI: c.Params.(uriParams).URI})
	case "complete":
		p := c.Params.(completeParams)
		return g.session.Complete(g.ctx, &mcp.CompleteParams{
			Ref:      &mcp.CompleteReference{Type: p.Ref.Type, Name: p.Ref.Name},
			Argument: mcp.CompleteParamsArgument{Name: p.Argument.Name, Value: p.Argument.Value},
		})
	case "subscribe":
		return nil, g.session.Subscribe(g.ctx, &mcp.SubscribeParams{URI: c.Params.(uriParams).URI})
	case "unsubscribe":
		return nil, g.session.Unsubscribe(g.ctx, &mcp.UnsubscribeParams{URI: c.Params.(uriParams).URI})
	case "watch":
		return nil, nil // its handlers make it ask for changes
	case "level":
		return nil, g.session.SetLoggingLevel(g.ctx, &mcp.SetLoggingLevelParams{Level: mcp.LoggingLevel(c.Params.(levelParams).Level)})
	case "ping":
		return nil, g.session.Ping(g.ctx, nil)
	case "close":
		err := g.session.Close()
		if _, ok := errors.AsType[*exec.ExitError](err); ok || errors.Is(err, os.ErrProcessDone) {
			return nil, nil // a program that did not end with its input was told to
		}
		return nil, err
	}
	return nil, fmt.Errorf("no operation %q", c.Op)
}

func (g *goClient) connect(p connectParams) (any, error) {
	client := mcp.NewClient(&mcp.Implementation{Name: "interop-go", Version: "1.0.0"}, g.options(p))
	for _, r := range p.Roots { // without the capability, nobody asks for them
		client.AddRoots(&mcp.Root{URI: r.URI, Name: r.Name})
	}
	client.AddReceivingMiddleware(g.tellRoots)
	opts := &mcp.ClientSessionOptions{}
	if p.Era == eraLegacy || g.bridge != nil {
		opts.ProtocolVersion = legacyVersion
	}
	session, err := client.Connect(g.ctx, g.transport(p), opts)
	if err != nil {
		return nil, err
	}
	g.session = session
	result := session.InitializeResult()
	return map[string]any{"version": result.ProtocolVersion, "server": result.ServerInfo, "capabilities": result.Capabilities}, nil
}

// tellRoots emits the one request of servers that has no handler in the SDK.
func (g *goClient) tellRoots(next mcp.MethodHandler) mcp.MethodHandler {
	return func(ctx context.Context, method string, r mcp.Request) (mcp.Result, error) {
		if method == "roots/list" {
			g.emit(method, struct{}{})
		}
		return next(ctx, method, r)
	}
}

func (g *goClient) transport(p connectParams) mcp.Transport {
	var cmd *exec.Cmd
	switch {
	case g.bridge != nil:
		cmd = g.bridge(p)
	case p.URL != "":
		return &mcp.StreamableClientTransport{Endpoint: p.URL}
	default:
		cmd = exec.Command(p.Command[0], p.Command[1:]...)
	}
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	return &mcp.CommandTransport{Command: cmd, TerminateDuration: 5 * time.Second}
}

func (g *goClient) options(p connectParams) *mcp.ClientOptions {
	o := g.listening()
	o.Capabilities = &mcp.ClientCapabilities{}
	if p.Plain {
		return o
	}
	o.Capabilities.RootsV2 = &mcp.RootCapabilities{ListChanged: true}
	o.Capabilities.Elicitation = &mcp.ElicitationCapabilities{Form: &mcp.FormElicitationCapabilities{}, URL: &mcp.URLElicitationCapabilities{}}
	o.CreateMessageHandler = func(_ context.Context, r *mcp.CreateMessageRequest) (*mcp.CreateMessageResult, error) {
		g.emit("sampling/createMessage", r.Params)
		return &mcp.CreateMessageResult{
			Model: p.Sampling.Model, Role: mcp.Role(p.Sampling.Role), Content: &mcp.TextContent{Text: p.Sampling.Content.Text},
		}, nil
	}
	o.ElicitationHandler = func(_ context.Context, r *mcp.ElicitRequest) (*mcp.ElicitResult, error) {
		g.emit("elicitation/create", r.Params)
		result := &mcp.ElicitResult{Action: p.Elicitation.Action}
		if r.Params.Mode != "url" {
			result.Content = p.Elicitation.Content
		}
		return result, nil
	}
	return o
}

// listening has the handlers of what a server tells unasked.
func (g *goClient) listening() *mcp.ClientOptions {
	return &mcp.ClientOptions{
		ToolListChangedHandler: func(_ context.Context, r *mcp.ToolListChangedRequest) {
			g.emit("notifications/tools/list_changed", r.Params)
		},
		PromptListChangedHandler: func(_ context.Context, r *mcp.PromptListChangedRequest) {
			g.emit("notifications/prompts/list_changed", r.Params)
		},
		ResourceListChangedHandler: func(_ context.Context, r *mcp.ResourceListChangedRequest) {
			g.emit("notifications/resources/list_changed", r.Params)
		},
		ResourceUpdatedHandler: func(_ context.Context, r *mcp.ResourceUpdatedNotificationRequest) {
			g.emit("notifications/resources/updated", r.Params)
		},
		LoggingMessageHandler: func(_ context.Context, r *mcp.LoggingMessageRequest) {
			g.emit("notifications/message", r.Params)
		},
		ProgressNotificationHandler: func(_ context.Context, r *mcp.ProgressNotificationClientRequest) {
			g.emit("notifications/progress", map[string]any{
				"call": r.Params.ProgressToken, "progress": r.Params.Progress, "total": r.Params.Total, "message": r.Params.Message,
			})
		},
	}
}

func (g *goClient) list() (found lists, err error) {
	has := g.session.InitializeResult().Capabilities
	for t, e := range g.session.Tools(g.ctx, nil) {
		if e != nil {
			return found, e
		}
		found.Tools = append(found.Tools, t.Name)
	}
	if has.Resources != nil {
		for r, e := range g.session.Resources(g.ctx, nil) {
			if e != nil {
				return found, e
			}
			found.Resources = append(found.Resources, r.URI)
		}
		for r, e := range g.session.ResourceTemplates(g.ctx, nil) {
			if e != nil {
				return found, e
			}
			found.Templates = append(found.Templates, r.URITemplate)
		}
	}
	if has.Prompts != nil {
		for p, e := range g.session.Prompts(g.ctx, nil) {
			if e != nil {
				return found, e
			}
			found.Prompts = append(found.Prompts, p.Name)
		}
	}
	return found, nil
}

func (g *goClient) call(id int, p callParams) (any, error) {
	ctx, cancel := context.WithCancel(g.ctx)
	defer cancel()
	g.mu.Lock()
	g.calls[id] = cancel
	g.mu.Unlock()
	params := &mcp.CallToolParams{Name: p.Name, Arguments: p.Arguments, Meta: p.Meta}
	if p.Progress {
		params.SetProgressToken(id)
	}
	return g.session.CallTool(ctx, params)
}

// mcpRemote is the bridge of the package mcp-remote, in a home of its own.
func mcpRemote(t *testing.T) func(connectParams) *exec.Cmd {
	home := t.TempDir()
	return func(p connectParams) *exec.Cmd {
		era := "auto"
		if p.Era == eraLegacy {
			era = "legacy"
		}
		cmd := exec.Command(npmCommand("mcp-remote"), p.URL, "--transport", "http-only", "--protocol", era)
		cmd.Env = append(os.Environ(), "MCP_REMOTE_CONFIG_DIR="+home)
		cmd.Stderr = logOnFailure(t, "mcp-remote")
		return cmd
	}
}

// logOnFailure keeps what a program writes and shows it if the test fails.
func logOnFailure(t *testing.T, name string) *output {
	o := &output{}
	t.Cleanup(func() {
		if t.Failed() {
			t.Logf("%s wrote:\n%s", name, o)
		}
	})
	return o
}
