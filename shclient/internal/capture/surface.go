// SPDX-License-Identifier: Apache-2.0

package capture

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"

	"github.com/atrawog/mcp-oauth-gateway/shproxy/jsonrpc"
)

// A listing is one kind of thing that a server lists.
type listing struct {
	method     string
	capability string
	member     string // of the result
	key        string // the member of an item that tells it from others
	noun       string // of one, in changes
}

var listings = []listing{
	{"tools/list", "tools", "tools", "name", "tool"},
	{"prompts/list", "prompts", "prompts", "name", "prompt"},
	{"resources/list", "resources", "resources", "uri", "resource"},
	{"resources/templates/list", "resources", "resourceTemplates", "uriTemplate", "resource template"},
}

// The bounds of what is asked of a server.
const (
	maxPages = 1000
	maxItems = 100_000
)

// A Surface is what a server offers to its clients. Kinds that were not asked
// for are missing.
type Surface struct {
	Server map[string]any            // serverInfo, capabilities, instructions; nil: not known
	Items  map[string]map[string]any // by noun and key
}

// Ask makes one request of a server and returns the answer.
type Ask func(ctx context.Context, method string, params []byte) (frame []byte, m jsonrpc.Message, err error)

// Fetch asks a server for its surface. opening is the result of initialize or
// server/discover.
func Fetch(ctx context.Context, opening []byte, ask Ask) (*Surface, error) {
	s := &Surface{Items: map[string]map[string]any{}}
	s.open(decode(opening))
	capabilities, _ := s.Server["capabilities"].(map[string]any)
	for _, l := range listings {
		s.Items[l.noun] = map[string]any{}
		if _, has := capabilities[l.capability]; !has {
			continue
		}
		if err := s.fetch(ctx, l, ask); err != nil {
			return nil, fmt.Errorf("%s: %w", l.method, err)
		}
	}
	return s, nil
}

func (s *Surface) fetch(ctx context.Context, l listing, ask Ask) error {
	cursor := ""
	for range maxPages {
		params := []byte(`{}`)
		if cursor != "" {
			params = append(jsonrpc.AppendString([]byte(`{"cursor":`), cursor), '}')
		}
		frame, m, err := ask(ctx, l.method, params)
		if err != nil {
			return err
		}
		if m.Error.Present() {
			if code, _ := jsonrpc.ErrorCode(frame, m); code == jsonrpc.MethodNotFound {
				return nil // templates are optional for servers with resources
			}
			text, _ := jsonrpc.Lookup(frame, m.Error, "message")
			return fmt.Errorf("the server answered with an error: %s", jsonrpc.Text(text.Of(frame)))
		}
		if cursor = s.page(l, decode(m.Result.Of(frame))); cursor == "" {
			return nil
		}
		if len(s.Items[l.noun]) > maxItems {
			return fmt.Errorf("more than %d items", maxItems)
		}
	}
	return errors.New("the list does not end")
}

// open takes what a server says of itself.
func (s *Surface) open(result any) {
	object, ok := result.(map[string]any)
	if !ok {
		return
	}
	s.Server = map[string]any{}
	for _, name := range []string{"serverInfo", "capabilities", "instructions", "protocolVersion", "supportedVersions"} {
		if v, has := object[name]; has {
			s.Server[name] = v
		}
	}
	if meta, ok := object["_meta"].(map[string]any); ok && meta["io.modelcontextprotocol/serverInfo"] != nil {
		s.Server["serverInfo"] = meta["io.modelcontextprotocol/serverInfo"]
	}
}

// page takes a page of a list and returns the cursor of the next.
func (s *Surface) page(l listing, result any) (next string) {
	object, _ := result.(map[string]any)
	items, _ := object[l.member].([]any)
	for _, item := range items {
		if item, ok := item.(map[string]any); ok {
			key, _ := item[l.key].(string)
			s.Items[l.noun][key] = item
		}
	}
	next, _ = object["nextCursor"].(string)
	return next
}

// Surface is what the server of the capture said that it offers.
func (c *Capture) Surface() *Surface {
	s := &Surface{Items: map[string]map[string]any{}}
	for _, x := range c.exchanges() {
		if x.answer == nil || !x.answer.m.Result.Present() {
			continue
		}
		result := decode(x.answer.m.Result.Of(x.answer.Message))
		switch method := x.request.method(); method {
		case "initialize", "server/discover":
			s.open(result)
		default:
			i := slices.IndexFunc(listings, func(l listing) bool { return l.method == method })
			if i < 0 {
				continue
			}
			if x.request.param("cursor") == nil || s.Items[listings[i].noun] == nil {
				s.Items[listings[i].noun] = map[string]any{}
			}
			s.page(listings[i], result)
		}
	}
	return s
}

