// SPDX-License-Identifier: Apache-2.0

package era

import (
	"bytes"
	"cmp"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/atrawog/mcp-oauth-gateway/shproxy/jsonrpc"
)

// initialize begins a conversation: it asks the server who it is.
func (t *ToModern) initialize(frame []byte, m jsonrpc.Message, out *Output) {
	t.startOver(out)
	c := t.admit("initialize", frame, m, out)
	if c == nil {
		return
	}
	t.version = textAt(frame, m.Params, "protocolVersion")
	if !IsLegacy(t.version) {
		t.version = Latest
	}
	profile := legacyProfile(frame, m.Params)
	meta := metaMember(profile, 0)
	id := t.nextID()
	discover := ownRequest(id, "server/discover", withMeta(frame, m.Meta, meta))
	_, err := jsonrpc.Scan(discover)
	if len(meta) > mostProfile || err != nil { // it could nest too deep
		t.fail(c, jsonrpc.InvalidParams, "capabilities and clientInfo must be less than "+strconv.Itoa(mostProfile)+" bytes, and not nest too deep", out)
		return
	}
	t.profile, t.meta, t.asked = profile.Clone(), meta, false
	t.opening = c
	t.send(c, id, discover, out)
}

// legacyProfile is what initialize says of the client. It shares memory with
// the frame.
func legacyProfile(frame []byte, params jsonrpc.Span) Profile {
	p := Profile{Capabilities: []byte("{}")}
	if span := lookup(frame, params, "capabilities"); isObject(frame, span) {
		p.Capabilities = span.Of(frame)
	}
	if span := lookup(frame, params, "clientInfo"); isObject(frame, span) {
		p.Info = span.Of(frame)
	}
	return p
}

// startOver gives up whatever is left of a conversation.
func (t *ToModern) startOver(out *Output) {
	calls := make([]*modernCall, 0, len(t.byClient))
	for _, c := range t.byClient {
		calls = append(calls, c)
	}
	slices.SortFunc(calls, func(a, b *modernCall) int { return cmp.Compare(a.born, b.born) })
	for _, c := range calls {
		t.abandon(c, c.id, out)
		out.client(refusal(c.id, jsonrpc.InvalidRequest, "the client sent initialize before this was answered"), nil)
	}
	for _, s := range inOrder(t.listens) {
		t.unlisten(s, out)
	}
	for _, s := range inOrder(t.paused) {
		t.unlisten(s, out)
	}
	t.capabilities, t.ready, t.level = nil, false, 0
}

// wait keeps a request until initialize is answered.
func (t *ToModern) wait(method string, frame []byte, m jsonrpc.Message, out *Output) {
	c := t.admit(method, frame, m, out)
	if c == nil {
		return
	}
	if len(t.queue) == mostWaiting || !t.hold(&c.held, len(frame)) {
		t.fail(c, jsonrpc.InternalError, "too much waits for the answer to initialize", out)
		return
	}
	c.frame = bytes.Clone(frame)
	t.queue = append(t.queue, c)
}

// discovered answers initialize, and then does what waited for that.
func (t *ToModern) discovered(now time.Time, frame []byte, m jsonrpc.Message, out *Output) {
	c := t.opening
	if !t.asked && t.askAgain(c, frame, m, out) {
		return
	}
	queue := t.queue
	t.queue = nil
	t.forget(c)
	if refused := whyNot(c, frame, m); refused != nil {
		out.client(refused, nil)
	} else {
		t.capabilities = serverCapabilities(frame, m.Result)
		out.client(t.initialized(c, frame, m.Result), nil)
	}
	for _, c := range queue {
		t.forget(c)
		if m, err := jsonrpc.Scan(c.frame); err == nil {
			t.requested(now, c.frame, m, out)
		}
	}
	t.listenToLists(now, out)
}

