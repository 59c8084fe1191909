// SPDX-License-Identifier: Apache-2.0

package compat

import (
	"encoding/json"
	"slices"

	"github.com/atrawog/mcp-oauth-gateway/shproxy/era"
)

// part is a part of the protocol.
type part struct {
	name  string
	path  []string // among the server's capabilities; none: it is up to the server when it comes to it
	since string   // the first version that has it

	modern State  // for modern clients of legacy servers
	legacy State  // for legacy clients of modern servers
	remark string // if one of them is not all
}

// parts are what a server may offer, and what it may ask of its client.
var parts = []part{
	{name: "tools", path: []string{"tools"}, since: "2024-11-05"},
	{name: "tools list changes", path: []string{"tools", "listChanged"}, since: "2024-11-05"},
	{name: "prompts", path: []string{"prompts"}, since: "2024-11-05"},
	{name: "prompts list changes", path: []string{"prompts", "listChanged"}, since: "2024-11-05"},
	{name: "resources", path: []string{"resources"}, since: "2024-11-05"},
	{name: "resources list changes", path: []string{"resources", "listChanged"}, since: "2024-11-05"},
	{name: "resource updates", path: []string{"resources", "subscribe"}, since: "2024-11-05"},
	{name: "completions", path: []string{"completions"}, since: "2025-03-26"},
	{name: "logging", path: []string{"logging"}, since: "2024-11-05", modern: Limited, legacy: Limited,
		remark: "logging across the eras: what a server logs outside of calls reaches no modern client, and a legacy client gets messages once it has set a level"},
	{name: "tasks", path: []string{"tasks"}, since: "2025-11-25", modern: Lost, legacy: Lost,
		remark: "tasks across the eras: since 2026-07-28 they are an extension with other methods"},
	{name: "extensions", path: []string{"extensions"}, since: "2026-07-28", modern: Lost, legacy: Limited,
		remark: "extensions across the eras: their methods pass, but legacy clients know no results of types of their own"},
	{name: "roots", since: "2024-11-05", modern: Limited,
		remark: "roots for modern clients of legacy servers: they are asked for once, and clients that say the same of themselves share the answer"},
	{name: "sampling", since: "2024-11-05", modern: Limited, remark: asked},
	{name: "elicitation", since: "2025-06-18", modern: Limited, remark: asked},
	{name: "elicitation by URL", since: "2025-11-25", modern: Limited, remark: asked},
}

const asked = "questions of legacy servers to modern clients: within calls of tools, prompts and resources only"

// features fills in what the server has.
func (r *Report) features(legacy, modern Answer) {
	r.Remarks = []string{}
	r.Features = []Feature{}
	for _, p := range parts {
		if len(p.path) > 0 && !has(legacy, p.path) && !has(modern, p.path) {
			continue
		}
		f := Feature{Name: p.name}
		for _, v := range r.Versions {
			s := p.state(v, legacy, modern)
			f.States = append(f.States, s)
			if (s == Limited || s == Lost) && v.State != Lost && p.remark != "" && !slices.Contains(r.Remarks, p.remark) {
				r.Remarks = append(r.Remarks, p.remark)
			}
		}
		r.Features = append(r.Features, f)
	}
}

// state is how a part works for clients of a version.
func (p part) state(v Version, legacy, modern Answer) State {
	across, server := Native, legacy
	switch {
	case v.State == Lost:
		return Lost
	case v.Version < p.since, v.Version == era.Modern && v.State == Native && p.name == "tasks":
		return Absent
	case len(p.path) == 0 && v.Agreed < p.since:
		return Absent // the server's version does not have it
	case v.Version == era.Modern && v.State == Translated:
		across = orTranslated(p.modern)
	case v.Agreed == era.Modern && v.Version != era.Modern:
		across, server = orTranslated(p.legacy), modern
	case v.Version == era.Modern:
		server = modern
	}
	if len(p.path) > 0 && !has(server, p.path) {
		return Absent
	}
	return across
}

func orTranslated(s State) State {
	if s == "" {
		return Translated
	}
	return s
}

// has reports whether a server has declared a capability.
func has(a Answer, path []string) bool {
	if a.Version == "" {
		return false
	}
	value, ok := a.Capabilities[path[0]]
	for _, name := range path[1:] {
		var members map[string]json.RawMessage
		if json.Unmarshal(value, &members) != nil {
			return false
		}
		value, ok = members[name]
	}
	return ok && string(value) != "false" && string(value) != "null"
}
