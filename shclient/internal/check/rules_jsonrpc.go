// SPDX-License-Identifier: Apache-2.0

package check

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"net/http"
	"slices"
)

func jsonrpcRules() []Rule {
	old := func(section string) map[string]string { return map[string]string{V20241105: section} }
	return []Rule{
		{
			ID: "jsonrpc.id-string", Level: Must, Transports: Both, Section: "basic#responses", Elsewhere: old("basic/messages#responses"),
			Demand: "a string as id comes back as the same string",
			Check:  idComesBack(`"ü \"quoted\" \\ 😀"`, `"12"`, `"-"`),
		}, {
			ID: "jsonrpc.id-number", Level: Must, Transports: Both, Section: "basic#responses", Elsewhere: old("basic/messages#responses"),
			Demand: "an integer as id comes back as the same integer",
			Check:  idComesBack(`0`, `-7`, `9007199254740991`),
		}, {
			ID: "jsonrpc.id-exact", Level: Should, Transports: Both, Section: "basic#responses", Elsewhere: old("basic/messages#responses"),
			Demand: "an integer beyond 2^53, which JSON implementations may round (RFC 8259 section 6), comes back the same as well",
			Check:  idComesBack(`9007199254740993`),
		}, {
			ID: "jsonrpc.unknown-method", Level: Must, Transports: Both, Section: "basic#responses", Elsewhere: old("basic/messages#responses"),
			Demand: "a request with an unknown method is answered with an error",
			Check:  func(ctx context.Context, p *Probe) error { return unknownMethod(ctx, p, false) },
		}, {
			ID: "jsonrpc.unknown-method-code", Level: Should, Transports: Both, Section: "basic#responses", Elsewhere: old("basic/messages#responses"),
			Demand: "the error of an unknown method has the code -32601 of JSON-RPC",
			Check:  func(ctx context.Context, p *Probe) error { return unknownMethod(ctx, p, true) },
		}, {
			ID: "jsonrpc.notification-silent", Level: Must, Transports: Both, Section: "basic#notifications", Elsewhere: old("basic/messages#notifications"),
			Demand: "a notification gets no response, not even an unknown one",
			Check:  notificationSilent,
		}, {
			ID: "jsonrpc.parse-error", Level: Should, Transports: Both, Section: "basic#responses", Elsewhere: old("basic/messages#responses"),
			Demand: "what is not JSON is answered with the error -32700 of JSON-RPC",
			Check: func(ctx context.Context, p *Probe) error {
				return badMessage(ctx, p, []byte(`{"jsonrpc":"2.0","id":1,"method":`), codeParse)
			},
		}, {
			ID: "jsonrpc.invalid-request", Level: Should, Transports: Both, Section: "basic#responses", Elsewhere: old("basic/messages#responses"),
			Demand: "JSON that is no message is answered with the error -32600 of JSON-RPC",
			Check: func(ctx context.Context, p *Probe) error {
				return badMessage(ctx, p, []byte(`{"jsonrpc":"2.0","id":1,"method":5}`), codeInvalidRequest)
			},
		}, {
			ID: "jsonrpc.batch", Level: Must, Since: V20250326, Until: V20250326, Transports: Both, Section: "basic#batching",
			Demand: "a batch is taken, and each of its requests answered",
			Check:  batchTaken,
		}, {
			ID: "jsonrpc.no-batch", Level: Should, Since: V20250618, Transports: Both, Section: "basic/transports#sending-messages-to-the-server",
			Elsewhere: map[string]string{V20260728: "basic/transports/streamable-http#sending-messages"},
			Demand:    "a batch, which the version does not have, is refused",
			Check:     batchRefused,
		},
	}
}

// anyRequest is a method that every server of the version answers.
func (p *Probe) anyRequest() string {
	if p.Modern() {
		return "server/discover"
	}
	return "ping"
}

func idComesBack(ids ...string) func(context.Context, *Probe) error {
	return func(ctx context.Context, p *Probe) error {
		for _, id := range ids {
			s, err := p.Session(ctx)
			if err != nil {
				return err
			}
			p.Forget()
			raw := requestBytes(json.RawMessage(id), p.anyRequest(), p.params(nil))
			answer, err := s.Send(ctx, p, raw, json.RawMessage(id))
			if status, ok := errors.AsType[*StatusError](err); ok {
				p.Brokenf("a request with the id %s is refused with HTTP status %d", id, status.Response.Status)
				continue
			}
			switch {
			case IsSilence(err):
				p.Brokenf("a request with the id %s is not answered: %v", id, err)
			case err != nil:
				return err
			case !sameID(answer.ID(), json.RawMessage(id)):
				p.Brokenf("the id %s comes back as %s", id, given(answer.ID()))
			}
		}
		return nil
	}
}

