// SPDX-License-Identifier: Apache-2.0

// Command shclient connects programs and people with remote MCP servers.
package main

import (
	"os"

	"github.com/atrawog/mcp-oauth-gateway/shclient/internal/cli"
)

func main() { os.Exit(cli.Main()) }
