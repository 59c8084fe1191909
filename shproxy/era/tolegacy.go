// SPDX-License-Identifier: Apache-2.0

package era

import (
	"bytes"
	"cmp"
	"maps"
	"slices"
	"strconv"
	"time"

	"github.com/atrawog/mcp-oauth-gateway/shproxy/jsonrpc"
)

// ToLegacyConfig configures a [ToLegacy]. Profile is required.
type ToLegacyConfig struct {
	// Profile is what the server is told of the client. A translator serves
	// clients with this profile alone.
	Profile Profile
	// Self is the raw JSON of an Implementation, which names the client to the
	// server if the profile does not. Default {"name":"bridge","version":"0"}.
	Self []byte
	// Sealer makes the requestState of calls that wait. Nil means one of the
	// translator's own.
	Sealer *Sealer
	// Principal is whose calls these are, and Process a name for this
	// translator that no other with the same Sealer has: a requestState is good
	// for both alone.
	Principal, Process string
	// ParkTime is how long a call waits for its client to come back with what
	// the server asked for. Default 10 minutes.
	ParkTime time.Duration
	// GatherTime is how long further questions of the server are awaited after
	// one, so that they go to the client together; a server that goes on asking
	// is awaited eight times as long at most. Default 25 milliseconds.
	GatherTime time.Duration
	// MaxHeld bounds the bytes of what is kept: requests that wait for the
	// answer to initialize or about which the server may ask something, its
	// questions, answers that wait for the client, ids, URIs of subscriptions.
	// Default 16 MiB.
	MaxHeld int
}

func (c ToLegacyConfig) complete() ToLegacyConfig {
	if c.Self == nil {
		c.Self = []byte(`{"name":"bridge","version":"0"}`)
	}
	if c.Sealer == nil {
		c.Sealer = NewSealer()
	}
	c.ParkTime = cmp.Or(c.ParkTime, 10*time.Minute)
	c.GatherTime = cmp.Or(c.GatherTime, 25*time.Millisecond)
	c.MaxHeld = cmp.Or(c.MaxHeld, 16<<20)
	return c
}

// What a ToLegacy holds is bounded.
const (
	maxInFlight  = 10_000 // requests of clients
	maxQuestions = 64     // that one call, or none, has open
	maxRounds    = 20     // of questions and answers in one call
	maxGathers   = 8      // times GatherTime, from the first of several questions
	maxParked    = 100    // calls that wait for their clients
	maxListens   = 1000
	maxURIs      = 1000     // of resources that somebody wants to know of
	maxName      = 64 << 10 // bytes that the server says of itself in every result
)

// ToLegacy stands between a modern client and a legacy server. To the client
// it is a server that keeps nothing between requests; to the server it is a
// client that initialized once and answers its requests.
//
// A server's request names no call of the client's. It is taken to belong to
// the one call in flight that can be asked something; with several of them it
// is refused, so let a client that can be asked things have one call at a time
// (see [MayBeAsked] and [ToLegacy.Parked]). The same holds for log messages,
// which reach the client if the call that asked for them is the only one.
type ToLegacy struct {
	cfg    ToLegacyConfig
	asks   bool // the client takes any request of the server
	opened opened
	server server

	last     uint64                 // id of ours
	calls    map[uint64]*legacyCall // by the id that the server sees
	byClient map[string]*legacyCall // in flight, by key of the client's id

	about   *legacyCall            // that the message at hand is known to belong to
	askable map[uint64]*legacyCall // those of them that the server may ask something about
	asking  map[uint64]*legacyCall // with a gather time
	parked  map[uint64]*legacyCall
	orphans []question // of no call

	listens   map[string]*listen   // by key of the client's id
	opening   map[string]*listen   // those of them that are not acknowledged
	listened  uint64               // how many there were
	resources map[string]*resource // by URI
	level     int                  // what the server logs
	logging   int                  // calls in flight that want to know of it

	held int // bytes; see MaxHeld
}

// NewToLegacy returns a translator for a server to which nothing was said yet.
func NewToLegacy(c ToLegacyConfig) *ToLegacy {
	return &ToLegacy{
		cfg: c.complete(), asks: c.Profile.Asked(),
		calls: make(map[uint64]*legacyCall), byClient: make(map[string]*legacyCall),
		askable: make(map[uint64]*legacyCall), asking: make(map[uint64]*legacyCall), parked: make(map[uint64]*legacyCall),
		listens: make(map[string]*listen), opening: make(map[string]*listen), resources: make(map[string]*resource),
	}
}

