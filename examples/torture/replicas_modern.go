// SPDX-License-Identifier: Apache-2.0

package main

import (
	"context"
	"crypto/rand"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"net/http"
	"strconv"
	"strings"

	"github.com/atrawog/mcp-oauth-gateway/shproxy/sse"
)

const (
	modernVersion = "2026-07-28"
	// modernShare makes every third client of this era a namesake. All that one
	// user's clients of one name ask at a time has to fit into the eight processes
	// of a legacy server that shproxy has for them.
	modernShare = 3 * modernEvery
)

// visitModern makes calls without a session. Those that ask something are
// parked at a replica, and found again by their requestState.
func (v *visitor) visitModern() {
	nonce := rand.Text()
	for number := 1; v.more(); number++ {
		e := v.task(nonce, number)
		c := &modernCall{visitor: v, errand: e, steps: steps{errand: e, token: strconv.Itoa(number)}}
		f, err := c.run()
		switch {
		case errors.Is(err, errCutAtHop):
			v.count(sawAtHop, 1)
		case errors.Is(err, errSessionGone):
			v.count(sawWithReplica, 1)
		case err == nil:
			if a := v.check(e, &c.steps, f); a != nil {
				if a.Unanswered {
					_ = c.bad(badLost, "the server's question", "none, or the answer did not reach the server")
				}
				v.made()
				v.count(sawModern, 1)
			}
		}
		pause(v.ctx, v.roll(40))
	}
}

// A modernCall is one call of MCP 2026-07-28, with its retries.
type modernCall struct {
	*visitor
	errand *errand
	steps  steps
	owner  string // the replica where it is parked
}

func (c *modernCall) bad(kind, want string, got any) error {
	if c.ctx.Err() == nil {
		c.wrong(kind, c.errand.Session, c.errand.Call, want, fmt.Sprintf("%v (parked at %q)", got, c.owner))
	}
	return errJudged
}

// run makes the call, and comes back with what it asks for.
func (c *modernCall) run() (*frame, error) {
	ctx, cancel := context.WithTimeout(c.ctx, callTimeout)
	defer cancel()
	var more map[string]any
	for range 3 {
		f, err := c.request(ctx, more)
		if err != nil {
			return nil, err
		}
		var r struct {
			InputRequests map[string]struct {
				Method string
				Params struct{ Message string }
			}
			RequestState string
		}
		if err := json.Unmarshal(f.Result, &r); err != nil {
			return nil, c.bad(badAnswer, "a result", err)
		}
		if len(r.InputRequests) == 0 {
			return f, nil
		}
		if parts := strings.Split(r.RequestState, "."); len(parts) > 1 {
			c.owner = parts[1]
		}
		if c.called(c.owner) == nil {
			return nil, c.bad(badAnswer, "a requestState that names its replica", r.RequestState)
		}
		responses := make(map[string]any)
		for key, asked := range r.InputRequests {
			if want := fmt.Sprintf("%s/%d", c.errand.Session, c.errand.Call); asked.Method != "elicitation/create" || asked.Params.Message != want {
				return nil, c.bad(badMisrouted, "the question "+want, asked)
			}
			responses[key] = map[string]any{"action": "accept", "content": map[string]string{"echo": asked.Params.Message}}
		}
		more = map[string]any{"requestState": r.RequestState, "inputResponses": responses}
		pause(ctx, c.roll(60)*c.roll(10))
		c.count(sawParked, 1)
	}
	return nil, c.bad(badAnswer, "a result", "questions for ever")
}

// request makes one request and returns the response.
func (c *modernCall) request(ctx context.Context, more map[string]any) (*frame, error) {
	params := map[string]any{"name": "count", "arguments": c.errand, "_meta": map[string]any{
		"progressToken": json.RawMessage(c.steps.token),
		"io.modelcontextprotocol/protocolVersion":    modernVersion,
		"io.modelcontextprotocol/clientInfo":         info{fmt.Sprintf("torture-modern-%d", c.number/modernShare), "1"},
		"io.modelcontextprotocol/clientCapabilities": json.RawMessage(`{"elicitation":{"form":{}}}`),
	}}
	maps.Copy(params, more)
	body := raw(&frame{Version: "2.0", ID: json.RawMessage(strconv.Itoa(c.errand.Call)), Method: "tools/call", Params: raw(params)})
	h, err := c.send(ctx, c.owner, http.MethodPost, body, "MCP-Protocol-Version", modernVersion, "Mcp-Method", "tools/call", "Mcp-Name", "count")
	if err != nil {
		return nil, c.bad(badUnanswered, "an answer", err)
	}
	defer h.Body.Close()
	if h.StatusCode == http.StatusBadGateway {
		return nil, c.lost(h, refusalOf(h))
	}
	f, err := c.response(h)
	switch {
	case err != nil:
		return nil, c.lost(h, fmt.Sprintf("%s from %s: %v", h.Status, h.hop, err))
	case f.Error != nil && c.owner != "" && c.mayBeGone(c.owner):
		return nil, errSessionGone
	case f.Error != nil:
		return nil, c.bad(badAnswer, "a result", fmt.Sprintf("%s from %s, error %d %q", h.Status, h.hop, f.Error.Code, f.Error.Message))
	}
	return f, nil
}

// lost judges the loss of an answer.
func (c *modernCall) lost(h *hopped, got string) error {
	if inc := c.called(c.owner); inc != nil && c.mayBeGone(c.owner) {
		return errSessionGone
	}
	if c.killedAt(h.hop, h.begun) {
		return errCutAtHop
	}
	return c.bad(badUnanswered, "an answer", got)
}

// response reads to the response, which is the last message.
func (c *modernCall) response(h *hopped) (*frame, error) {
	f := new(frame)
	if mediaType(h.Response) == typeJSON {
		return f, json.NewDecoder(io.LimitReader(h.Body, maxMessage)).Decode(f)
	}
	for events := sse.NewReader(h.Body, maxMessage); ; {
		event, err := events.Next()
		if err != nil {
			return nil, err
		}
		if len(event.Data) == 0 {
			continue
		}
		f := new(frame)
		if err := json.Unmarshal(event.Data, f); err != nil {
			return nil, err
		}
		switch {
		case f.Method == "":
			return f, nil
		case f.Method == "notifications/progress":
			if kind, want := c.steps.take(f); kind != "" {
				_ = c.bad(kind, want, asText(f))
			}
		default:
			_ = c.bad(badMisrouted, "progress or the response", asText(f))
		}
	}
}
