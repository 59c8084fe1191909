// SPDX-License-Identifier: Apache-2.0

//go:build unix

// Package deploy_test starts the deployments of this directory as operators do,
// and lets clients and attackers try them.
package deploy_test

import (
	"context"
	"flag"
	"fmt"
	"os"
	"os/exec"
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
	if os.Getenv(browserVariable) != "" && len(os.Args) == 2 {
		if err := openPage(os.Args[1]); err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
		return
	}
	flag.Parse()
	os.Exit(bundle.Main(m, "deploy", *installFlag, proxyBundle()))
}

// commands builds the commands of the repository, once, and returns the
// directory that holds them. They are compiled as for a release, and without
// regard to where the sources are (-trimpath), so that the walk of the
// operations page finds that in the cache, and the tests of images too.
var commands = sync.OnceValues(func() (string, error) {
	ctx, cancel := context.WithTimeout(context.Background(), 8*time.Minute)
	defer cancel()
	args := []string{"build", "-trimpath", "-o", bundle.Scratch}
	for _, name := range []string{"oauthdyn", "shproxy", "fetchserver", "shclient"} {
		args = append(args, "github.com/atrawog/mcp-oauth-gateway/"+name+"/cmd/"+name)
	}
	build := exec.CommandContext(ctx, "go", args...)
	build.Env = append(os.Environ(), "CGO_ENABLED=0")
	if out, err := build.CombinedOutput(); err != nil {
		return "", fmt.Errorf("go build: %w\n%s", err, out)
	}
	return bundle.Scratch, nil
})

// steps are how often the tool count reports progress.
const steps = 3

type countInput struct {
	// Gate is the beginning of the names of files: the tool takes step N+1 once
	// that with the number N exists.
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

// count reports progress, and waits each time until somebody has seen it.
func count(ctx context.Context, req *mcp.CallToolRequest, in countInput) (*mcp.CallToolResult, any, error) {
	for step := 1; step <= steps; step++ {
		err := req.Session.NotifyProgress(ctx, &mcp.ProgressNotificationParams{
			ProgressToken: req.Params.GetProgressToken(), Progress: float64(step), Total: steps,
		})
		if err != nil {
			return nil, nil, err
		}
		if err := waitFile(ctx, fmt.Sprint(in.Gate, step)); err != nil {
			return nil, nil, err
		}
	}
	return said("counted"), nil, nil
}

func waitFile(ctx context.Context, name string) error {
	for {
		if _, err := os.Stat(name); err == nil {
			return nil
		}
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-time.After(10 * time.Millisecond): // nothing tells of a new file
		}
	}
}

func said(s string) *mcp.CallToolResult {
	return &mcp.CallToolResult{Content: []mcp.Content{&mcp.TextContent{Text: s}}}
}
