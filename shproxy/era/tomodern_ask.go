// SPDX-License-Identifier: Apache-2.0

package era

import (
	"bytes"
	"strconv"

	"github.com/atrawog/mcp-oauth-gateway/shproxy/jsonrpc"
)

const memberRequests = "inputRequests"

// inputRound is what a server asked for in one answer to a call.
type inputRound struct {
	state    []byte // requestState, raw; nil if there was none
	requests []*inputRequest
	open     int // of them, without an answer
	held     int // bytes
}

// inputRequest is one question, which the client sees as a request of the
// server.
type inputRequest struct {
	call   *modernCall
	name   []byte // that the server gave it, raw
	method string
	id     []byte // that the client sees, raw
	frame  []byte // until it is sent
	answer []byte // raw JSON of a result
}

// inputRequired asks the client what the server wants to know, and sends the
// call again if that is nothing (MCP 2026-07-28, multi round-trip requests).
func (t *ToModern) inputRequired(c *modernCall, frame []byte, m jsonrpc.Message, out *Output) {
	delete(t.calls, c.key)
	c.key = 0
	r, problem := t.newRound(c, frame, m.Result)
	if problem != "" {
		t.fail(c, jsonrpc.InternalError, problem, out)
		return
	}
	c.round = r
	for _, q := range r.requests {
		t.inputs[jsonrpc.Key(q.id)] = q
		out.client(q.frame, c.id)
		q.frame = nil
	}
	if r.open == 0 {
		t.retry(c, out)
	}
}

// newRound reads an input_required result, or says what is wrong with it.
func (t *ToModern) newRound(c *modernCall, frame []byte, answer jsonrpc.Span) (r *inputRound, problem string) {
	requests, state := lookup(frame, answer, memberRequests), lookup(frame, answer, memberState)
	c.rounds++
	switch {
	case !MayBeAsked(c.method):
		return nil, "the server asks for input in answer to " + c.method + ", which MCP does not provide for"
	case c.frame == nil:
		return nil, "the server asks for input, but too much is kept to send the request again"
	case c.rounds > mostRounds:
		return nil, "the server has asked for input more than " + strconv.Itoa(mostRounds) + " times"
	case !requests.Present() && !state.Present():
		return nil, "the server asks for input, but not for which"
	case requests.Present() && !isObject(frame, requests):
		return nil, memberRequests + " of the server is no object"
	}
	r = &inputRound{}
	if state.Present() {
		r.state = bytes.Clone(state.Of(frame))
	}
	size := len(r.state)
	names := map[string]bool{}
	for name, request := range jsonrpc.Members(frame, requests) {
		if r.open++; r.open > mostAsked || len(t.inputs)+r.open > mostOpen {
			return nil, "the server asks for more input than the bridge keeps track of"
		}
		text := jsonrpc.Text(name.Of(frame))
		if names[text] {
			return nil, "the server asks for the input " + shown(frame, name) + " twice"
		}
		names[text] = true
		q, problem := t.newRequest(frame, request)
		if problem != "" {
			return nil, problem
		}
		q.call, q.name = c, bytes.Clone(name.Of(frame))
		r.requests = append(r.requests, q)
		size += len(q.name)
	}
	if !t.hold(&r.held, size) {
		return nil, "the server asks for more input than the bridge keeps track of"
	}
	return r, ""
}

// newRequest makes a request to the client of a question of the server.
func (t *ToModern) newRequest(frame []byte, request jsonrpc.Span) (q *inputRequest, problem string) {
	method, params := lookup(frame, request, "method"), lookup(frame, request, "params")
	q = &inputRequest{method: jsonrpc.Text(method.Of(frame))}
	if !t.profile.takes(q.method, frame, params) {
		return nil, "the server asks for " + what(q.method, frame, method, params) + ", which the client has not declared that it takes"
	}
	t.lastAsk++
	for q.id = askID(t.lastAsk); t.byClient[jsonrpc.Key(q.id)] != nil; q.id = askID(t.lastAsk) {
		t.lastAsk++
	}
	q.frame = append(q.frame, `{"jsonrpc":"2.0","id":`...)
	q.frame = append(q.frame, q.id...)
	q.frame = append(q.frame, `,"method":"`+q.method+`"`...)
	if params.Present() {
		q.frame = append(q.frame, `,"params":`...)
		q.frame = append(q.frame, legacyParams(q, frame, params)...)
	}
	q.frame = append(q.frame, '}')
	if _, err := jsonrpc.Scan(q.frame); err != nil {
		return nil, "the server asks for " + q.method + " in a way that cannot be passed on: " + err.Error()
	}
	return q, ""
}

