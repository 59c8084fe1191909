// SPDX-License-Identifier: Apache-2.0

package cli

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"testing"

	"github.com/modelcontextprotocol/go-sdk/mcp"
	"github.com/rogpeppe/go-internal/testscript"

	"github.com/atrawog/mcp-oauth-gateway/oauthdyn/oauthdyntest"
)

func TestMain(m *testing.M) {
	testscript.Main(m, map[string]func(){
		"shclient":  func() { os.Exit(Main()) },
		"browser":   browse,
		"keepchild": keepChild,
		"richserver": func() {
			_ = richServer(context.Background()).Run(context.Background(), &mcp.StdioTransport{}) // ends with its input
		},
		"talkserver": func() {
			_ = talkServer(".").Run(context.Background(), &mcp.StdioTransport{}) // ends with its input
		},
		"stdioserver": func() {
			_ = toolServer().Run(context.Background(), &mcp.StdioTransport{}) // ends with its input
		},
	})
}

// browse is the BROWSER of the scripts: a person who signs in, without a
// screen. Its arguments are what the person does, and the URL.
func browse() {
	if name := os.Getenv(windowsEnv); name != "" {
		if err := noteWindow(name, os.Args[2]); err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
	}
	b := oauthdyntest.Browser{Username: oauthdyntest.Username, Password: oauthdyntest.Password}
	switch os.Args[1] {
	case "ignore":
		return
	case "deny":
		b.Deny = true
	case "mistype":
		b.Password = "wrong"
	case "note": // the page in a file, and do no more
		if err := os.WriteFile(os.Args[2], []byte(os.Args[3]), 0o600); err != nil {
			panic(err)
		}
		return
	}
	if err := b.Open(context.Background(), os.Args[2]); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

func TestScripts(t *testing.T) {
	testscript.Run(t, testscript.Params{
		Dir: "testdata/script",
		Setup: func(env *testscript.Env) error {
			env.Setenv("XDG_CONFIG_HOME", env.WorkDir+"/config")
			env.Setenv("GORACE", "atexit_sleep_ms=0") // else each process sleeps a second at its end
			env.Values["t"] = env.T()
			return nil
		},
		Cmds: map[string]func(*testscript.TestScript, bool, []string){
			"server": startServer,
			"exit":   exitStatus,
			"json": func(ts *testscript.TestScript, _ bool, args []string) {
				if doc := ts.ReadFile(args[0]); !json.Valid([]byte(doc)) {
					ts.Fatalf("not one JSON document: %s", doc)
				}
			},
			"waitfor": func(ts *testscript.TestScript, _ bool, args []string) {
				ts.Check(waitForFile(ts.MkAbs(args[0])))
			},
		},
	})
}

// startServer is the script command "server KIND": it starts a server in the
// test process and sets URL to its address.
func startServer(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) != 1 {
		ts.Fatalf("usage: server KIND")
	}
	var handler http.Handler
	switch args[0] {
	case "stateful":
		handler = mcpHandler(nil)
	case "rich", "rich-modern":
		ctx, stop := context.WithCancel(context.Background())
		ts.Defer(stop)
		handler = mcpHandlerOf(richServer(ctx), &mcp.StreamableHTTPOptions{Stateless: args[0] == "rich-modern"})
	case "talk":
		handler = mcpHandlerOf(talkServer(ts.Getenv("WORK")), nil)
	case "talk-modern":
		handler = mcpHandlerOf(talkServer(ts.Getenv("WORK")), &mcp.StreamableHTTPOptions{Stateless: true, PropagateRequestCancellation: true})
	case "stateless":
		handler = mcpHandler(&mcp.StreamableHTTPOptions{Stateless: true})
	case "empty":
		empty := mcp.NewServer(&mcp.Implementation{Name: "empty", Version: "1"}, &mcp.ServerOptions{
			Capabilities: &mcp.ServerCapabilities{Tools: &mcp.ToolCapabilities{}},
		})
		handler = mcp.NewStreamableHTTPHandler(func(*http.Request) *mcp.Server { return empty }, nil)
	case "documented":
		documented := documentedServer()
		handler = mcp.NewStreamableHTTPHandler(func(*http.Request) *mcp.Server { return documented }, nil)
	case "key":
		handler = wantHeader("X-Key", "k e y", mcpHandler(nil))
	case "token":
		handler = wantHeader("Authorization", "Bearer good", mcpHandler(nil))
	case "web":
		handler = http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { fmt.Fprint(w, "<html>Welcome</html>") })
	case "broken":
		handler = http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { http.Error(w, "no upstream", http.StatusBadGateway) })
	case "oauth":
		s := oauthdyntest.New(ts.Value("t").(testing.TB), &oauthdyntest.Options{Handler: mcpHandler(nil)})
		ts.Setenv("URL", s.ResourceURL)
		return
	default:
		start := moreServers[args[0]]
		if start == nil {
			ts.Fatalf("unknown kind of server %q", args[0])
		}
		start(ts)
		return
	}
	s := httptest.NewServer(handler)
	ts.Defer(func() {
		s.CloseClientConnections()
		s.Close()
	})
	ts.Setenv("URL", s.URL+"/mcp")
}

