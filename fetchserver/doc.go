// SPDX-License-Identifier: Apache-2.0

// Package fetchserver is an MCP server that reads the web for a model: the
// tool fetch returns a page as Markdown, a slice at a time, fetch_many the
// beginnings of several; the prompt fetch and the resource template
// fetch://{+url} give a page to people and programs.
//
//	server, err := fetchserver.New(nil)
//	if err != nil { … }
//	http.Handle("/mcp", server.Handler())
//
// It speaks Streamable HTTP, to clients of the 2026-07-28 protocol and to
// those of every older version, on one endpoint and without sessions. The
// options say which private addresses may be reached, whether robots.txt
// counts, and how much of everything is allowed. [Server.Fetch] gives the same
// documents to Go programs.
//
// # Threat model
//
// The URL comes from a model that may have been talked into it, the page from
// anyone. Package fetch refuses addresses that are not public, at the moment
// a connection is opened, for every redirect. Package extract converts hostile
// pages in bounded time and memory. What a page says is handed on between marks
// that it cannot forge, so that a model can tell it from words of the server;
// whether the model heeds that is not in our hands. Requests of web pages to this server are
// refused by their Origin and Host fields. A panic ends one call, not the
// server. Who may call is up to the program that uses this package: see
// [Options.Middleware].
package fetchserver
