// SPDX-License-Identifier: Apache-2.0

package era

import (
	"bytes"
	"cmp"
	"slices"
	"time"

	"github.com/atrawog/mcp-oauth-gateway/shproxy/jsonrpc"
)

// metaServerInfo is the member of a result's _meta that names the server (MCP
// 2026-07-28, basic protocol, "_meta").
const metaServerInfo = "io.modelcontextprotocol/serverInfo"

// server is what a legacy server said of itself in its answer to initialize.
type server struct {
	version    string // of the protocol
	discovered string // the DiscoverResult
	info       []byte // the member serverInfo of _meta, with its name; nil if it did not say

	logging, subscribe            bool
	toolsList, prompts, resources bool // it tells when they change
}

const (
	// complete is what every result says in the modern era.
	complete = `"resultType":"complete"`
	// uncached is added to those that could be cached. A legacy server does
	// not say for how long and for whom, so: not at all, and for nobody else.
	uncached = `"ttlMs":0,"cacheScope":"private"`
)

// read takes the result of initialize.
func (s *server) read(frame []byte, result jsonrpc.Span) {
	capabilities := lookup(frame, result, "capabilities")
	s.logging = isObject(frame, lookup(frame, capabilities, "logging"))
	s.subscribe = trueAt(frame, capabilities, "resources", "subscribe")
	s.resources = trueAt(frame, capabilities, "resources", "listChanged")
	s.toolsList = trueAt(frame, capabilities, "tools", "listChanged")
	s.prompts = trueAt(frame, capabilities, "prompts", "listChanged")
	if info := lookup(frame, result, "serverInfo"); isObject(frame, info) {
		s.name(info.Of(frame))
	}
	text := append([]byte(nil), `{`+complete+`,"supportedVersions":["`+Modern+`"],"capabilities":`...)
	// Tasks have become an extension that works in another way.
	text = without(text, frame, capabilities, func(name string) bool { return name == "tasks" })
	if instructions, ok := jsonrpc.Lookup(frame, result, "instructions"); ok {
		text = append(text, `,"instructions":`...)
		text = append(text, instructions.Of(frame)...)
	}
	text = append(text, `,`+uncached...)
	if s.info != nil {
		text = append(text, `,"_meta":{`...)
		text = append(append(text, s.info...), '}')
	}
	s.discovered = string(append(text, '}'))
}

// name takes what the server is to be called in every result, unless it is too
// much for that, or nests too deep.
func (s *server) name(info []byte) {
	text := append(jsonrpc.AppendString(nil, metaServerInfo), ':')
	text = append(text, info...)
	if _, err := jsonrpc.Scan(result([]byte("0"), `{"_meta":{`+string(text)+`}}`)); err == nil && len(info) <= maxName {
		s.info = text
	}
}

// up passes a response of the server on as the client is to see it.
func (t *ToLegacy) up(c *legacyCall, frame []byte, m jsonrpc.Message, out *Output) {
	var room [4]jsonrpc.Edit
	edits := append(room[:0], jsonrpc.Edit{Span: m.ID, With: c.id})
	switch {
	case m.Error.Present():
		edits = append(edits, modernCode(frame, m)...)
	case isObject(frame, m.Result):
		edits = t.complete(edits, c, frame, m.Result)
	}
	out.answer(frame, m, edits)
}

