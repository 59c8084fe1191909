// SPDX-License-Identifier: Apache-2.0

package era

import (
	"github.com/atrawog/mcp-oauth-gateway/shproxy/jsonrpc"
)

// setLevel answers logging/setLevel. The level goes with every request from
// then on.
func (t *ToModern) setLevel(frame []byte, m jsonrpc.Message, out *Output) {
	id := m.ID.Of(frame)
	level := severity(textAt(frame, m.Params, "level"))
	switch {
	case !isObject(t.capabilities, lookup(t.capabilities, whole(t.capabilities), "logging")):
		out.client(refusal(id, jsonrpc.MethodNotFound, "the server sends no log messages"), nil)
	case level == 0:
		out.client(refusal(id, jsonrpc.InvalidParams, "level is none of RFC 5424"), nil)
	default:
		t.level = level
		t.meta = metaMember(t.profile, level)
		out.client(result(id, "{}"), nil)
	}
}

// logged passes a log message on. It belongs to a call, but does not say to
// which.
func (t *ToModern) logged(frame []byte, m jsonrpc.Message, out *Output) {
	if t.level == 0 || severity(textAt(frame, m.Params, "level")) < t.level {
		out.Dropped++ // the client asked for none, or for more severe ones
		return
	}
	out.client(frame, nil)
}
