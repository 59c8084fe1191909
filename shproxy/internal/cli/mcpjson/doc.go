// SPDX-License-Identifier: Apache-2.0

// Package mcpjson reads the configuration files of MCP clients, whose member
// "mcpServers" tells how servers are started or where they are.
//
// The format has no specification; what clients agree on is read, and what
// only some of them have is reported, so that nothing is ignored silently.
// Members have to be spelled exactly and to be there once.
package mcpjson
