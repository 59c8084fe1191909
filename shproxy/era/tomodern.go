// SPDX-License-Identifier: Apache-2.0

package era

import (
	"cmp"
	"strconv"
	"time"

	"github.com/atrawog/mcp-oauth-gateway/shproxy/jsonrpc"
)

// ToModernConfig configures a [ToModern]. All is optional.
type ToModernConfig struct {
	// Self is the raw JSON of an Implementation, which names the server to the
	// client if the server does not. Default {"name":"bridge","version":"0"}.
	Self []byte
	// MaxHeld bounds the bytes of what is kept: ids and tokens of requests in
	// flight, whole requests that wait for the answer to initialize or that the
	// server may ask something about, answers to what it asked, URIs of
	// subscriptions. Default 16 MiB.
	MaxHeld int
}

func (c ToModernConfig) complete() ToModernConfig {
	if c.Self == nil {
		c.Self = []byte(`{"name":"bridge","version":"0"}`)
	}
	c.MaxHeld = cmp.Or(c.MaxHeld, 16<<20)
	return c
}

// What a ToModern holds is bounded.
const (
	mostCalls   = 10_000   // requests of the client
	mostWaiting = 1000     // of them, those that wait for the answer to initialize
	mostRounds  = 10       // in which a server asks for input in one call
	mostAsked   = 64       // questions in one round
	mostOpen    = 1000     // questions that the client has not answered
	mostURIs    = 1000     // of resources that the client subscribed to
	mostProfile = 64 << 10 // bytes that the client says of itself; they go with every request
	mostShown   = 100      // bytes of a peer's text in a text of ours
)

// ToModern stands between a legacy client and a modern server. To the client
// it is a server that was initialized and remembers what was agreed on; to the
// server it is a client that says all with every request, and that answers
// input_required with the same request once more.
//
// A request of the client that is in flight when it sends initialize again is
// cancelled and answered with an error.
type ToModern struct {
	cfg ToModernConfig

	// What initialize and server/discover said.
	opening      *modernCall   // initialize, until it is answered
	asked        bool          // server/discover twice
	queue        []*modernCall // what waits for that
	version      string        // of the protocol, as the client is told
	profile      Profile
	capabilities []byte // of the server, raw; nil until it is discovered
	ready        bool   // notifications/initialized has come

	// What the client set.
	level int    // rank of log messages that it wants; 0 means none
	meta  []byte // what every request says of that; see metaMember

	calls    map[uint64]*modernCall   // by the id that the server sees
	byClient map[string]*modernCall   // by key of the client's id
	tokens   map[string]*modernCall   // by key of the progress token
	inputs   map[string]*inputRequest // by key of the id that the client sees

	listens map[uint64]*subscription // by the id that the server sees
	paused  map[uint64]*subscription // ended, to be opened again; by that id
	lists   *subscription            // of changes of lists
	uris    map[string]*subscription // of one resource each

	lastID  uint64 // that the server has seen
	lastAsk uint64 // number of the last id that the client was asked with
	born    uint64 // number of calls that there were
	held    int    // bytes; see MaxHeld
}

// NewToModern returns a translator for a client that has said nothing yet.
func NewToModern(c ToModernConfig) *ToModern {
	return &ToModern{
		cfg:   c.complete(),
		calls: make(map[uint64]*modernCall), byClient: make(map[string]*modernCall),
		tokens: make(map[string]*modernCall), inputs: make(map[string]*inputRequest),
		listens: make(map[uint64]*subscription), paused: make(map[uint64]*subscription), uris: make(map[string]*subscription),
	}
}

var _ Translator = (*ToModern)(nil)

// FromClient takes a message of the client.
func (t *ToModern) FromClient(now time.Time, frame []byte, m jsonrpc.Message, out *Output) {
	switch m.Kind {
	case jsonrpc.Request:
		t.requested(now, frame, m, out)
	case jsonrpc.Notification:
		t.told(now, frame, m, out)
	case jsonrpc.Response:
		t.replied(frame, m, out)
	}
}

// requested takes a request of the client.
func (t *ToModern) requested(now time.Time, frame []byte, m jsonrpc.Message, out *Output) {
	id := m.ID.Of(frame)
	switch method := jsonrpc.Text(m.Method.Of(frame)); {
	case method == "ping":
		out.client(result(id, "{}"), nil)
	case method == "initialize":
		t.initialize(frame, m, out)
	case t.opening != nil:
		t.wait(method, frame, m, out)
	case t.capabilities == nil:
		out.client(refusal(id, jsonrpc.InvalidRequest, "send initialize first; until it is answered there is nothing but ping"), nil)
	default:
		t.request(now, method, frame, m, out)
	}
}

// request takes a request of a client that is initialized.
func (t *ToModern) request(now time.Time, method string, frame []byte, m jsonrpc.Message, out *Output) {
	switch method {
	case "logging/setLevel":
		t.setLevel(frame, m, out)
	case "resources/subscribe":
		t.subscribe(now, method, frame, m, out)
	case "resources/unsubscribe":
		t.unsubscribe(frame, m, out)
	case "server/discover", "subscriptions/listen":
		out.client(refusal(m.ID.Of(frame), jsonrpc.MethodNotFound, method+" does not exist in MCP "+t.version), nil)
	default:
		t.forward(method, frame, m, out)
	}
}