// exitStatus is the script command "exit STATUS COMMAND...": it runs a command
// that must end with the status.
func exitStatus(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) < 2 {
		ts.Fatalf("usage: exit STATUS COMMAND [ARGUMENT...]")
	}
	want, err := strconv.Atoi(args[0])
	ts.Check(err)
	err = ts.Exec(args[1], args[2:]...)
	got := 0
	if exit, ok := errors.AsType[*exec.ExitError](err); ok {
		got = exit.ExitCode()
	} else {
		ts.Check(err)
	}
	if got != want {
		ts.Fatalf("exit status %d, want %d", got, want)
	}
}

// mcpHandler serves a few real tools.
func mcpHandler(o *mcp.StreamableHTTPOptions) http.Handler {
	return mcpHandlerOf(toolServer(), o)
}

func mcpHandlerOf(s *mcp.Server, o *mcp.StreamableHTTPOptions) http.Handler {
	return mcp.NewStreamableHTTPHandler(func(*http.Request) *mcp.Server { return s }, o)
}

func toolServer() *mcp.Server {
	s := mcp.NewServer(&mcp.Implementation{Name: "tools", Version: "1"}, nil)
	type echo struct {
		Message string   `json:"message" jsonschema:"what to say"`
		Times   int      `json:"times,omitempty" jsonschema:"how often"`
		Tags    []string `json:"tags,omitempty"`
	}
	mcp.AddTool(s, &mcp.Tool{Name: "echo", Description: "Say it again.\nAnd again."},
		func(_ context.Context, _ *mcp.CallToolRequest, in echo) (*mcp.CallToolResult, any, error) {
			text := strings.Repeat(in.Message, max(in.Times, 1)) + strings.Join(in.Tags, "+")
			return &mcp.CallToolResult{Content: []mcp.Content{&mcp.TextContent{Text: text}}}, nil, nil
		})
	mcp.AddTool(s, &mcp.Tool{Name: "fail"},
		func(context.Context, *mcp.CallToolRequest, struct{}) (*mcp.CallToolResult, any, error) {
			return nil, nil, errors.New("out of tea")
		})
	mcp.AddTool(s, &mcp.Tool{Name: "ask"},
		func(ctx context.Context, req *mcp.CallToolRequest, _ struct{}) (*mcp.CallToolResult, any, error) {
			form := json.RawMessage(`{"type":"object","properties":{"name":{"type":"string"}},"required":["name"]}`)
			result, err := asks(&mcp.ElicitParams{Message: "Who are you?", RequestedSchema: form})(ctx, req)
			return result, nil, err
		})
	mcp.AddTool(s, &mcp.Tool{Name: "wait"},
		func(ctx context.Context, req *mcp.CallToolRequest, _ struct{}) (*mcp.CallToolResult, any, error) {
			fmt.Fprintln(os.Stderr, "waiting")
			<-ctx.Done()
			return nil, nil, ctx.Err()
		})
	mcp.AddTool(s, &mcp.Tool{Name: "add"},
		func(_ context.Context, _ *mcp.CallToolRequest, in struct{ A, B float64 }) (*mcp.CallToolResult, any, error) {
			return &mcp.CallToolResult{Content: []mcp.Content{}}, map[string]any{"sum": in.A + in.B}, nil
		})
	mcp.AddTool(s, &mcp.Tool{Name: "mixed"},
		func(context.Context, *mcp.CallToolRequest, struct{}) (*mcp.CallToolResult, any, error) {
			return &mcp.CallToolResult{Content: []mcp.Content{
				&mcp.TextContent{Text: "a picture:"},
				&mcp.ImageContent{MIMEType: "image/png", Data: []byte("12345")},
				&mcp.AudioContent{MIMEType: "audio/wav", Data: []byte("1234")},
				&mcp.ResourceLink{Name: "r", URI: "file:///r"},
				&mcp.EmbeddedResource{Resource: &mcp.ResourceContents{URI: "file:///t", Text: "embedded"}},
				&mcp.EmbeddedResource{Resource: &mcp.ResourceContents{URI: "file:///b", MIMEType: "x/y", Blob: []byte("123")}},
			}}, nil, nil
		})
	return s
}

func wantHeader(name, value string, next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Header.Get(name) != value {
			w.WriteHeader(http.StatusUnauthorized)
			return
		}
		next.ServeHTTP(w, r)
	})
}
