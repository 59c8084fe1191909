// SPDX-License-Identifier: Apache-2.0

package era

import (
	"bytes"
	"regexp"
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
	gather  time.Time // when what was asked so far goes to the client
	expires time.Time // when a parked call is given up

	unsent bool   // the server has not seen the request yet
	again  bool   // the request is to be made again after the answers
	answer []byte // of the server, which came while the call was parked
}

// question is a request of the server that waits for an answer.
type question struct {
	id     []byte // the server's, raw; nil if it is to get no answer
	method string
	params []byte // raw, or nil
	name   string // in inputRequests
}

func (k *talk) add(q question) {
	if q.name == "" {
		q.name = k.name(q)
	}
	k.open = append(k.open, q)
}

// name is the key of a question in inputRequests: what the server calls it, if
// that is a word.
func (k *talk) name(q question) string {
	name := jsonrpc.Text(q.id)
	for !word.MatchString(name) || slices.ContainsFunc(k.open, func(o question) bool { return o.name == name }) {
		k.named++
		name = kinds[q.method] + "-" + strconv.Itoa(k.named)
	}
	return name
}

var (
	word  = regexp.MustCompile(`^[A-Za-z][A-Za-z0-9_.-]{0,63}$`)
	kinds = map[string]string{methodElicit: "elicitation", methodSampling: "sampling", methodRoots: "roots"}
)

// refuse answers all that is open with an error.
func (k *talk) refuse(reason string, out *Output) {
	for _, q := range k.open {
		if q.id != nil {
			out.server(refusal(q.id, jsonrpc.InternalError, reason))
		}
	}
	k.open = nil
}

// withdraw removes the question with the server's id, and reports whether it
// was there.
func withdraw(open *[]question, key string) bool {
	for i, q := range *open {
		if q.id != nil && jsonrpc.Key(q.id) == key {
			*open = append((*open)[:i], (*open)[i+1:]...)
			return true
		}
	}
	return false
}

func (t *ToLegacy) talkOf(c *legacyCall) *talk {
	if c.talk == nil {
		c.talk = &talk{}
	}
	return c.talk
}

// held reports whether the server does not know of the call.
func (c *legacyCall) held() bool { return c.talk != nil && c.talk.unsent }

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
	switch c, several := t.askable(); {
	case several:
		out.Dropped++
		out.server(refusal(id, jsonrpc.InternalError, "several calls are in flight, and it cannot be told which of them asks"))
	case c == nil && method == methodRoots && len(t.orphans) < maxQuestions:
		t.orphans = append(t.orphans, q)
	case c == nil:
		out.Dropped++
		out.server(refusal(id, jsonrpc.InternalError, "no call is in flight whose client could be asked"))
	case len(c.talk.open) >= maxQuestions:
		out.server(refusal(id, jsonrpc.InternalError, "too many requests wait for the client"))
	default:
		q.name = c.talk.name(q)
		if value := lookup(c.prepared, whole(c.prepared), q.name); q.answeredBy(c.prepared, value) {
			q.answer(c.prepared, value, out) // the request has brought it
			return
		}
		c.talk.add(q)
		if c.id != nil {
			c.talk.gather = now.Add(t.cfg.GatherTime)
			t.asking[c.key] = c
		}
	}
}

