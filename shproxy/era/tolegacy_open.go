// SPDX-License-Identifier: Apache-2.0

package era

import (
	"bytes"
	"cmp"
	"maps"
	"slices"
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
	failure []byte                  // the error that the server answered, raw
	waiting map[string]waitingFrame // by key of the client's id
	came    uint64                  // how many have waited
}

type waitingFrame struct {
	nth   uint64
	frame []byte
}

// inFlight reports whether the client waits for the answer to a request with
// the id of this key.
func (t *ToLegacy) inFlight(key string) bool {
	_, waits := t.opened.waiting[key]
	return waits || t.byClient[key] != nil || t.listens[key] != nil
}

// wait keeps a message until the server is initialized, and reports whether it
// has to wait.
func (t *ToLegacy) wait(frame []byte, m jsonrpc.Message, out *Output) bool {
	o := &t.opened
	switch o.phase {
	case ready, failed:
		return false
	case fresh:
		o.phase, o.waiting = opening, make(map[string]waitingFrame)
		t.initialize(out)
	}
	if !t.fits(len(frame)) && len(o.waiting) > 0 {
		out.client(refusal(m.ID.Of(frame), jsonrpc.InternalError, "too many requests wait for the server to start"), nil)
		return true
	}
	t.held += len(frame)
	o.came++
	o.waiting[jsonrpc.Key(m.ID.Of(frame))] = waitingFrame{o.came, bytes.Clone(frame)}
	return true
}

// unwait forgets a request that was cancelled while it waited.
func (t *ToLegacy) unwait(key string) {
	t.held -= len(t.opened.waiting[key].frame)
	delete(t.opened.waiting, key)
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
	waiting := slices.SortedFunc(maps.Values(o.waiting), func(a, b waitingFrame) int { return cmp.Compare(a.nth, b.nth) })
	for _, w := range waiting {
		if m, err := jsonrpc.Scan(w.frame); err == nil {
			t.unwait(jsonrpc.Key(m.ID.Of(w.frame)))
			t.request(now, w.frame, m, out)
		}
	}
}