// complete adds to a result what the modern era demands and it does not have.
func (t *ToLegacy) complete(edits []jsonrpc.Edit, c *legacyCall, frame []byte, result jsonrpc.Span) []jsonrpc.Edit {
	var meta, list jsonrpc.Span
	typed, timed, scoped := false, false, false
	for name, value := range jsonrpc.Members(frame, result) {
		switch {
		case jsonrpc.Is(frame, name, "_meta"):
			meta = value
		case jsonrpc.Is(frame, name, memberResultType):
			typed = true
		case jsonrpc.Is(frame, name, "ttlMs"):
			timed = true
		case jsonrpc.Is(frame, name, "cacheScope"):
			scoped = true
		case c.traits.list != "" && jsonrpc.Is(frame, name, c.traits.list):
			list = value
		}
	}
	more := make([]byte, 0, 128+len(t.server.info))
	add := func(text string) {
		if len(more) > 0 {
			more = append(more, ',')
		}
		more = append(more, text...)
	}
	if !typed {
		add(complete)
	}
	switch {
	case !c.traits.cached || timed && scoped:
	case timed:
		add(`"cacheScope":"private"`)
	case scoped:
		add(`"ttlMs":0`)
	default:
		add(uncached)
	}
	switch {
	case t.server.info == nil:
	case !meta.Present():
		add(`"_meta":{`)
		more = append(append(more, t.server.info...), '}')
	case isObject(frame, meta) && !lookup(frame, meta, metaServerInfo).Present():
		edits = append(edits, prepend(frame, meta, t.server.info))
	}
	if len(more) > 0 {
		edits = append(edits, prepend(frame, result, more))
	}
	if c.traits.list != "" {
		if sorted := sortedBy(frame, list, c.traits.sortBy); sorted != nil {
			edits = append(edits, jsonrpc.Edit{Span: list, With: sorted})
		}
	}
	return edits
}

// sortedBy is the array that span covers in the order of a member of its
// elements, or nil if it is in order. Modern clients cache lists, and models
// what they were shown, by the bytes (2026-07-28, tools, "Listing Tools").
func sortedBy(frame []byte, span jsonrpc.Span, name string) []byte {
	type element struct {
		key string
		raw []byte
	}
	var all []element
	for item := range jsonrpc.Items(frame, span) {
		all = append(all, element{textAt(frame, item, name), item.Of(frame)})
	}
	byKey := func(a, b element) int { return cmp.Compare(a.key, b.key) }
	if slices.IsSortedFunc(all, byKey) {
		return nil
	}
	slices.SortStableFunc(all, byKey)
	sorted := make([]byte, 0, span.End-span.Start)
	for i, e := range all {
		sorted = append(append(sorted, ",["[btoi(i == 0)]), e.raw...)
	}
	return append(sorted, ']')
}

func btoi(b bool) int {
	if b {
		return 1
	}
	return 0
}

// Error codes that changed their meaning or are no more in the modern era.
const (
	legacyNotFound  = -32002 // resource not found
	legacyElicitURL = -32042 // URL elicitation required
	reservedHighest = -32020 // of those that the modern specification defines
	reservedLowest  = -32099
)

// modernCode is the edit that gives an error the code that it has in the
// modern era, if it is another.
func modernCode(frame []byte, m jsonrpc.Message) []jsonrpc.Edit {
	code, ok := jsonrpc.ErrorCode(frame, m)
	span, _ := jsonrpc.Lookup(frame, m.Error, "code")
	switch {
	case !ok:
		return nil
	case code == legacyNotFound:
		return []jsonrpc.Edit{{Span: span, With: []byte("-32602")}}
	case code == jsonrpc.HeaderMismatch, code == jsonrpc.MissingRequiredClientCapability, code == jsonrpc.UnsupportedProtocolVersion:
		return nil // the server may speak both eras
	case code >= reservedLowest && code <= reservedHighest:
		return []jsonrpc.Edit{{Span: span, With: []byte("-32603")}}
	}
	return nil
}

// elicitURL turns the error by which a server of 2025-11-25 says that the user
// has to visit a URL before the call can work into a question for the client,
// after which the call is made again. It reports whether it did.
func (t *ToLegacy) elicitURL(now time.Time, c *legacyCall, frame []byte, m jsonrpc.Message, out *Output) bool {
	code, _ := jsonrpc.ErrorCode(frame, m)
	if code != legacyElicitURL || c.frame == nil || !t.cfg.Profile.has("elicitation", "url") {
		return false
	}
	k := t.talkOf(c)
	k.refuse("the call has ended", out)
	for item := range jsonrpc.Items(frame, lookup(frame, m.Error, "data", "elicitations")) {
		q := question{method: methodElicit, params: bytes.Clone(item.Of(frame))}
		if textAt(frame, item, "mode") == "url" && len(k.open) < maxQuestions && t.fits(q.weight()) {
			k.add(q)
			t.weigh(c)
		}
	}
	if len(k.open) == 0 {
		return false
	}
	k.again, k.declined = true, false
	t.park(now, c, out)
	return true
}
