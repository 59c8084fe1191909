// SPDX-License-Identifier: Apache-2.0

package era

import (
	"strconv"

	"github.com/atrawog/mcp-oauth-gateway/shproxy/jsonrpc"
)

const metaOpen = `"_meta":{`

// metaMember is the member _meta of modern requests of a client that wants log
// messages of a rank, or none (MCP 2026-07-28, basic protocol, "_meta").
func metaMember(p Profile, level int) []byte {
	text := []byte(metaOpen + `"` + jsonrpc.MetaProtocolVersion + `":"` + Modern + `"`)
	if p.Info != nil {
		text = append(text, `,"`+jsonrpc.MetaClientInfo+`":`...)
		text = append(text, p.Info...)
	}
	text = append(text, `,"`+jsonrpc.MetaClientCapabilities+`":`...)
	text = append(text, p.Capabilities...)
	if level > 0 {
		text = append(text, `,"`+jsonrpc.MetaLogLevel+`":"`+levels[level-1]+`"`...)
	}
	return append(text, '}')
}

// isOurs reports whether a member of _meta says what only the translator can.
func isOurs(frame []byte, name jsonrpc.Span) bool {
	return jsonrpc.Is(frame, name, jsonrpc.MetaProtocolVersion) || jsonrpc.Is(frame, name, jsonrpc.MetaClientInfo) ||
		jsonrpc.Is(frame, name, jsonrpc.MetaClientCapabilities) || jsonrpc.Is(frame, name, jsonrpc.MetaLogLevel)
}

// putMeta appends the edits that bring the members of meta, a metaMember, into
// the object that span covers.
func putMeta(edits []jsonrpc.Edit, frame []byte, object jsonrpc.Span, meta []byte) []jsonrpc.Edit {
	members := meta[len(metaOpen) : len(meta)-1]
	return put(edits, frame, object, func(name, _ jsonrpc.Span) bool { return isOurs(frame, name) }, members)
}

// withMeta is meta with what else is in the object that span covers, if it is
// there.
func withMeta(frame []byte, object jsonrpc.Span, meta []byte) []byte {
	if !object.Present() {
		return meta
	}
	raw := object.Of(frame)
	return append([]byte(`"_meta":`), splice(raw, putMeta(nil, raw, whole(raw), meta))...)
}

// down is a request as the server sees it, with the id that it has there.
func (t *ToModern) down(id uint64, frame []byte, m jsonrpc.Message) []byte {
	var digits [20]byte
	var room [8]jsonrpc.Edit
	edits := append(room[:0], jsonrpc.Edit{Span: m.ID, With: strconv.AppendUint(digits[:0], id, 10)})
	switch {
	case m.Meta.Present():
		edits = putMeta(edits, frame, m.Meta, t.meta)
	case isObject(frame, m.Params):
		// A _meta that is no object goes.
		edits = put(edits, frame, m.Params, func(name, _ jsonrpc.Span) bool { return jsonrpc.Is(frame, name, "_meta") }, t.meta)
	case m.Params.Present(): // null
		edits = append(edits, jsonrpc.Edit{Span: m.Params, With: []byte("{" + string(t.meta) + "}")})
	default:
		behind := jsonrpc.Span{Start: m.Method.End, End: m.Method.End}
		edits = append(edits, jsonrpc.Edit{Span: behind, With: []byte(`,"params":{` + string(t.meta) + "}")})
	}
	return splice(frame, edits)
}

// ownRequest is a request of the translator's own; params are members, raw
// JSON without braces.
func ownRequest(id uint64, method string, params ...[]byte) []byte {
	frame := append([]byte(nil), `{"jsonrpc":"2.0","id":`...)
	frame = strconv.AppendUint(frame, id, 10)
	frame = append(frame, `,"method":"`+method+`","params":{`...)
	for i, member := range params {
		if i > 0 {
			frame = append(frame, ',')
		}
		frame = append(frame, member...)
	}
	return append(frame, "}}"...)
}
