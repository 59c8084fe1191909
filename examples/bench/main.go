// SPDX-License-Identifier: Apache-2.0

// Command bench measures what a bridge between Streamable HTTP and stdio costs.
//
// It loads shproxy, and the other bridges it finds, with MCP tools/call
// requests to the same minimal echo server, next to two floors: that server
// over bare stdio, and a bare net/http handler that gives the same replies.
// Every reply is checked. The systems take turns within a round, the figures
// are medians over the rounds, and the report compares ratios of one run,
// since absolute numbers say more about the machine than about the bridge.
//
//	go run ./examples/bench            # from the root of the repository
//	go run ./examples/bench -install   # also fetch the peers to compare with
//
// With -forward-auth it compares what checks access tokens for a reverse proxy
// instead: oauthdyn, a bare handler, and the Python original.
//
// With -auth-server it compares what authorization servers issue: oauthdyn on
// its embedded store and on Redis, and oidc-provider.
//
// With -command-line it compares commands that call one tool, as whole
// processes: shclient, the MCP inspector's and mcporter.
//
// With -fetch it compares what turns web pages into Markdown: fetchserver, npm
// packages, and PyPI's mcp-server-fetch.
//
// README.md says how to read the tables.
package main

import (
	"context"
	"os"
	"os/signal"
	"syscall"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	code := run(ctx, os.Args[1:], os.Stdin, os.Stdout, os.Stderr)
	stop()
	os.Exit(code)
}
