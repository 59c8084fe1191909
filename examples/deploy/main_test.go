// SPDX-License-Identifier: Apache-2.0

//go:build unix

// Package deploy_test starts the reverse proxies of this directory, with the
// configurations beside it, in front of the oauthdyn command and an MCP server
// behind shproxy, and lets clients and attackers try them.
package deploy_test

import (
	"context"
	"flag"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"sync"
	"testing"
	"time"

	"github.com/modelcontextprotocol/go-sdk/mcp"

	"github.com/atrawog/mcp-oauth-gateway/examples/internal/bundle"
)

var installFlag = flag.Bool("install", false, "first install what is missing of the proxies from PyPI")

// serverArg makes this program the MCP server that shproxy starts.
const serverArg = "mcp-server-for-deploy"

func TestMain(m *testing.M) {
	if len(os.Args) == 2 && os.Args[1] == serverArg {
		if err := newServer().Run(context.Background(), &mcp.StdioTransport{}); err != nil {
			fmt.Fprintln(os.Stderr, err)
		}
		return
	}
	flag.Parse()
	os.Exit(run(m))
}

func run(m *testing.M) int {
	if *installFlag {
		ctx, cancel := context.WithTimeout(context.Background(), 5*time.Minute)
		defer cancel()
		if err := bundle.Install(ctx, os.Stdout, proxyBundle()); err != nil {
			fmt.Fprintln(os.Stderr, "deploy:", err)
			return 1
		}
	}
	dir, err := os.MkdirTemp("", "deploy")
	if err != nil {
		fmt.Fprintln(os.Stderr, "deploy:", err)
		return 1
	}
	defer os.RemoveAll(dir)
	scratch = dir
	return m.Run()
}

var scratch string // directory for what is built

// buildOauthdyn builds the command, once, and returns its path.
var buildOauthdyn = sync.OnceValues(func() (string, error) {
	program := filepath.Join(scratch, "oauthdyn")
	ctx, cancel := context.WithTimeout(context.Background(), 3*time.Minute)
	defer cancel()
	out, err := exec.CommandContext(ctx, "go", "build", "-C", "../../oauthdyn", "-o", program, "./cmd/oauthdyn").CombinedOutput()
	if err != nil {
		return "", fmt.Errorf("go build: %w\n%s", err, out)
	}
	return program, nil
})

type countInput struct {
	// Gate is a file: once it exists, the tool goes on.
	Gate string `json:"gate"`
}

type noInput struct{}

// newServer has a tool that says something before it ends, and one that not
// everybody may use.
func newServer() *mcp.Server {
	server := mcp.NewServer(&mcp.Implementation{Name: "deploy", Version: "v0"}, nil)
	mcp.AddTool(server, &mcp.Tool{Name: "count"}, count)
	mcp.AddTool(server, &mcp.Tool{Name: "wipe"}, func(context.Context, *mcp.CallToolRequest, noInput) (*mcp.CallToolResult, any, error) {
		return said("wiped"), nil, nil
	})
	return server
}

// count reports progress, and waits until somebody has seen it.
func count(ctx context.Context, req *mcp.CallToolRequest, in countInput) (*mcp.CallToolResult, any, error) {
	err := req.Session.NotifyProgress(ctx, &mcp.ProgressNotificationParams{
		ProgressToken: req.Params.GetProgressToken(), Progress: 1, Total: 2,
	})
	if err != nil {
		return nil, nil, err
	}
	for {
		if _, err := os.Stat(in.Gate); err == nil {
			return said("counted"), nil, nil
		}
		select {
		case <-ctx.Done():
			return nil, nil, ctx.Err()
		case <-time.After(10 * time.Millisecond): // nothing tells of a new file
		}
	}
}

func said(s string) *mcp.CallToolResult {
	return &mcp.CallToolResult{Content: []mcp.Content{&mcp.TextContent{Text: s}}}
}
