// SPDX-License-Identifier: Apache-2.0

package era

import (
	"bytes"
	"slices"
	"strconv"
	"time"

	"github.com/atrawog/mcp-oauth-gateway/shproxy/jsonrpc"
)

// talk is what passes between the server and the client in the middle of a
// call. A question of the server ends the client's request with input_required,
// and the call is parked; the client's next request, which brings the answers,
// takes it up again. The server sees one request all the time.
type talk struct {
	open    []question // in the order in which they were asked
	named   int        // questions that got a name
	round   int
	since   time.Time // when the first of those came that go to the client together
	gather  time.Time // when they do
	expires time.Time // when a parked call is given up

	unsent   bool   // the server has not seen the request yet
	again    bool   // the request is to be made again after the answers
	declined bool   // the user did not agree to that
	answer   []byte // of the server, which came while the call was parked
	lost     bool   // it was too much to be kept
}

// setOrphans sets the questions that belong to no call.
func (t *ToLegacy) setOrphans(open []question) {
	t.held += weight(open) - weight(t.orphans)
	t.orphans = open
}

func (t *ToLegacy) talkOf(c *legacyCall) *talk {
	if c.talk == nil {
		c.talk = &talk{}
	}
	return c.talk
}

// asked takes a request of the server.
func (t *ToLegacy) asked(now time.Time, frame []byte, m jsonrpc.Message, out *Output) {
	id := m.ID.Of(frame)
	method := jsonrpc.Text(m.Method.Of(frame))
	switch {
	case method == "ping":
		out.server(result(id, "{}"))
		return
	case method != methodElicit && method != methodSampling && method != methodRoots:
		out.server(refusal(id, jsonrpc.MethodNotFound, "method not found"))
		return
	case !t.cfg.Profile.takes(method, frame, m.Params):
		t.misses(method, frame, m.Params)
		out.server(refusal(id, jsonrpc.MethodNotFound, "the client has not declared the capability for "+method))
		return
	}
	q := question{id: bytes.Clone(id), method: method, params: bytes.Clone(m.Params.Of(frame))}
	switch c, several := t.whoAsks(); {
	case several:
		out.Dropped++
		out.server(refusal(id, jsonrpc.InternalError, "several calls are in flight, and it cannot be told which of them asks"))
	case !q.passes():
		out.server(refusal(id, jsonrpc.InvalidParams, "params nest too deep"))
	case c == nil && method == methodRoots && len(t.orphans) < maxQuestions && t.fits(q.weight()):
		t.held += q.weight()
		t.orphans = append(t.orphans, q)
	case c == nil:
		out.Dropped++
		out.server(refusal(id, jsonrpc.InternalError, "no call is in flight whose client could be asked"))
	default:
		t.question(now, c, q, out)
	}
}

// misses notes that the one call that may be asked would have needed what its
// client has not declared. If the server makes do without, nobody will know.
func (t *ToLegacy) misses(method string, frame []byte, params jsonrpc.Span) {
	var found *legacyCall
	for _, c := range t.askable {
		if found != nil {
			return
		}
		found = c
	}
	if found == nil {
		return
	}
	found.missing = `{"` + kinds[method] + `":{}}`
	if method == methodElicit && textAt(frame, params, "mode") == "url" {
		found.missing = `{"elicitation":{"url":{}}}`
	}
}

// isFailure reports whether a response is an error, also one of a tool.
func isFailure(frame []byte, m jsonrpc.Message) bool {
	return m.Error.Present() || trueAt(frame, m.Result, "isError")
}

// whoAsks finds the one call that a question can belong to.
func (t *ToLegacy) whoAsks() (found *legacyCall, several bool) {
	calls := t.askable
	if c := t.about; c != nil && calls[c.key] == c {
		calls = map[uint64]*legacyCall{c.key: c}
	}
	for _, c := range calls {
		if c.frame == nil || c.talk != nil && !c.talk.underWay() {
			continue
		}
		if found != nil {
			return nil, true
		}
		found = c
	}
	return found, false
}

// underWay reports whether the server is at work for the call.
func (k *talk) underWay() bool { return !k.unsent && !k.again && k.answer == nil && !k.lost }

// question puts a question to the client of a call.
func (t *ToLegacy) question(now time.Time, c *legacyCall, q question, out *Output) {
	k := t.talkOf(c)
	q.name = k.name(q)
	if value := lookup(c.prepared, whole(c.prepared), q.name); q.answeredBy(c.prepared, value) {
		q.answer(c.prepared, value, out) // the request has brought it
		return
	}
	if len(k.open) >= maxQuestions || !t.fits(q.weight()) {
		out.server(refusal(q.id, jsonrpc.InternalError, "too many requests wait for the client"))
		return
	}
	k.add(q)
	t.weigh(c)
	if c.id == nil {
		return // it goes with the others when the client is back
	}
	if t.asking[c.key] == nil {
		t.asking[c.key] = c
		k.since = now
	}
	k.gather = now.Add(t.cfg.GatherTime)
	if last := k.since.Add(maxGathers * t.cfg.GatherTime); k.gather.After(last) {
		k.gather = last
	}
}

// askFirst lets a call ask what the server asked when there was none, before
// the server sees it.
func (t *ToLegacy) askFirst(now time.Time, c *legacyCall, out *Output) {
	k := t.talkOf(c)
	k.unsent = true
	for _, q := range t.orphans {
		k.add(q)
	}
	t.setOrphans(nil)
	t.weigh(c)
	t.park(now, c, out)
}

