// SPDX-License-Identifier: Apache-2.0

package faultyserver

import (
	"context"
	"io"
	"net/http/httptest"
	"slices"
	"testing"

	"github.com/modelcontextprotocol/go-sdk/mcp"
)

// TestPeer lets the SDK's client use all that the server has, in each version and over both transports.
func TestPeer(t *testing.T) {
	for _, version := range Versions {
		t.Run(version, func(t *testing.T) {
			s, err := New(Options{Versions: []string{version}})
			if err != nil {
				t.Fatal(err)
			}
			t.Run("HTTP", func(t *testing.T) {
				web := httptest.NewServer(s)
				defer web.Close()
				defer web.CloseClientConnections()
				use(t, version, &mcp.StreamableClientTransport{Endpoint: web.URL + Path, MaxRetries: -1})
			})
			t.Run("stdio", func(t *testing.T) {
				in, toServer := io.Pipe()
				fromServer, out := io.Pipe()
				ended := make(chan error, 1)
				go func() {
					err := s.ServeLines(context.Background(), in, out)
					out.Close()
					ended <- err
				}()
				use(t, version, &mcp.IOTransport{Reader: fromServer, Writer: toServer})
				if err := <-ended; err != nil {
					t.Errorf("the server ends with %v", err)
				}
			})
		})
	}
}

func use(t *testing.T, version string, transport mcp.Transport) {
	t.Helper()
	ctx := t.Context()
	client := mcp.NewClient(&mcp.Implementation{Name: "test", Version: "1"}, &mcp.ClientOptions{
		ElicitationHandler: func(context.Context, *mcp.ElicitRequest) (*mcp.ElicitResult, error) {
			return &mcp.ElicitResult{Action: "accept", Content: map[string]any{"name": "Ada"}}, nil
		},
	})
	c, err := client.Connect(ctx, transport, &mcp.ClientSessionOptions{ProtocolVersion: version})
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	if got := c.InitializeResult().ProtocolVersion; got != version {
		t.Errorf("version %s", got)
	}
	var names []string
	for tool, err := range c.Tools(ctx, nil) {
		if err != nil {
			t.Fatal(err)
		}
		names = append(names, tool.Name)
	}
	want := []string{"add", "count", "greet", "picture", "region"}
	calls := []*mcp.CallToolParams{
		{Name: "add", Arguments: map[string]any{"a": 1, "b": 2.5}},
		{Name: "greet", Arguments: map[string]any{"name": "Ada"}},
		{Name: "picture"},
		{Name: "region", Arguments: map[string]any{"region": "näh"}},
	}
	if modern(version) {
		want = append(want, "ask")
		calls = append(calls, &mcp.CallToolParams{Name: "ask"})
	}
	if slices.Sort(want); !slices.Equal(slices.Sorted(slices.Values(names)), want) {
		t.Errorf("tools %v", names)
	}
	for _, call := range calls {
		result, err := c.CallTool(ctx, call)
		if err != nil || result.IsError {
			t.Errorf("%s: %v, %v", call.Name, result, err)
		}
	}
	count := &mcp.CallToolParams{Name: "count", Arguments: map[string]any{"steps": 4}}
	count.SetProgressToken("p")
	if _, err := c.CallTool(ctx, count); err != nil {
		t.Error(err)
	}
	if _, err := c.CallTool(ctx, &mcp.CallToolParams{Name: "nothing"}); err == nil {
		t.Error("an unknown tool can be called")
	}
	for _, uri := range []string{"test://text", "test://blob", "test://item/7"} {
		if _, err := c.ReadResource(ctx, &mcp.ReadResourceParams{URI: uri}); err != nil {
			t.Error(err)
		}
	}
	if _, err := c.GetPrompt(ctx, &mcp.GetPromptParams{Name: "greeting", Arguments: map[string]string{"name": "Ada"}}); err != nil {
		t.Error(err)
	}
	if _, err := c.Complete(ctx, &mcp.CompleteParams{Ref: &mcp.CompleteReference{Type: "ref/prompt", Name: "greeting"}, Argument: mcp.CompleteParamsArgument{Name: "name", Value: "a"}}); err != nil {
		t.Error(err)
	}
}

func TestNew(t *testing.T) {
	if _, err := New(Options{Faults: []string{"no-such-fault"}}); err == nil {
		t.Error("an unknown fault is accepted")
	}
	if _, err := New(Options{Versions: []string{"1999-01-01"}}); err == nil {
		t.Error("an unknown version is accepted")
	}
	seen := map[string]bool{}
	for _, f := range Faults {
		if seen[f.Name] {
			t.Errorf("%s is there twice", f.Name)
		}
		seen[f.Name] = true
	}
}