var _ Translator = (*ToLegacy)(nil)

// FromClient takes a message of the client.
func (t *ToLegacy) FromClient(now time.Time, frame []byte, m jsonrpc.Message, out *Output) {
	switch m.Kind {
	case jsonrpc.Request:
		if refused := t.check(frame, m); refused != nil {
			out.client(refused, nil)
			return
		}
		if t.wait(frame, m, out) {
			return
		}
		t.request(now, frame, m, out)
	case jsonrpc.Notification:
		t.told(frame, m, out)
	default:
		out.Dropped++ // since 2026-07-28 clients send no responses
	}
}

// check refuses a request that is none of the modern era.
func (t *ToLegacy) check(frame []byte, m jsonrpc.Message) []byte {
	id := m.ID.Of(frame)
	modern := jsonrpc.Is(frame, m.ProtocolVersion, Modern)
	switch {
	case !modern && jsonrpc.Text(m.ProtocolVersion.Of(frame)) == "":
		return refusal(id, jsonrpc.InvalidParams, `params._meta must hold "`+jsonrpc.MetaProtocolVersion+`"`)
	case !modern:
		data := append([]byte(`{"supported":["`+Modern+`"],"requested":`), m.ProtocolVersion.Of(frame)...)
		return jsonrpc.AppendError(nil, id, jsonrpc.UnsupportedProtocolVersion, "unsupported protocol version", append(data, '}'))
	case t.inFlight(jsonrpc.Key(id)):
		return refusal(id, jsonrpc.InvalidRequest, "a request with this id is in flight")
	case len(t.byClient)+len(t.opened.waiting) >= maxInFlight, !t.fits(len(id) + len(m.ProgressToken.Of(frame))):
		return refusal(id, jsonrpc.InternalError, "too many requests are in flight")
	}
	if _, ok := ProfileOf(frame, m); !ok {
		return refusal(id, jsonrpc.InvalidParams, `params._meta must hold "`+jsonrpc.MetaClientCapabilities+`"`)
	}
	if m.LogLevel.Present() && severity(jsonrpc.Text(m.LogLevel.Of(frame))) == 0 {
		return refusal(id, jsonrpc.InvalidParams, `"`+jsonrpc.MetaLogLevel+`" is no log level`)
	}
	return nil
}

// request takes a request of the client once the server is initialized.
func (t *ToLegacy) request(now time.Time, frame []byte, m jsonrpc.Message, out *Output) {
	id := m.ID.Of(frame)
	method := jsonrpc.Text(m.Method.Of(frame))
	traits := requests[method]
	switch {
	case t.opened.failure != nil:
		out.client(t.opened.failed(id), nil)
	case method == "server/discover":
		out.client(result(id, t.server.discovered), nil)
	case method == "subscriptions/listen":
		t.listen(now, frame, m, out)
	case traits.retired:
		out.client(refusal(id, jsonrpc.MethodNotFound, method+" does not exist in MCP "+Modern), nil)
	default:
		if state, retry := State(frame, m); retry && traits.asks {
			t.resume(now, frame, m, state, out)
			return
		}
		t.forward(now, frame, m, traits, out)
	}
}

// told takes a notification of the client.
func (t *ToLegacy) told(frame []byte, m jsonrpc.Message, out *Output) {
	switch jsonrpc.Text(m.Method.Of(frame)) {
	case "notifications/cancelled":
		span, _ := jsonrpc.Lookup(frame, m.Params, "requestId")
		key := jsonrpc.Key(span.Of(frame))
		if l := t.listens[key]; l != nil {
			t.unlisten(l, out)
		} else if c := t.byClient[key]; c != nil {
			t.cancel(c, frame, m, span, out)
		} else {
			t.unwait(key)
		}
	case "notifications/initialized", "notifications/roots/list_changed", "notifications/progress", "notifications/tasks/status":
		// There are none of these in the modern era.
	default:
		if t.opened.phase != ready {
			out.Dropped++ // nothing can have come before it that it would belong to
			return
		}
		out.server(splice(frame, legacyMeta(nil, frame, m)))
	}
}

