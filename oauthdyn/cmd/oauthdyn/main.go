// SPDX-License-Identifier: Apache-2.0

// The oauthdyn command runs an OAuth authorization server for MCP.
package main

import (
	"os"

	"github.com/atrawog/mcp-oauth-gateway/oauthdyn/internal/cli"
)

func main() {
	os.Exit(cli.Main(os.Args[1:], os.Stdin, os.Stdout, os.Stderr))
}
