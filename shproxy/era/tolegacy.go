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
	// one, so that they go to the client together. Default 25 milliseconds.
	GatherTime time.Duration
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
	return c
}

// What a ToLegacy holds is bounded.
const (
	maxWaiting      = 8 << 20 // bytes of messages that wait for the answer to initialize
	maxInFlight     = 10_000  // requests of clients
	maxQuestions    = 64      // that one call, or none, has open
	maxRounds       = 20      // of questions and answers in one call
	maxListens      = 1000
	maxResourceURIs = 1000 // of one subscription
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
	opened opened
	server server

	last     uint64                 // id of ours
	calls    map[uint64]*legacyCall // by the id that the server sees
	byClient map[string]*legacyCall // in flight, by key of the client's id
	tokens   map[string]*legacyCall // by key of the progress token that the server knows

	about   *legacyCall // that the message at hand is known to belong to
	parked  map[uint64]*legacyCall
	asking  map[uint64]*legacyCall // with a gather time
	orphans []question             // of no call

	listens   map[string]*listen // by key of the client's id
	resources map[string]int     // how many listens want to know of a resource
	level     int                // what the server logs
}

// NewToLegacy returns a translator for a server to which nothing was said yet.
func NewToLegacy(c ToLegacyConfig) *ToLegacy {
	return &ToLegacy{
		cfg:   c.complete(),
		calls: make(map[uint64]*legacyCall), byClient: make(map[string]*legacyCall), tokens: make(map[string]*legacyCall),
		parked: make(map[uint64]*legacyCall), asking: make(map[uint64]*legacyCall),
		listens: make(map[string]*listen), resources: make(map[string]int),
	}
}

var _ Translator = (*ToLegacy)(nil)

// legacyCall is a request that the server has not answered, or whose answer
// the client has not fetched.
type legacyCall struct {
	key    uint64 // the id that the server sees
	id     []byte // the client's, raw; nil while no request of his is in flight
	traits traits
	level  int    // severity of the log messages that the client asked for
	token  string // key in the table of progress tokens
	shown  []byte // the progress token of the client's request in flight, raw

	frame    []byte // what the server was sent, if it may ask something
	prepared []byte // inputResponses that came with it, raw
	talk     *talk  // once the server has asked something
	missing  string // the capability of the client that the server would have needed, as raw JSON

	own answer // takes the answer to a request of ours
}

// answer takes what the server answers to a request of ours.
type answer func(now time.Time, frame []byte, m jsonrpc.Message, out *Output)