// misses notes that the one call that may be asked would have needed what its
// client has not declared. If the server makes do without, nobody will know.
func (t *ToLegacy) misses(method string, frame []byte, params jsonrpc.Span) {
	var found *legacyCall
	for _, c := range t.calls {
		if c.traits.asks && found != nil {
			return
		}
		if c.traits.asks {
			found = c
		}
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

// askable finds the one call that a question can belong to.
func (t *ToLegacy) askable() (found *legacyCall, several bool) {
	calls := t.calls
	if c := t.about; c != nil && c.frame != nil {
		calls = map[uint64]*legacyCall{c.key: c}
	}
	for _, c := range calls {
		if c.frame == nil || c.held() || c.talk != nil && (c.talk.again && c.id == nil || c.talk.answer != nil) {
			continue
		}
		if found != nil {
			return nil, true
		}
		found = c
	}
	if found != nil {
		t.talkOf(found)
	}
	return found, false
}

// askFirst lets a call ask what the server asked when there was none, before
// the server sees it.
func (t *ToLegacy) askFirst(now time.Time, c *legacyCall, out *Output) {
	k := t.talkOf(c)
	k.unsent = true
	for _, q := range t.orphans {
		k.add(q)
	}
	t.orphans = nil
	t.park(now, c, out)
}

// park ends the client's request with the questions that are open.
func (t *ToLegacy) park(now time.Time, c *legacyCall, out *Output) {
	k := c.talk
	delete(t.asking, c.key)
	if len(k.open) == 0 {
		return // the server has withdrawn them
	}
	if k.round++; k.round > maxRounds {
		t.abort(c, jsonrpc.InternalError, "the server has asked too often", out)
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

// appendRequests writes the questions as InputRequests.
func (k *talk) appendRequests(dst []byte) []byte {
	for i, q := range k.open {
		dst = append(dst, ",{"[btoi(i == 0)])
		dst = jsonrpc.AppendString(dst, q.name)
		dst = append(dst, `:{"method":"`+q.method+`"`...)
		if q.params != nil || q.method != methodRoots {
			dst = append(dst, `,"params":`...)
			dst = without(dst, q.params, whole(q.params), legacyParam)
		}
		dst = append(dst, '}')
	}
	return append(dst, '}')
}

// legacyParam names the params of a server's request that the modern era does
// not have.
func legacyParam(name string) bool {
	return name == "elicitationId" || name == "task" || name == "_meta"
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
	declined := k.answers(frame, lookup(frame, m.Params, memberResponses), out)
	switch {
	case k.answer != nil:
		answer := k.answer
		c.talk = nil
		m, _ := jsonrpc.Scan(answer)
		t.answered(now, answer, m, out)
	case len(k.open) > 0:
		t.park(now, c, out)
	case k.again && declined:
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

// rename gives a call that is made again an id that the server does not know.
func (t *ToLegacy) rename(c *legacyCall) {
	delete(t.calls, c.key)
	t.last++
	c.key = t.last
	t.calls[c.key] = c
	m, _ := jsonrpc.Scan(c.frame)
	c.frame = jsonrpc.AppendSplice(nil, c.frame, jsonrpc.Edit{Span: m.ID, With: strconv.AppendUint(nil, c.key, 10)})
}

// answers gives the server what the client says to its questions. What the
// client does not say, or says in a way that is no answer, stays open. It
// reports whether the user did not agree to something.
func (k *talk) answers(frame []byte, responses jsonrpc.Span, out *Output) (declined bool) {
	rest := k.open[:0]
	for _, q := range k.open {
		value := lookup(frame, responses, q.name)
		if !q.answeredBy(frame, value) {
			rest = append(rest, q)
			continue
		}
		declined = declined || q.method == methodElicit && textAt(frame, value, "action") != "accept"
		q.answer(frame, value, out)
	}
	clear(k.open[len(rest):])
	k.open = rest
	return declined
}

// answer tells the server, if it waits for that.
func (q question) answer(frame []byte, value jsonrpc.Span, out *Output) {
	if q.id != nil {
		text := without(nil, frame, value, func(name string) bool { return name == memberResultType })
		out.server(result(q.id, string(text)))
	}
}

// answeredBy reports whether a value has the shape of an answer.
func (q question) answeredBy(frame []byte, value jsonrpc.Span) bool {
	switch q.method {
	case methodElicit:
		switch textAt(frame, value, "action") {
		case "accept":
			return q.filledIn(frame, lookup(frame, value, "content"))
		case "decline", "cancel":
			return true
		}
		return false
	case methodSampling:
		return textAt(frame, value, "role") != "" && lookup(frame, value, "content").Present()
	default:
		roots := lookup(frame, value, "roots")
		return roots.Present() && frame[roots.Start] == '['
	}
}

// giveUp forgets a call whose client does not want it any more.
func (t *ToLegacy) giveUp(c *legacyCall, reason string, out *Output) {
	if c.talk != nil {
		if c.talk.unsent { // the questions were there before the call
			t.orphans = append(t.orphans, c.talk.open...)
			c.talk.open = nil
		}
		c.talk.refuse(reason, out)
	}
	t.forget(c)
}

// abort answers the client with an error and lets the server know.
func (t *ToLegacy) abort(c *legacyCall, code int, reason string, out *Output) {
	out.client(refusal(c.id, code, reason), nil)
	if !c.talk.again && !c.talk.unsent {
		out.server(cancellation(c.key, reason))
	}
	t.giveUp(c, reason, out)
}

// expire gives up a call whose client has not come back.
func (t *ToLegacy) expire(c *legacyCall, out *Output) {
	const reason = "the client has not come back with an answer"
	if c.talk.answer == nil && !c.talk.again && !c.talk.unsent {
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
