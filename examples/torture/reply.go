// SPDX-License-Identifier: Apache-2.0

package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"time"

	"github.com/atrawog/mcp-oauth-gateway/shproxy/sse"
)

// A reply reads the messages of one call, over several connections if one is
// lost and can be resumed.
type reply struct {
	c      *client
	ctx    context.Context
	cut    context.CancelFunc // closes the connection
	call   *callPlan
	stream string // for messages to people
	first  func() // called with the first message

	messages  int
	answered  bool
	lastID    string // of an event; what resumption needs
	cutOnce   bool
	cancelled bool
}

const maxResumptions = 8

func (r *reply) read(resp *http.Response) outcome {
	out := outcome{status: resp.StatusCode}
	if resp.StatusCode != http.StatusOK {
		out.kind, out.err = gotStatus, refusal(resp)
		switch resp.StatusCode {
		case http.StatusNotFound:
			out.kind = gotGone
		case http.StatusServiceUnavailable:
			out.kind = gotBusy
		}
		return out
	}
	switch t := mediaType(resp); t {
	case typeJSON:
		body, err := io.ReadAll(io.LimitReader(resp.Body, maxMessage))
		if err != nil {
			return r.c.broken(r.ctx, err)
		}
		out, _ = r.message(body)
		return out
	case sse.ContentType:
		return r.events(resp.Body)
	default:
		out.kind, out.err = gotBroken, fmt.Errorf("a reply of type %q", t)
		return out
	}
}

// refusal is the JSON-RPC error in the body of an answer that is not 200.
func refusal(resp *http.Response) error {
	var m message
	if err := json.NewDecoder(io.LimitReader(resp.Body, 1<<20)).Decode(&m); err != nil || m.Error == nil {
		return errors.New("no JSON-RPC error")
	}
	return fmt.Errorf("error %d %q", m.Error.Code, m.Error.Message)
}

// events reads event streams until the response is there.
func (r *reply) events(body io.Reader) outcome {
	defer func() { r.cut() }()
	for range maxResumptions {
		out, err := r.connection(body)
		switch {
		case err == nil:
			return out
		case r.c.ctx.Err() != nil || r.ctx.Err() != nil && !r.cutOnce:
			return r.c.broken(r.ctx, err)
		case r.lastID == "" || r.cancelled:
			if errors.Is(err, io.EOF) {
				return outcome{kind: gotEnd, status: http.StatusOK}
			}
			return r.c.broken(r.ctx, err)
		}
		resp, out := r.resume()
		if resp == nil {
			return out
		}
		body = resp.Body
		defer resp.Body.Close()
	}
	return outcome{kind: gotBroken, err: fmt.Errorf("no response after %d resumptions", maxResumptions)}
}

// connection reads one event stream. The error is nil with the response.
func (r *reply) connection(body io.Reader) (outcome, error) {
	events := sse.NewReader(body, maxMessage)
	var out outcome
	if r.act() {
		return out, errCut
	}
	for {
		event, err := events.Next()
		if id := events.LastEventID(); id != "" {
			r.lastID = id
		}
		switch {
		case err != nil && r.answered:
			return out, nil
		case err != nil:
			return out, err
		case len(event.Data) == 0: // primes the stream with an id
			continue
		}
		got, response := r.message(event.Data)
		if response {
			out, r.answered = got, true
		}
		if r.act() {
			return out, errCut
		}
	}
}

var errCut = errors.New("the connection was cut")

// message takes one message, and reports whether it is the response.
func (r *reply) message(data []byte) (outcome, bool) {
	m := new(message)
	if err := json.Unmarshal(data, m); err != nil {
		r.c.violate(badAltered, r.call.Number, "JSON", fmt.Sprintf("%v in %.200q", err, data))
		return outcome{kind: gotBroken, err: err}, true
	}
	r.messages++
	r.c.ledger.take(r.stream, r.call.Number, m)
	r.first()
	switch {
	case m.isRequest():
		r.c.answer(m)
	case m.isResponse() && m.Error != nil:
		r.c.fail(time.Now())
		return outcome{kind: gotError, status: http.StatusOK, m: m}, true
	case m.isResponse():
		return outcome{kind: gotResult, status: http.StatusOK, m: m}, true
	}
	return outcome{}, false
}

// act does what the plan says about this moment of the stream. It reports
// whether that was to lose the connection.
func (r *reply) act() (cut bool) {
	if r.messages != r.call.after || r.answered {
		return false
	}
	switch {
	case r.call.leave == leaveStream:
		r.c.vanish()
	case r.call.leave == leaveCancel && !r.cancelled:
		r.cancelled = true
		r.c.ledger.excuse(r.call.Number)
		r.c.answers.Go(func() { r.c.cancel(r.call) })
	case r.call.leave == leaveCut && !r.cutOnce && r.lastID != "":
		r.cutOnce = true
		r.c.stats.count("resume", "cut")
		r.cut()
		return true
	}
	return false
}

// resume asks for what follows the last event.
func (r *reply) resume() (*http.Response, outcome) {
	r.cut()
	r.ctx, r.cut = context.WithTimeout(r.c.ctx, callTimeout)
	resp, err := r.c.request(r.ctx, http.MethodGet, nil, "Last-Event-ID", r.lastID)
	if err != nil {
		return nil, r.c.broken(r.ctx, err)
	}
	if resp.StatusCode == http.StatusOK && mediaType(resp) == sse.ContentType {
		r.c.stats.count("resume", "resumed")
		return resp, outcome{}
	}
	defer resp.Body.Close()
	kind := gotStatus
	if resp.StatusCode == http.StatusNotFound {
		kind = gotGone
	}
	return nil, outcome{kind: kind, status: resp.StatusCode, err: refusal(resp)}
}