func unknownMethod(ctx context.Context, p *Probe, code bool) error {
	s, err := p.Session(ctx)
	if err != nil {
		return err
	}
	p.Forget()
	answer, err := s.Request(ctx, p, "shclient/unknown", nil)
	if status, ok := errors.AsType[*StatusError](err); ok {
		if code {
			p.Brokenf("the answer is HTTP status %d without a JSON-RPC error", status.Response.Status)
		}
		return nil
	}
	switch {
	case IsSilence(err) && !code:
		p.Brokenf("an unknown method is not answered: %v", err)
		return nil
	case IsSilence(err):
		return Skipf("an unknown method is not answered")
	case err != nil:
		return err
	}
	e := answer.Error()
	switch {
	case e == nil && !code:
		p.Brokenf("an unknown method is answered with a result")
	case e != nil && code && e.Code != codeNoMethod:
		p.Brokenf("an unknown method is answered with %v", e)
	}
	return nil
}

func notificationSilent(ctx context.Context, p *Probe) error {
	s, err := p.Session(ctx)
	if err != nil {
		return err
	}
	p.Forget()
	raw := requestBytes(nil, "notifications/shclient_unknown", p.params(nil))
	if p.Transport == HTTP {
		resp, err := p.Do(ctx, HTTPRequest{Body: raw, Header: s.Header(p, raw)})
		if err != nil {
			return err
		}
		if resp.Status < 300 && len(resp.Messages) > 0 {
			p.Brokenf("a notification is answered with a message")
		}
		return nil
	}
	own, err := p.NewSession(ctx)
	if err != nil {
		return err
	}
	p.Forget()
	if err := own.Process.Write(p, raw); err != nil {
		return err
	}
	// What comes before the answer to the next request is the answer to this.
	id := json.RawMessage(`"after"`)
	if err := own.Process.Write(p, requestBytes(id, p.anyRequest(), p.params(nil))); err != nil {
		return err
	}
	for {
		m, err := own.Process.Next(ctx)
		switch {
		case err != nil:
			return err
		case m.IsResponse() && !sameID(m.ID(), id):
			p.Brokenf("a notification is answered")
			return nil
		case m.IsResponse():
			return nil
		}
	}
}

// badMessage sends what is no message, and looks at the code of what comes.
func badMessage(ctx context.Context, p *Probe, raw []byte, code int) error {
	if p.Transport == Stdio {
		return badLine(ctx, p, raw, code)
	}
	s, err := p.Session(ctx)
	if err != nil {
		return err
	}
	p.Forget()
	h := s.Header(p, nil)
	if p.Modern() {
		h.Set("Mcp-Protocol-Version", p.Version)
	}
	resp, err := p.Do(ctx, HTTPRequest{Body: raw, Header: h})
	if err != nil {
		return err
	}
	switch {
	case resp.Status >= 500:
		p.Brokenf("the answer is HTTP status %d, as if the server were at fault", resp.Status)
	case len(resp.Messages) > 0 && resp.Messages[0].Error() != nil && resp.Messages[0].Error().Code != code && !p.headerError(resp.Messages[0]):
		p.Brokenf("the answer is %v", resp.Messages[0].Error())
	}
	return nil
}

// headerError recognizes that a modern server looks at the headers first.
func (p *Probe) headerError(m Message) bool { return p.Modern() && m.Error().Code == -32020 }

func badLine(ctx context.Context, p *Probe, raw []byte, code int) error {
	s, err := p.NewSession(ctx)
	if err != nil {
		return err
	}
	p.Forget()
	if err := s.Process.Write(p, raw); err != nil {
		return err
	}
	id := json.RawMessage(`"after"`)
	if err := s.Process.Write(p, requestBytes(id, p.anyRequest(), p.params(nil))); err != nil {
		p.Brokenf("the server ends")
		return nil
	}
	for {
		m, err := s.Process.soon(ctx)
		switch {
		case IsSilence(err):
			p.Brokenf("the server goes on with nothing: %v", err)
			s.Process.kill() // it may not even see that its stdin is closed
			return nil
		case err != nil:
			return err
		case !m.IsResponse():
			continue
		case sameID(m.ID(), id):
			p.Brokenf("there is no answer")
			return nil
		}
		if e := m.Error(); e == nil {
			p.Brokenf("the answer is no error")
		} else if e.Code != code {
			p.Brokenf("the answer is %v", e)
		}
		return nil
	}
}

