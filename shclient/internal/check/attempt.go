// SPDX-License-Identifier: Apache-2.0

package check

import (
	"context"
	"encoding/json"
	"fmt"
	"maps"
	"net/http"
)

// attempt is what came of a request that a server may refuse.
type attempt struct {
	Status  int  // of HTTP; 0 over stdio
	Served  bool // there is a result
	Message Message
	Before  []Message // on the same stream
	Header  http.Header
	// Exchange is for the findings of other rules.
	Exchange *Exchange
}

// refused tells how the server has refused a request, for findings.
func (a *attempt) refused() string {
	text := "no JSON-RPC error"
	if e := a.Message.Error(); e != nil {
		text = e.Error()
	}
	if a.Status != 0 {
		text += fmt.Sprintf(", HTTP status %d", a.Status)
	}
	return text
}

// code is that of the error; 0 if there is none.
func (a *attempt) code() int {
	if e := a.Message.Error(); e != nil {
		return e.Code
	}
	return 0
}

// try makes a request in the session, after change has had its way with the
// headers over HTTP, and does not mind if it is refused. It takes params as they
// are.
func (s *Session) try(ctx context.Context, p *Probe, method string, params map[string]any, change func(http.Header)) (*attempt, error) {
	id := s.NewID()
	var object any
	if params != nil {
		object = params
	}
	raw := requestBytes(id, method, object)
	if s.Process != nil {
		answer, err := s.Send(ctx, p, raw, id)
		if err != nil {
			return nil, err
		}
		return &attempt{Served: answer.Has("result"), Message: answer.Message, Before: answer.Before, Exchange: answer.Exchange}, nil
	}
	h := s.Header(p, raw)
	if change != nil {
		change(h)
	}
	resp, err := p.Do(ctx, HTTPRequest{Body: raw, Header: h, Until: func(m Message) bool { return m.IsResponse() && sameID(m.ID(), id) }})
	if err != nil {
		return nil, err
	}
	a := &attempt{Status: resp.Status, Header: resp.Header, Exchange: resp.Exchange}
	for i, m := range resp.Messages {
		if m.IsResponse() { // the id of a refusal is the affair of other rules
			a.Message, a.Before = m, resp.Messages[:i]
			a.Served = m.Has("result")
			break
		}
	}
	return a, nil
}

// modern returns params of a modern request, with members of _meta changed:
// nil takes one out.
func (p *Probe) modern(params, meta map[string]any) map[string]any {
	m := p.Meta()
	for name, value := range meta {
		if value == nil {
			delete(m, name)
		} else {
			m[name] = value
		}
	}
	all := map[string]any{"_meta": m}
	maps.Copy(all, params)
	return all
}

// Members of _meta.
const (
	metaVersion      = "io.modelcontextprotocol/protocolVersion"
	metaCapabilities = "io.modelcontextprotocol/clientCapabilities"
	metaServerInfo   = "io.modelcontextprotocol/serverInfo"
	metaSubscription = "io.modelcontextprotocol/subscriptionId"
	metaLogLevel     = "io.modelcontextprotocol/logLevel"
)

// Error codes, those of 2026-07-28 last.
const (
	codeNoMethod        = -32601
	codeInvalidParams   = -32602
	codeMismatch        = -32020
	codeLacksCapability = -32021
	codeOtherVersion    = -32022
)

// discovered is the result of server/discover in the session.
type discovered struct {
	Versions     []string                   `json:"supportedVersions"`
	Capabilities map[string]json.RawMessage `json:"capabilities"`
}

// discover reads the result of server/discover, as far as it can be read.
func (s *Session) discover() discovered {
	var d discovered
	if s.Initialize != nil {
		_ = json.Unmarshal(s.Initialize.Result(), &d) // the rules on its shape say what is wrong
	}
	return d
}

// offers reports whether a version before another is among those that the
// server names.
func (d discovered) offers(before string) bool {
	for _, v := range d.Versions {
		if v < before {
			return true
		}
	}
	return false
}