// param is a member of params.
func (e *Entry) param(name string) any {
	value, ok := jsonrpc.Lookup(e.Message, e.m.Params, name)
	if !ok {
		return nil
	}
	return decode(value.Of(e.Message))
}

// Compare returns what has changed from a to b, and the kinds that only one of
// them knows, which are not compared.
func Compare(a, b *Surface) (changes []Change, skipped []string) {
	if a.Server != nil && b.Server != nil {
		changes = append(changes, compareServer(a.Server, b.Server)...)
	}
	for _, l := range listings {
		before, after := a.Items[l.noun], b.Items[l.noun]
		if (before == nil) != (after == nil) {
			skipped = append(skipped, l.noun+"s")
			continue
		}
		for _, key := range names(before, after) {
			old, had := before[key]
			now, has := after[key]
			subject := l.noun + " " + key
			switch {
			case !has:
				changes = append(changes, Change{Subject: subject, Path: "$", Kind: Removed, Before: old, Breaking: true, Why: "clients may use it"})
			case !had:
				changes = append(changes, Change{Subject: subject, Path: "$", Kind: Added, After: now})
			default:
				changes = append(changes, compareItem(subject, old.(map[string]any), now.(map[string]any))...)
			}
		}
	}
	return changes, skipped
}

// compareServer compares what servers say of themselves. A capability that is
// gone breaks clients, and so does a version.
func compareServer(a, b map[string]any) []Change {
	versions := schemas{subject: "server", dir: input}
	versions.sets("$.supportedVersions", a["supportedVersions"], b["supportedVersions"], false)
	for i := range versions.list {
		if c := &versions.list[i]; c.Breaking {
			c.Why = "clients may speak it"
		}
	}
	a, b = maps.Clone(a), maps.Clone(b)
	delete(a, "supportedVersions")
	delete(b, "supportedVersions")
	changes := append(memberDifferences("server", "$", a, b), versions.list...)
	for i := range changes {
		c := &changes[i]
		lost := c.Kind == Removed || c.After == false
		if isUnder(c.Path, "$.capabilities") && lost && c.Before != false {
			c.Breaking, c.Why = true, "clients may rely on it"
		}
	}
	return changes
}

func isUnder(path, root string) bool {
	return len(path) > len(root) && path[:len(root)] == root
}

// compareItem compares two things of the same kind and name.
func compareItem(subject string, a, b map[string]any) (changes []Change) {
	for _, name := range names(a, b) {
		old, had := a[name]
		now, has := b[name]
		if had && has && equal(old, now) {
			continue
		}
		path := member("$", name)
		s := schemas{subject: subject}
		switch {
		case name == "inputSchema":
			s.compare(path, old, now)
			changes = append(changes, s.list...)
		case name == "outputSchema" && had && has:
			s.dir = output
			s.compare(path, old, now)
			changes = append(changes, s.list...)
		case name == "outputSchema":
			changes = append(changes, withWhy(subject, change(path, old, now, had, has), !has, "clients may read structured content"))
		case name == "arguments":
			changes = append(changes, compareArguments(subject, path, old, now)...)
		case name == "mimeType" && had:
			changes = append(changes, withWhy(subject, change(path, old, now, had, has), true, "clients may expect the type"))
		case had && has:
			changes = append(changes, differences(subject, path, old, now)...)
		default:
			changes = append(changes, withWhy(subject, change(path, old, now, had, has), false, ""))
		}
	}
	return changes
}

func withWhy(subject string, c Change, breaking bool, why string) Change {
	c.Subject, c.Breaking = subject, breaking
	if breaking {
		c.Why = why
	}
	return c
}

// compareArguments compares those of prompts, by name.
func compareArguments(subject, path string, a, b any) (changes []Change) {
	before, after := byName(a), byName(b)
	for _, name := range names(before, after) {
		old, had := before[name]
		now, has := after[name]
		at := fmt.Sprintf("%s[?@.name==%s]", path, jsonrpc.AppendString(nil, name))
		switch {
		case !has:
			changes = append(changes, withWhy(subject, change(at, old, now, had, has), true, "clients may use it"))
		case !had:
			changes = append(changes, withWhy(subject, change(at, old, now, had, has), now["required"] == true, "clients do not send it"))
		default:
			for _, c := range memberDifferences(subject, at, old, now) {
				c.Breaking = c.Path == at+".required" && c.After == true
				if c.Breaking {
					c.Why = "clients may not send it"
				}
				changes = append(changes, c)
			}
		}
	}
	return changes
}

func byName(v any) map[string]map[string]any {
	all := map[string]map[string]any{}
	list, _ := v.([]any)
	for _, item := range list {
		if item, ok := item.(map[string]any); ok {
			name, _ := item["name"].(string)
			all[name] = item
		}
	}
	return all
}