// park ends the client's request with the questions that are open.
func (t *ToLegacy) park(now time.Time, c *legacyCall, out *Output) {
	k := c.talk
	delete(t.asking, c.key)
	if len(k.open) == 0 {
		return // the server has withdrawn them
	}
	k.round++
	switch {
	case k.round > maxRounds:
		t.abort(c, jsonrpc.InternalError, "the server has asked too often", out)
		return
	case len(t.parked) >= maxParked:
		t.abort(c, jsonrpc.InternalError, "too many calls wait for their clients", out)
		return
	}
	k.expires = now.Add(t.cfg.ParkTime)
	m, _ := jsonrpc.Scan(c.frame)
	state := t.cfg.Sealer.Seal(t.cfg.Principal, Ticket{
		Process: t.cfg.Process, Call: c.key, Round: k.round, Expires: k.expires, Request: fingerprint(c.frame, m),
	})
	text := append([]byte(nil), `{"resultType":"input_required","inputRequests":`...)
	text = k.appendRequests(text)
	text = append(text, `,"requestState":"`+state+`"`...)
	if t.server.info != nil {
		text = append(text, `,"_meta":{`...)
		text = append(append(text, t.server.info...), '}')
	}
	out.client(result(c.id, string(append(text, '}'))), nil)
	t.detach(c)
	t.parked[c.key] = c
}

// resume takes up the call that a requestState names.
func (t *ToLegacy) resume(now time.Time, frame []byte, m jsonrpc.Message, state string, out *Output) {
	ticket, err := t.cfg.Sealer.Open(t.cfg.Principal, state, now)
	c := t.parked[ticket.Call]
	switch {
	case err != nil, ticket.Process != t.cfg.Process, c == nil, c.talk.round != ticket.Round,
		!bytes.Equal(ticket.Request, fingerprint(frame, m)):
		out.client(refusal(m.ID.Of(frame), jsonrpc.InvalidParams, ErrState.Error()), nil)
		return
	}
	delete(t.parked, c.key)
	t.attach(c, frame, m)
	if c.level > 0 {
		t.setLevel(c.level, out)
	}
	k := c.talk
	k.answers(frame, lookup(frame, m.Params, memberResponses), out)
	t.weigh(c)
	switch {
	case k.lost:
		out.client(refusal(c.id, jsonrpc.InternalError, "the server has answered while the client was away, with more than the bridge keeps"), nil)
		t.forget(c)
	case k.answer != nil:
		answer := k.answer
		k.answer = nil
		m, _ := jsonrpc.Scan(answer)
		t.answered(now, answer, m, out)
	case len(k.open) > 0:
		t.park(now, c, out)
	case k.again && k.declined:
		t.abort(c, jsonrpc.InternalError, "the user has not opened the URL that the server asked for", out)
	case k.again:
		k.again = false
		t.rename(c)
		out.server(c.frame)
	case k.unsent:
		k.unsent = false
		out.server(c.frame)
	}
}

// keep keeps what the server answers to a call whose client has not come back.
func (t *ToLegacy) keep(c *legacyCall, frame []byte) {
	t.weigh(c)
	if c.talk.lost = !t.fits(len(frame)); !c.talk.lost {
		c.talk.answer = bytes.Clone(frame)
		t.weigh(c)
	}
}

// answers gives the server what the client says to its questions. What the
// client does not say, or says in a way that is no answer, stays open.
func (k *talk) answers(frame []byte, responses jsonrpc.Span, out *Output) {
	given := membersOf(frame, responses)
	rest := k.open[:0]
	for _, q := range k.open {
		value := given[q.name]
		if !q.answeredBy(frame, value) {
			rest = append(rest, q)
			continue
		}
		k.declined = k.declined || q.method == methodElicit && textAt(frame, value, "action") != "accept"
		q.answer(frame, value, out)
	}
	clear(k.open[len(rest):])
	k.open = rest
}

// giveUp forgets a call whose client does not want it any more.
func (t *ToLegacy) giveUp(c *legacyCall, reason string, out *Output) {
	t.forget(c)
	k := c.talk
	if k == nil {
		return
	}
	if k.unsent { // the questions were there before the call
		all := slices.Concat(k.open, t.orphans)
		for i := range all {
			all[i].name = "" // that is of the call
		}
		some := min(len(all), maxQuestions)
		t.setOrphans(all[:some])
		k.open = all[some:]
	}
	k.refuse(reason, out)
}

// abort answers the client with an error and lets the server know.
func (t *ToLegacy) abort(c *legacyCall, code int, reason string, out *Output) {
	out.client(refusal(c.id, code, reason), nil)
	if c.talk.underWay() {
		out.server(cancellation(c.key, reason))
	}
	t.giveUp(c, reason, out)
}

// expire gives up a call whose client has not come back.
func (t *ToLegacy) expire(c *legacyCall, out *Output) {
	const reason = "the client has not come back with an answer"
	if c.talk.underWay() {
		out.server(cancellation(c.key, reason))
	}
	t.giveUp(c, reason, out)
}

func cancellation(key uint64, reason string) []byte {
	params := append([]byte(nil), `{"requestId":`...)
	params = strconv.AppendUint(params, key, 10)
	params = append(params, `,"reason":`...)
	params = append(jsonrpc.AppendString(params, reason), '}')
	return notification("notifications/cancelled", string(params))
}
