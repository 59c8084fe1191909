// SPDX-License-Identifier: Apache-2.0

// Package shell is what an interactive command line needs: words, a line editor
// with history, and completion. It knows nothing of MCP.
package shell
