// SPDX-License-Identifier: Apache-2.0

// Package check tests any MCP server from outside against the demands of the
// specification, each of which is a [Rule].
//
// [Run] asks the server which protocol versions it speaks, and tries each rule
// in each of them: a rule talks to the server through its [Probe], over
// Streamable HTTP or stdio, and reports what is broken. A [Report] holds the
// findings with what was sent and received, and can be written as text, JSON,
// JUnit XML and Markdown.
//
// Rules stand in files by theme, rules_*.go; docs/check.md is their list.
package check