// askAgain asks once more who the server is, if it refused the version and then
// lists it (MCP 2026-07-28, versioning, "Protocol Version Negotiation").
func (t *ToModern) askAgain(c *modernCall, frame []byte, m jsonrpc.Message, out *Output) bool {
	code, _ := jsonrpc.ErrorCode(frame, m)
	if code != jsonrpc.UnsupportedProtocolVersion || !speaks(frame, lookup(frame, m.Error, "data", "supported")) {
		return false
	}
	t.asked = true
	delete(t.calls, c.key)
	id := t.nextID()
	t.send(c, id, ownRequest(id, "server/discover", withMeta(nil, jsonrpc.Span{}, t.meta)), out)
	return true
}

// whyNot is the answer to initialize if the server cannot be spoken to.
func whyNot(c *modernCall, frame []byte, m jsonrpc.Message) []byte {
	if m.Error.Present() {
		supported := lookup(frame, m.Error, "data", "supported")
		code, _ := jsonrpc.ErrorCode(frame, m)
		if code == jsonrpc.UnsupportedProtocolVersion && !speaks(frame, supported) {
			return tooNew(c, frame, supported)
		}
		return legacyError(c, frame, m)
	}
	supported := lookup(frame, m.Result, "supportedVersions")
	switch kind := lookup(frame, m.Result, memberResultType); {
	case kind.Present() && !jsonrpc.Is(frame, kind, resultComplete):
		return refusal(c.id, jsonrpc.InternalError, "the server answered server/discover with resultType "+shown(frame, kind))
	case !speaks(frame, supported):
		return tooNew(c, frame, supported)
	}
	return nil
}

// speaks reports whether an array of versions has the modern one.
func speaks(frame []byte, versions jsonrpc.Span) bool {
	for version := range jsonrpc.Items(frame, versions) {
		if jsonrpc.Is(frame, version, Modern) {
			return true
		}
	}
	return false
}

// tooNew is an error that says which versions the server speaks. It has the
// code that legacy versions have for that (2025-11-25, lifecycle, "Error
// Handling").
func tooNew(c *modernCall, frame []byte, versions jsonrpc.Span) []byte {
	var list []string
	for version := range jsonrpc.Items(frame, versions) {
		if list = append(list, jsonrpc.Text(version.Of(frame))); len(list) == 10 {
			break
		}
	}
	text := "no protocol version"
	if len(list) > 0 {
		text = "MCP " + strings.Join(list, ", ")
		text = text[:min(len(text), mostShown)]
	}
	return refusal(c.id, jsonrpc.InvalidParams, "unsupported protocol version: the server names "+text+"; the bridge translates to MCP "+Modern)
}

// serverCapabilities are what the client is told. Tasks are an extension now,
// with other methods than legacy clients know.
func serverCapabilities(frame []byte, result jsonrpc.Span) []byte {
	return without(nil, frame, lookup(frame, result, "capabilities"), func(name string) bool { return name == "tasks" })
}

// initialized is the answer to initialize.
func (t *ToModern) initialized(c *modernCall, frame []byte, discovered jsonrpc.Span) []byte {
	meta := lookup(frame, discovered, "_meta")
	text := append([]byte(nil), `{"protocolVersion":"`+t.version+`","capabilities":`...)
	text = append(text, t.capabilities...)
	text = append(text, `,"serverInfo":`...)
	if info := lookup(frame, meta, metaServerInfo); isObject(frame, info) {
		text = append(text, info.Of(frame)...)
	} else {
		text = append(text, t.cfg.Self...)
	}
	if span := lookup(frame, discovered, "instructions"); span.Present() {
		text = append(text, `,"instructions":`...)
		text = append(text, span.Of(frame)...)
	}
	if isObject(frame, meta) {
		text = append(text, `,"_meta":`...)
		text = append(text, meta.Of(frame)...)
	}
	return result(c.id, string(append(text, '}')))
}

// offers reports whether a member of the server's capabilities is true.
func (t *ToModern) offers(path ...string) bool {
	return trueAt(t.capabilities, whole(t.capabilities), path...)
}