// FromClient takes a message of the client.
func (t *ToLegacy) FromClient(now time.Time, frame []byte, m jsonrpc.Message, out *Output) {
	switch m.Kind {
	case jsonrpc.Request:
		if refused := t.check(frame, m); refused != nil {
			out.client(refused, nil)
			return
		}
		if t.opened.wait(t, frame, out) {
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
	version := jsonrpc.Text(m.ProtocolVersion.Of(frame))
	switch {
	case version == "":
		return refusal(id, jsonrpc.InvalidParams, `params._meta must hold "`+jsonrpc.MetaProtocolVersion+`"`)
	case version != Modern:
		data := append([]byte(`{"supported":["`+Modern+`"],"requested":`), m.ProtocolVersion.Of(frame)...)
		return jsonrpc.AppendError(nil, id, jsonrpc.UnsupportedProtocolVersion, "unsupported protocol version", append(data, '}'))
	case t.byClient[jsonrpc.Key(id)] != nil || t.listens[jsonrpc.Key(id)] != nil:
		return refusal(id, jsonrpc.InvalidRequest, "a request with this id is in flight")
	case len(t.byClient) >= maxInFlight:
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

// forward sends a request on.
func (t *ToLegacy) forward(now time.Time, frame []byte, m jsonrpc.Message, traits traits, out *Output) {
	c := t.newCall()
	c.traits = traits
	t.attach(c, frame, m)
	if c.level > 0 {
		t.setLevel(c.level, out)
	}
	down := t.down(c.key, frame, m)
	if !traits.asks || !t.cfg.Profile.Asked() {
		out.server(down)
		return
	}
	c.frame = down
	c.prepared = bytes.Clone(lookup(frame, m.Params, memberResponses).Of(frame))
	if m.ProgressToken.Present() {
		c.token = jsonrpc.Key(m.ProgressToken.Of(frame))
		t.tokens[c.token] = c
	}
	if len(t.orphans) > 0 {
		t.askFirst(now, c, out)
		return
	}
	out.server(down)
}

func (t *ToLegacy) newCall() *legacyCall {
	t.last++
	c := &legacyCall{key: t.last}
	t.calls[c.key] = c
	return c
}

// attach makes a request of the client the one that the call answers.
func (t *ToLegacy) attach(c *legacyCall, frame []byte, m jsonrpc.Message) {
	c.id = bytes.Clone(m.ID.Of(frame))
	c.shown = bytes.Clone(m.ProgressToken.Of(frame))
	c.level = severity(jsonrpc.Text(m.LogLevel.Of(frame)))
	t.byClient[jsonrpc.Key(c.id)] = c
}

// detach leaves the call without a request of the client.
func (t *ToLegacy) detach(c *legacyCall) {
	delete(t.byClient, jsonrpc.Key(c.id))
	c.id, c.shown, c.level = nil, nil, 0
}

// forget removes a call from all tables.
func (t *ToLegacy) forget(c *legacyCall) {
	delete(t.calls, c.key)
	delete(t.parked, c.key)
	delete(t.asking, c.key)
	if c.token != "" && t.tokens[c.token] == c {
		delete(t.tokens, c.token)
	}
	if c.id != nil {
		t.detach(c)
	}
}

// modernMeta are the members of _meta that say what a legacy server learns by
// initialize.
func modernMeta(name string) bool {
	switch name {
	case jsonrpc.MetaProtocolVersion, jsonrpc.MetaClientInfo, jsonrpc.MetaClientCapabilities, jsonrpc.MetaLogLevel:
		return true
	}
	return false
}

// down is a request as the server sees it.
func (t *ToLegacy) down(key uint64, frame []byte, m jsonrpc.Message) []byte {
	edits := [2]jsonrpc.Edit{
		{Span: m.ID, With: strconv.AppendUint(nil, key, 10)},
		{Span: m.Meta, With: without(nil, frame, m.Meta, modernMeta)},
	}
	if hasRetry(frame) {
		edits[1] = jsonrpc.Edit{Span: m.Params, With: without(nil, frame, m.Params, func(name string) bool {
			return name == "_meta" || name == memberState || name == memberResponses
		}, member{"_meta", edits[1].With})}
	}
	return splice(frame, edits[:])
}

// hasRetry reports whether a frame may have members of a retry.
func hasRetry(frame []byte) bool {
	return bytes.Contains(frame, []byte(memberState)) || bytes.Contains(frame, []byte(memberResponses))
}

// ask sends a request of ours; params is raw JSON.
func (t *ToLegacy) ask(method, params string, take answer, out *Output) {
	c := t.newCall()
	c.own = take
	frame := append([]byte(nil), `{"jsonrpc":"2.0","id":`...)
	frame = strconv.AppendUint(frame, c.key, 10)
	frame = append(frame, `,"method":"`+method+`","params":`+params+`}`...)
	out.server(frame)
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
			t.cancel(c, frame, span, out)
		} else {
			t.opened.unwait(key)
		}
	case "notifications/initialized", "notifications/roots/list_changed", "notifications/progress", "notifications/tasks/status":
		// There are none of these in the modern era.
	default:
		if t.opened.phase != ready {
			out.Dropped++ // nothing can have come before it that it would belong to
			return
		}
		edit := jsonrpc.Edit{}
		if m.Meta.Present() {
			edit = jsonrpc.Edit{Span: m.Meta, With: without(nil, frame, m.Meta, modernMeta)}
		}
		out.server(jsonrpc.AppendSplice(nil, frame, edit))
	}
}

// cancel gives up a call because the client said so; span is where it names
// the request.
func (t *ToLegacy) cancel(c *legacyCall, frame []byte, span jsonrpc.Span, out *Output) {
	if !c.held() {
		out.server(jsonrpc.AppendSplice(nil, frame, jsonrpc.Edit{Span: span, With: strconv.AppendUint(nil, c.key, 10)}))
	}
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
	key, err := strconv.ParseUint(string(m.ID.Of(frame)), 10, 64)
	c := t.calls[key]
	switch {
	case err != nil || c == nil:
		// The answer to a request that was cancelled, or to none.
	case c.own != nil:
		t.forget(c)
		c.own(now, frame, m, out)
	case c.talk != nil && c.id == nil:
		c.talk.answer = bytes.Clone(frame) // for when the client comes back
		c.talk.refuse("the call has ended", out)
	case m.Error.Present() && t.elicitURL(now, c, frame, m, out):
	default:
		if c.talk != nil {
			c.talk.refuse("the call has ended", out)
		}
		up := t.up(c, frame, m)
		if c.missing != "" && isFailure(frame, m) {
			up = jsonrpc.AppendError(nil, c.id, jsonrpc.MissingRequiredClientCapability,
				"the server needs a capability that the client has not declared", []byte(`{"requiredCapabilities":`+c.missing+`}`))
		}
		t.forget(c)
		out.client(up, nil)
	}
}

// Ping asks the server for a sign of life.
func (t *ToLegacy) Ping(id []byte, out *Output) {
	id = bytes.Clone(id)
	t.ask("ping", "{}", func(_ time.Time, frame []byte, m jsonrpc.Message, out *Output) {
		out.client(jsonrpc.AppendSplice(nil, frame, jsonrpc.Edit{Span: m.ID, With: id}), nil)
	}, out)
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
	for _, key := range slices.Sorted(maps.Keys(t.listens)) {
		if l := t.listens[key]; !l.acknowledged && !now.Before(l.until) {
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
	for _, l := range t.listens {
		if !l.acknowledged {
			sooner(l.until)
		}
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
