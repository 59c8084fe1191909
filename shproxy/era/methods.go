// SPDX-License-Identifier: Apache-2.0

package era

import "slices"

// traits are what a translator has to know of a request of the client.
type traits struct {
	asks    bool   // the answer may be that input is required
	cached  bool   // the modern result says how long it is good for
	list    string // the member of the result that holds a list
	sortBy  string // the member of its elements that orders them
	retired bool   // it is not there any more in the modern era
}

// requests are the methods of clients that differ between the eras. Others
// pass as they are.
var requests = map[string]traits{
	"tools/call":               {asks: true},
	"prompts/get":              {asks: true},
	"resources/read":           {asks: true, cached: true},
	"tools/list":               {cached: true, list: "tools", sortBy: "name"},
	"prompts/list":             {cached: true, list: "prompts", sortBy: "name"},
	"resources/list":           {cached: true, list: "resources", sortBy: "uri"},
	"resources/templates/list": {cached: true, list: "resourceTemplates", sortBy: "uriTemplate"},
	"server/discover":          {cached: true},
	"initialize":               {retired: true},
	"ping":                     {retired: true},
	"logging/setLevel":         {retired: true},
	"resources/subscribe":      {retired: true},
	"resources/unsubscribe":    {retired: true},
	"tasks/list":               {retired: true},
	"tasks/get":                {retired: true},
	"tasks/result":             {retired: true},
	"tasks/cancel":             {retired: true},
}

// MayBeAsked reports whether a request can be answered with input_required
// (MCP 2026-07-28, multi round-trip requests, "Supported Requests").
func MayBeAsked(method string) bool { return requests[method].asks }

// levels are those of log messages, from the least severe (RFC 5424, section
// 6.2.1).
var levels = [...]string{"debug", "info", "notice", "warning", "error", "critical", "alert", "emergency"}

// severity is the place of a level among them, from 1. That of anything else is
// 0.
func severity(level string) int { return slices.Index(levels[:], level) + 1 }
