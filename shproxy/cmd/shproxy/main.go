// SPDX-License-Identifier: Apache-2.0

// Shproxy offers an MCP server that speaks stdio over Streamable HTTP.
package main

import (
	"os"

	"github.com/atrawog/mcp-oauth-gateway/shproxy/internal/cli"
)

func main() {
	os.Exit(cli.Main(os.Args[1:], os.Stdout, os.Stderr))
}
