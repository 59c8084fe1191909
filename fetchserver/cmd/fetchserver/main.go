// SPDX-License-Identifier: Apache-2.0

// Fetchserver is an MCP server that reads web pages for a model.
package main

import (
	"os"

	"github.com/atrawog/mcp-oauth-gateway/fetchserver/internal/cli"
)

func main() {
	os.Exit(cli.Main(os.Args[1:], os.Stdin, os.Stdout, os.Stderr))
}