func (p *Probe) batch() (raw []byte, ids []json.RawMessage) {
	ids = []json.RawMessage{json.RawMessage(`"first"`), json.RawMessage(`"second"`)}
	var requests [][]byte
	for _, id := range ids {
		requests = append(requests, requestBytes(id, p.anyRequest(), p.params(nil)))
	}
	return append(append([]byte{'['}, bytes.Join(requests, []byte{','})...), ']'), ids
}

func batchTaken(ctx context.Context, p *Probe) error {
	raw, ids := p.batch()
	open := len(ids)
	take := func(messages []Message) {
		for _, m := range messages {
			for _, id := range ids {
				if m.IsResponse() && sameID(m.ID(), id) {
					open--
				}
			}
		}
	}
	if p.Transport == HTTP {
		s, err := p.Session(ctx)
		if err != nil {
			return err
		}
		p.Forget()
		answered := 0
		resp, err := p.Do(ctx, HTTPRequest{Body: raw, Header: s.Header(p, raw), Until: func(m Message) bool {
			if m.IsResponse() {
				answered++
			}
			return answered == len(ids)
		}})
		if err != nil {
			return err
		}
		if take(resp.Messages); resp.Status >= 300 {
			p.Brokenf("a batch is refused with HTTP status %d", resp.Status)
		} else if open > 0 {
			p.Brokenf("%d of %d requests in a batch are not answered", open, len(ids))
		}
		return nil
	}
	messages, err := p.batchLine(ctx, raw, (*Process).Next, func(messages []Message) bool {
		open = len(ids)
		take(messages)
		return open <= 0 || slices.ContainsFunc(messages, func(m Message) bool { return m.IsResponse() && m.Error() != nil })
	})
	open = len(ids)
	if take(messages); open > 0 && (err == nil || IsSilence(err)) {
		p.Brokenf("%d of %d requests in a batch are not answered", open, len(ids))
		return nil
	}
	return err
}

// batchLine sends a batch over stdio and a request behind it, and returns what
// comes, but for the answer to that request. next waits for a message until the
// request is answered; after that little is waited for, until it is enough: what
// a server works on at a time it may answer in any order.
func (p *Probe) batchLine(ctx context.Context, raw []byte, next func(*Process, context.Context) (Message, error), enough func([]Message) bool) ([]Message, error) {
	s, err := p.NewSession(ctx)
	if err != nil {
		return nil, err
	}
	p.Forget()
	if err := s.Process.Write(p, raw); err != nil {
		return nil, err
	}
	id := json.RawMessage(`"after"`)
	if err := s.Process.Write(p, requestBytes(id, p.anyRequest(), p.params(nil))); err != nil {
		return nil, err
	}
	var messages []Message
	alive := false
	for !alive || !enough(messages) {
		m, err := next(s.Process, ctx)
		switch {
		case alive && IsSilence(err):
			return messages, nil
		case err != nil:
			return messages, err
		case m.IsResponse() && sameID(m.ID(), id):
			alive, next = true, (*Process).rest
			continue
		}
		batch := []json.RawMessage{m.Raw}
		if kindOf(m.Raw) == "array" {
			_ = json.Unmarshal(m.Raw, &batch) // no messages then
		}
		for _, raw := range batch {
			if one, err := ParseMessage(raw); err == nil {
				messages = append(messages, one)
			}
		}
	}
	return messages, nil
}

func batchRefused(ctx context.Context, p *Probe) error {
	raw, _ := p.batch()
	if p.Transport == Stdio {
		messages, err := p.batchLine(ctx, raw, (*Process).soon, func(messages []Message) bool { return len(messages) > 0 })
		switch {
		case IsSilence(err):
			p.Brokenf("the server goes on with nothing: %v", err)
		case err != nil:
			return err
		case len(messages) == 0:
			p.Brokenf("there is no answer")
		case messages[0].Error() == nil:
			p.Brokenf("a batch is answered as if the version had them")
		}
		return nil
	}
	s, err := p.Session(ctx)
	if err != nil {
		return err
	}
	p.Forget()
	h := s.Header(p, nil)
	if p.Modern() {
		h.Set("Mcp-Protocol-Version", p.Version)
	}
	resp, err := p.Do(ctx, HTTPRequest{Body: raw, Header: h, Until: Message.IsResponse})
	if err == nil && resp.Status < http.StatusMultipleChoices && (len(resp.Messages) == 0 || resp.Messages[0].Error() == nil) {
		p.Brokenf("a batch is taken with HTTP status %d", resp.Status)
	}
	return err
}