func askID(n uint64) []byte { return []byte(`"bridge-` + strconv.FormatUint(n, 10) + `"`) }

// what names a question that the client does not take.
func what(text string, frame []byte, method, params jsonrpc.Span) string {
	switch {
	case text == methodElicit && textAt(frame, params, "mode") == "url":
		return methodElicit + " of mode url"
	case method.Present():
		return shown(frame, method)
	}
	return "a request without a method"
}

// legacyParams are the params of a question. Until 2025-11-25 one with a URL
// has an id, with which the server could say that it is done with; in the
// modern era it cannot.
func legacyParams(q *inputRequest, frame []byte, params jsonrpc.Span) []byte {
	raw := params.Of(frame)
	if q.method != methodElicit || textAt(frame, params, "mode") != "url" || lookup(frame, params, "elicitationId").Present() {
		return raw
	}
	return splice(raw, put(nil, raw, whole(raw), func(_, _ jsonrpc.Span) bool { return false }, append([]byte(`"elicitationId":`), q.id...)))
}

// replied takes a response of the client.
func (t *ToModern) replied(frame []byte, m jsonrpc.Message, out *Output) {
	key := jsonrpc.Key(m.ID.Of(frame))
	q := t.inputs[key]
	if q == nil {
		out.Dropped++ // the answer to a question that is taken back, or to none
		return
	}
	delete(t.inputs, key)
	c := q.call
	c.round.open--
	switch {
	case isObject(frame, m.Result):
		q.answer = bytes.Clone(m.Result.Of(frame))
	case q.method == methodElicit:
		q.answer = []byte(`{"action":"cancel"}`) // a server is never told of errors
	default:
		t.giveUp(c, frame, m, out)
		return
	}
	if !t.hold(&c.round.held, len(q.answer)) {
		t.withdraw(c, c.id, out)
		t.fail(c, jsonrpc.InternalError, "the answers to the server are more than the bridge keeps", out)
		return
	}
	if c.round.open == 0 {
		t.retry(c, out)
	}
}

// giveUp answers a call with the error with which its client answered a
// question: there is no way to tell the server.
func (t *ToModern) giveUp(c *modernCall, frame []byte, m jsonrpc.Message, out *Output) {
	t.withdraw(c, c.id, out)
	t.forget(c)
	if m.Error.Present() {
		out.client(splice(frame, []jsonrpc.Edit{{Span: m.ID, With: c.id}}), nil)
		return
	}
	out.client(refusal(c.id, jsonrpc.InvalidParams, "the client's answer to the server is no object"), nil)
}

// withdraw takes back the questions of a call that have no answer; related is
// the id of the call if it is still to be answered.
func (t *ToModern) withdraw(c *modernCall, related []byte, out *Output) {
	for _, q := range c.round.requests {
		if key := jsonrpc.Key(q.id); t.inputs[key] == q {
			delete(t.inputs, key)
			out.client(cancelled(q.id), related)
		}
	}
	t.release(&c.round.held)
	c.round = nil
}

// retry sends a call again, with what the server asked for.
func (t *ToModern) retry(c *modernCall, out *Output) {
	r := c.round
	c.round = nil
	t.release(&r.held)
	var more []member
	if len(r.requests) > 0 {
		more = append(more, member{memberResponses, r.responses()})
	}
	if r.state != nil {
		more = append(more, member{memberState, r.state})
	}
	m, err := jsonrpc.Scan(c.frame)
	if err != nil {
		t.fail(c, jsonrpc.InternalError, err.Error(), out)
		return
	}
	id := t.nextID()
	again := splice(c.frame, []jsonrpc.Edit{
		{Span: m.ID, With: strconv.AppendUint(nil, id, 10)},
		{Span: m.Params, With: without(nil, c.frame, m.Params, func(name string) bool {
			return name == memberResponses || name == memberState
		}, more...)},
	})
	if _, err := jsonrpc.Scan(again); err != nil { // answers nest deeper in it than they did
		t.fail(c, jsonrpc.InternalError, "the client's answer cannot be passed on: "+err.Error(), out)
		return
	}
	t.send(c, id, again, out)
}

// responses are the answers by the names that the server gave the questions.
func (r *inputRound) responses() []byte {
	text := []byte{'{'}
	for i, q := range r.requests {
		if i > 0 {
			text = append(text, ',')
		}
		text = append(text, q.name...)
		text = append(text, ':')
		text = append(text, q.answer...)
	}
	return append(text, '}')
}
