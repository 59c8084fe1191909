// SPDX-License-Identifier: Apache-2.0

package era

import (
	"bytes"
	"time"

	"github.com/atrawog/mcp-oauth-gateway/shproxy/jsonrpc"
)

// phase is how far initialize has come.
type phase uint8

const (
	fresh   phase = iota // the first message of the client starts it
	opening              // its messages wait for the answer
	ready
	failed
)

// opened is the handshake with the legacy server.
type opened struct {
	phase   phase
	failure []byte // the error that the server answered, raw
	waiting [][]byte
	bytes   int
}

// wait keeps a message until the server is initialized, and reports whether it
// has to wait.
func (o *opened) wait(t *ToLegacy, frame []byte, out *Output) bool {
	switch o.phase {
	case ready, failed:
		return false
	case fresh:
		o.phase = opening
		t.initialize(out)
	}
	if o.bytes+len(frame) > maxWaiting && o.bytes > 0 {
		m, _ := jsonrpc.Scan(frame)
		out.client(refusal(m.ID.Of(frame), jsonrpc.InternalError, "too many requests wait for the server to start"), nil)
		return true
	}
	o.bytes += len(frame)
	o.waiting = append(o.waiting, bytes.Clone(frame))
	return true
}

// unwait forgets a request that was cancelled while it waited.
func (o *opened) unwait(key string) {
	for i, frame := range o.waiting {
		if m, err := jsonrpc.Scan(frame); err == nil && jsonrpc.Key(m.ID.Of(frame)) == key {
			o.bytes -= len(frame)
			o.waiting = append(o.waiting[:i], o.waiting[i+1:]...)
			return
		}
	}
}

// failed answers a request with the error that initialize ended with.
func (o *opened) failed(id []byte) []byte {
	frame := append([]byte(nil), `{"jsonrpc":"2.0","id":`...)
	frame = append(frame, id...)
	frame = append(frame, `,"error":`...)
	return append(append(frame, o.failure...), '}')
}

// initialize opens the session in the client's name.
func (t *ToLegacy) initialize(out *Output) {
	info := t.cfg.Profile.Info
	if info == nil {
		info = t.cfg.Self
	}
	params := `{"protocolVersion":"` + Latest + `","capabilities":` + string(t.cfg.Profile.Capabilities) + `,"clientInfo":` + string(info) + `}`
	t.ask("initialize", params, t.initialized, out)
}

// initialized takes the answer, and then what waited for it.
func (t *ToLegacy) initialized(now time.Time, frame []byte, m jsonrpc.Message, out *Output) {
	o := &t.opened
	version := textAt(frame, m.Result, "protocolVersion")
	switch {
	case m.Error.Present():
		o.phase, o.failure = failed, bytes.Clone(m.Error.Of(frame))
	case version == "" || version >= Modern:
		o.phase, o.failure = failed, []byte(`{"code":-32603,"message":"the server answered initialize with no protocol version that is known"}`)
	default:
		o.phase = ready
		t.server.version = version
		t.server.read(frame, m.Result)
		out.server(notification("notifications/initialized", ""))
	}
	waiting := o.waiting
	o.waiting, o.bytes = nil, 0
	for _, frame := range waiting {
		if m, err := jsonrpc.Scan(frame); err == nil {
			t.request(now, frame, m, out)
		}
	}
}