// cancel gives up a call because the client said so; span is where it names
// the request.
func (t *ToLegacy) cancel(c *legacyCall, frame []byte, m jsonrpc.Message, span jsonrpc.Span, out *Output) {
	out.server(splice(frame, legacyMeta([]jsonrpc.Edit{{Span: span, With: strconv.AppendUint(nil, c.key, 10)}}, frame, m)))
	t.giveUp(c, "the client cancelled the request", out)
}

// FromServer takes a message of the server.
func (t *ToLegacy) FromServer(now time.Time, frame []byte, m jsonrpc.Message, out *Output) {
	switch m.Kind {
	case jsonrpc.Response:
		t.answered(now, frame, m, out)
	case jsonrpc.Request:
		t.asked(now, frame, m, out)
	case jsonrpc.Notification:
		t.notified(frame, m, out)
	}
}

// FromStream is FromServer for a message that came on the stream with the
// answer to a request, whose raw id the server saw: what names no call is about
// that one.
func (t *ToLegacy) FromStream(now time.Time, id, frame []byte, m jsonrpc.Message, out *Output) {
	key, _ := strconv.ParseUint(string(id), 10, 64) // 0 is no call
	t.about = t.calls[key]
	t.FromServer(now, frame, m, out)
	t.about = nil
}

// answered takes a response of the server.
func (t *ToLegacy) answered(now time.Time, frame []byte, m jsonrpc.Message, out *Output) {
	c := t.calls[idOfOurs(m.ID.Of(frame))]
	switch {
	case c == nil, c.id == nil && c.talk != nil && !c.talk.underWay():
		// The answer to a request that was cancelled or is answered, or to none.
	case c.own != nil:
		t.forget(c)
		c.own(now, frame, m, out)
	case c.ping:
		out.client(splice(frame, []jsonrpc.Edit{{Span: m.ID, With: c.id}}), nil)
		t.forget(c)
	case c.id == nil:
		c.talk.refuse("the call has ended", out)
		t.keep(c, frame)
	case m.Error.Present() && t.elicitURL(now, c, frame, m, out):
	default:
		if c.talk != nil {
			c.talk.refuse("the call has ended", out)
		}
		if c.missing != "" && isFailure(frame, m) {
			out.client(jsonrpc.AppendError(nil, c.id, jsonrpc.MissingRequiredClientCapability,
				"the server needs a capability that the client has not declared", []byte(`{"requiredCapabilities":`+c.missing+`}`)), nil)
		} else {
			t.up(c, frame, m, out)
		}
		t.forget(c)
	}
}

// Ping asks the server for a sign of life.
func (t *ToLegacy) Ping(id []byte, out *Output) {
	c := t.newCall()
	c.id, c.ping = bytes.Clone(id), true
	t.byClient[jsonrpc.Key(c.id)] = c
	t.weigh(c)
	out.server(request(c.key, "ping", "{}"))
}

// Tick does what is due.
func (t *ToLegacy) Tick(now time.Time, out *Output) {
	for _, key := range slices.Sorted(maps.Keys(t.asking)) {
		if c := t.asking[key]; !now.Before(c.talk.gather) {
			t.park(now, c, out)
		}
	}
	for _, key := range slices.Sorted(maps.Keys(t.parked)) {
		if c := t.parked[key]; !now.Before(c.talk.expires) {
			t.expire(c, out)
		}
	}
	for _, l := range byAge(maps.Values(t.opening)) {
		if !now.Before(l.until) {
			t.acknowledge(l, out)
		}
	}
}

// Due is when Tick has something to do, or zero.
func (t *ToLegacy) Due() time.Time {
	var due time.Time
	sooner := func(at time.Time) {
		if due.IsZero() || at.Before(due) {
			due = at
		}
	}
	for _, c := range t.asking {
		sooner(c.talk.gather)
	}
	for _, c := range t.parked {
		sooner(c.talk.expires)
	}
	for _, l := range t.opening {
		sooner(l.until)
	}
	return due
}

// Busy reports whether a call waits for its client to come back.
func (t *ToLegacy) Busy() bool { return len(t.parked) > 0 }

// Version is the protocol version that the server agreed to, or empty.
func (t *ToLegacy) Version() string { return t.server.version }

// Failed reports whether the server did not let itself be initialized. Every
// request gets its error then, so another translator is needed for another try.
func (t *ToLegacy) Failed() bool { return t.opened.phase == failed }

// Parked is how many calls wait for their clients to come back.
func (t *ToLegacy) Parked() int { return len(t.parked) }