// told takes a notification of the client.
func (t *ToModern) told(now time.Time, frame []byte, m jsonrpc.Message, out *Output) {
	switch method := jsonrpc.Text(m.Method.Of(frame)); {
	case method == "notifications/cancelled":
		t.cancel(frame, m, out)
	case method == "notifications/initialized":
		t.ready = true
		t.listenToLists(now, out)
	case method == "notifications/roots/list_changed", method == "notifications/progress", method == "notifications/tasks/status":
		// A modern server has asked for none of these.
	case t.capabilities == nil:
		out.Dropped++ // nobody to tell it to yet
	default:
		out.server(frame)
	}
}

// FromServer takes a message of the server.
func (t *ToModern) FromServer(now time.Time, frame []byte, m jsonrpc.Message, out *Output) {
	switch m.Kind {
	case jsonrpc.Request:
		out.server(refusal(m.ID.Of(frame), jsonrpc.MethodNotFound, "since "+Modern+" servers send no requests; answer the client's with input_required"))
	case jsonrpc.Notification:
		t.notified(now, frame, m, out)
	case jsonrpc.Response:
		t.answered(now, frame, m, out)
	}
}

// answered takes a response of the server.
func (t *ToModern) answered(now time.Time, frame []byte, m jsonrpc.Message, out *Output) {
	id := idOfOurs(m.ID.Of(frame))
	c, s := t.calls[id], t.listens[id]
	switch {
	case s != nil:
		t.ended(now, s, frame, m, out)
	case c == nil:
		out.Dropped++ // the answer to what was cancelled, or to nothing
	case c == t.opening:
		t.discovered(now, frame, m, out)
	case m.Error.Present():
		t.forget(c)
		out.client(legacyError(c, frame, m), nil)
	default:
		t.completed(c, frame, m, out)
	}
}

// notified takes a notification of the server.
func (t *ToModern) notified(now time.Time, frame []byte, m jsonrpc.Message, out *Output) {
	switch method := jsonrpc.Text(m.Method.Of(frame)); {
	case t.capabilities == nil:
		out.Dropped++ // it belongs to a conversation that is over
	case method == "notifications/progress":
		t.progress(frame, m, out)
	case method == "notifications/message":
		t.logged(frame, m, out)
	case method == "notifications/cancelled":
		t.torn(now, frame, m, out)
	case m.SubscriptionID.Present() || ofSubscription(method):
		t.published(method, frame, m, out)
	default:
		out.client(frame, nil)
	}
}

// progress passes a notification on the call that named its token. There is
// none of other tokens: all that the server knows came this way.
func (t *ToModern) progress(frame []byte, m jsonrpc.Message, out *Output) {
	token := lookup(frame, m.Params, "progressToken")
	if c := t.tokens[jsonrpc.Key(token.Of(frame))]; c != nil {
		out.client(frame, c.id)
		return
	}
	out.Dropped++
}

// Tick opens subscriptions again that the server has ended.
func (t *ToModern) Tick(now time.Time, out *Output) {
	for _, s := range inOrder(t.paused) {
		if !now.Before(s.again) {
			t.listen(now, s, out)
		}
	}
}

// Due is when Tick has something to do, or zero.
func (t *ToModern) Due() time.Time {
	var due time.Time
	for _, s := range t.paused {
		if due.IsZero() || s.again.Before(due) {
			due = s.again
		}
	}
	return due
}

// Busy reports false: a call that waits for answers of a legacy client is one
// of the client's requests in flight.
func (t *ToModern) Busy() bool { return false }

// nextID is an id that the server has not seen.
func (t *ToModern) nextID() uint64 {
	t.lastID++
	return t.lastID
}

// idOfOurs reads an id that the server got from us, or 0, which is none.
func idOfOurs(raw []byte) uint64 {
	id, err := strconv.ParseUint(string(raw), 10, 64)
	if err != nil {
		id, _ = strconv.ParseUint(jsonrpc.Key(raw), 10, 64) // like 1.0
	}
	return id
}

// hold accounts for n bytes that are kept with something that remembers the
// sum in held. It reports false if that is too much.
func (t *ToModern) hold(held *int, n int) bool {
	if t.held+n > t.cfg.MaxHeld {
		return false
	}
	t.held += n
	*held += n
	return true
}

// release takes back what was held.
func (t *ToModern) release(held *int) {
	t.held -= *held
	*held = 0
}

// shown is a string of a peer, or whatever else it is, as part of a text of ours.
func shown(frame []byte, span jsonrpc.Span) string {
	text := jsonrpc.Text(span.Of(frame))
	if text == "" {
		text = string(span.Of(frame))
	}
	if len(text) > mostShown {
		text = text[:mostShown] + "…"
	}
	return text
}
