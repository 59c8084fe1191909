// SPDX-License-Identifier: Apache-2.0

package check

import (
	"cmp"
	"context"
	"encoding/json"
	"net/http"
	"slices"
	"strings"
	"time"
)

const (
	subscriptions = "basic/patterns/subscriptions"
	roundTrips    = "basic/patterns/mrtr"
)

// modernPatternRules are about subscriptions, and results that ask for input.
func modernPatternRules() []Rule {
	return []Rule{
		{
			ID: "listen.supported", Level: Must, Since: V20260728, Transports: Both,
			Section: subscriptions + "#opening-a-stream",
			Demand:  "a server that declares listChanged or subscribe takes subscriptions/listen",
			Check: func(ctx context.Context, p *Probe) error {
				l, err := p.listening(ctx)
				if err != nil {
					return err
				}
				p.Show(l.exchange)
				if l.refused != "" {
					p.Brokenf("subscriptions/listen is refused with %s", l.refused)
				}
				return nil
			},
		}, {
			ID: "listen.acknowledged", Level: Must, Since: V20260728, Transports: Both,
			Section: subscriptions + "#acknowledgment",
			Demand:  "the first message of a subscription is notifications/subscriptions/acknowledged",
			Check: func(ctx context.Context, p *Probe) error {
				return p.eachHeard(ctx, func(l *heard) {
					if len(l.messages) == 0 {
						p.Brokenf("nothing comes")
					} else if method := l.messages[0].Method(); method != acknowledged {
						p.Brokenf("the first message is %s", method)
					}
				})
			},
		}, {
			ID: "listen.granted", Level: Must, Since: V20260728, Transports: Both,
			Section: subscriptions + "#acknowledgment",
			Demand:  "the acknowledgement says which of the requested notifications will come",
			Check: func(ctx context.Context, p *Probe) error {
				return p.eachHeard(ctx, func(l *heard) {
					for _, m := range l.messages {
						if m.Method() != acknowledged {
							continue
						}
						granted := members(m.Members["params"])["notifications"]
						if kindOf(granted) != "object" {
							p.Brokenf("notifications is %s", shown(granted))
						}
						for name, value := range members(granted) {
							if _, ok := l.filter[name]; !ok && string(value) != "false" {
								p.Brokenf("%s is granted, which was not requested", name)
							}
						}
					}
				})
			},
		}, {
			ID: "listen.requested-only", Level: Must, Since: V20260728, Transports: Both,
			Section: subscriptions + "#opening-a-stream",
			Demand:  "a subscription has the requested notifications only, and no log messages",
			Check: func(ctx context.Context, p *Probe) error {
				return p.eachHeard(ctx, func(l *heard) {
					for _, m := range l.messages {
						filter, known := filters[m.Method()]
						if _, ok := l.filter[filter]; m.Method() != acknowledged && (!known || !ok) && m.Has("method") {
							p.Brokenf("%s comes, which was not requested", m.Method())
						}
					}
				})
			},
		}, {
			ID: "listen.subscription-id", Level: Must, Since: V20260728, Transports: Both,
			Section: subscriptions + "#receiving-notifications",
			Demand:  "notifications of a subscription have the id of its request as subscriptionId in _meta",
			Check: func(ctx context.Context, p *Probe) error {
				return p.eachHeard(ctx, func(l *heard) {
					for _, m := range l.messages {
						if id := members(members(m.Members["params"])["_meta"])[metaSubscription]; !m.IsResponse() && !sameID(id, l.id) {
							p.Brokenf("subscriptionId of %s is %s, and the request had %s", m.Method(), shown(id), l.id)
						}
					}
				})
			},
		}, {
			ID: "input.where", Level: Must, Since: V20260728, Transports: Both,
			Section: roundTrips + "#supported-requests",
			Demand:  "no requests but tools/call, resources/read and prompts/get are answered with input_required",
			Check: func(ctx context.Context, p *Probe) error {
				return p.eachResult(ctx, func(_ *Session, t traffic, result map[string]json.RawMessage) {
					if text(result["resultType"]) == "input_required" && !slices.Contains([]string{"tools/call", "resources/read", "prompts/get"}, t.method) {
						p.Brokenf("%s is answered with input_required", t.method)
					}
				})
			},
		}, {
			ID: "input.shape", Level: Must, Since: V20260728, Transports: Both,
			Section: roundTrips + "#server-requirements-basic-workflow",
			Demand:  "input_required has inputRequests for elicitation, sampling or roots, or a requestState, which is a string",
			Check: func(ctx context.Context, p *Probe) error {
				return p.eachAsking(ctx, func(with, _ *attempt) {
					result := members(with.Message.Result())
					requests, state := result["inputRequests"], result["requestState"]
					if requests == nil && state == nil {
						p.Brokenf("there is neither inputRequests nor requestState")
					}
					if state != nil && kindOf(state) != "string" {
						p.Brokenf("requestState is %s", shown(state))
					}
					if requests != nil && kindOf(requests) != "object" {
						p.Brokenf("inputRequests is %s", shown(requests))
					}
					for name, request := range members(requests) {
						if method := text(members(request)["method"]); inputCapability[method] == "" {
							p.Brokenf("the input request %s has the method %q", name, method)
						}
					}
				})
			},
		}, {
			ID: "input.declared", Level: Must, Since: V20260728, Transports: Both,
			Section: roundTrips + "#server-requirements-basic-workflow",
			Demand:  "no input is asked for that the client has not declared",
			Check: func(ctx context.Context, p *Probe) error {
				return p.eachResult(ctx, func(_ *Session, _ traffic, result map[string]json.RawMessage) {
					for name, request := range members(result["inputRequests"]) {
						if capability := inputCapability[text(members(request)["method"])]; capability != "" {
							p.Brokenf("the input request %s needs %s, which was not declared", name, capability)
						}
					}
				})
			},
		}, {
			ID: "input.missing-capability", Level: Must, Since: V20260728, Transports: Both,
			Section: "basic#meta",
			Demand:  "a call that needs a capability that is not declared is refused with -32021 and the requiredCapabilities",
			Check: func(ctx context.Context, p *Probe) error {
				return p.eachAsking(ctx, func(_, without *attempt) {
					if without.Served || without.Message.Error() == nil {
						return // it does without
					}
					p.Show(without.Exchange)
					if without.code() != codeLacksCapability {
						p.Brokenf("the call is refused with %s", without.refused())
					} else if required := members(without.Message.Error().Data)["requiredCapabilities"]; kindOf(required) != "object" {
						p.Brokenf("requiredCapabilities is %s", shown(required))
					}
				})
			},
		}, {
			ID: "input.missing-capability-status", Level: Must, Since: V20260728, Transports: HTTP,
			Section: "basic#meta",
			Demand:  "the refusal of a call that needs a capability that is not declared has status 400",
			Check: func(ctx context.Context, p *Probe) error {
				return p.eachAsking(ctx, func(_, without *attempt) {
					if p.Show(without.Exchange); !without.Served && without.Status != http.StatusBadRequest {
						p.Brokenf("the status is %d", without.Status)
					}
				})
			},
		},
	}
}

// inputCapability is what a client declares that can be asked with a method.
var inputCapability = map[string]string{
	"elicitation/create": "elicitation", "sampling/createMessage": "sampling", "roots/list": "roots",
}

const acknowledged = "notifications/subscriptions/acknowledged"

// filters are the members of the filter that notifications need.
var filters = map[string]string{
	"notifications/tools/list_changed":     "toolsListChanged",
	"notifications/prompts/list_changed":   "promptsListChanged",
	"notifications/resources/list_changed": "resourcesListChanged",
	"notifications/resources/updated":      "resourceSubscriptions",
}

// heard is what came of one subscription in a short time.
type heard struct {
	filter   map[string]any
	id       json.RawMessage
	exchange *Exchange
	refused  string
	messages []Message // without the answer that ends it
}

// listening subscribes to what the server declares, and to resources that it
// lists, once for all rules.
func (p *Probe) listening(ctx context.Context) (*heard, error) {
	return Once(p, "listening", func() (*heard, error) {
		s, err := p.Session(ctx)
		if err != nil {
			return nil, err
		}
		l := &heard{filter: map[string]any{}}
		has := s.discover().Capabilities
		for _, kind := range []string{"tools", "prompts", "resources"} {
			if string(members(has[kind])["listChanged"]) == "true" {
				l.filter[kind+"ListChanged"] = true
			}
		}
		if string(members(has["resources"])["subscribe"]) == "true" {
			if uris := p.someResources(ctx, s); len(uris) > 0 {
				l.filter["resourceSubscriptions"] = uris
			}
		}
		if len(l.filter) == 0 {
			return nil, Skipf("the server declares no notifications")
		}
		p.Forget()
		params := p.modern(map[string]any{"notifications": l.filter}, nil)
		if p.Transport == Stdio {
			return l, p.listenStdio(ctx, l, params)
		}
		return l, p.listenHTTP(ctx, s, l, params)
	})
}

// someResources are URIs of the first pages of resources.
func (p *Probe) someResources(ctx context.Context, s *Session) []string {
	var uris []string
	params := map[string]any{}
	for range maxTouredPages {
		answer, err := s.Request(ctx, p, "resources/list", params)
		if err != nil {
			break
		}
		result := members(answer.Result())
		var page []struct{ URI string }
		_ = json.Unmarshal(result["resources"], &page) // other rules judge lists
		for _, item := range page {
			uris = append(uris, item.URI)
		}
		if kindOf(result["nextCursor"]) != "string" {
			break
		}
		params = map[string]any{"cursor": text(result["nextCursor"])}
	}
	return uris[:min(len(uris), maxToured)]
}

// quiet is how long after a message a subscription has said what it says at
// once: half a second, unless tests are in a hurry.
func (p *Probe) quiet() time.Duration { return cmp.Or(p.run.o.quiet, 500*time.Millisecond) }

// listenHTTP reads a stream until nothing comes for a while.
func (p *Probe) listenHTTP(ctx context.Context, s *Session, l *heard, params map[string]any) error {
	l.id = s.NewID()
	raw := requestBytes(l.id, "subscriptions/listen", params)
	resp, err := p.Do(ctx, HTTPRequest{Body: raw, Header: s.Header(p, raw), Quiet: p.quiet()})
	if err != nil {
		return err
	}
	l.exchange = resp.Exchange
	l.hear(resp.Messages)
	if l.refused == "" && resp.Status >= 300 {
		l.refused = (&attempt{Status: resp.Status}).refused()
	}
	return nil
}

// listenStdio asks for something else behind, whose answer shows that all has
// come that comes at once.
func (p *Probe) listenStdio(ctx context.Context, l *heard, params map[string]any) error {
	s, err := p.NewSession(ctx)
	if err != nil {
		return err
	}
	l.id = json.RawMessage(`"listening"`)
	if err := s.Process.Write(p, requestBytes(l.id, "subscriptions/listen", params)); err != nil {
		return err
	}
	l.exchange = s.Process.last
	m, err := s.Process.Next(ctx)
	if err != nil && !IsSilence(err) {
		return err
	}
	if err == nil {
		l.hear([]Message{m})
		answer, err := s.Request(ctx, p, "server/discover", nil)
		if err != nil {
			return err
		}
		l.hear(answer.Before)
		for _, m := range answer.Before {
			l.exchange.Received += string(m.Raw) + "\n"
		}
	}
	return nil
}

// hear sorts what came.
func (l *heard) hear(messages []Message) {
	for _, m := range messages {
		switch {
		case m.Has("error"):
			l.refused = (&attempt{Message: m}).refused()
		case !m.IsResponse():
			l.messages = append(l.messages, m)
		}
	}
}

// eachHeard looks at a subscription that the server has opened.
func (p *Probe) eachHeard(ctx context.Context, look func(*heard)) error {
	l, err := p.listening(ctx)
	if err != nil {
		return err
	}
	if l.refused != "" {
		return Skipf("the server refuses subscriptions/listen")
	}
	p.Forget()
	p.Show(l.exchange)
	look(l)
	return nil
}

// eachAsking looks at the calls of tools that ask for input when the client can
// give it, and at the same calls by a client that cannot.
func (p *Probe) eachAsking(ctx context.Context, look func(with, without *attempt)) error {
	type pair struct{ with, without *attempt }
	pairs, err := Once(p, "asking", func() ([]pair, error) {
		s, err := p.Session(ctx)
		if err != nil {
			return nil, err
		}
		tools, err := p.rawTools(ctx, s)
		if err != nil {
			return nil, err
		}
		able := map[string]any{metaCapabilities: map[string]any{"elicitation": map[string]any{"form": map[string]any{}}, "sampling": map[string]any{}, "roots": map[string]any{}}}
		var pairs []pair
		for _, tool := range tools {
			arguments, ok := p.argumentsFor(tool)
			if !ok || len(pairs) == maxToured {
				continue
			}
			params := map[string]any{"name": text(tool["name"]), "arguments": arguments}
			with, err := s.try(ctx, p, "tools/call", p.modern(params, able), p.mirror(tool, arguments))
			if err != nil || !strings.Contains(string(with.Message.Result()), `"input_required"`) {
				continue
			}
			without, err := s.try(ctx, p, "tools/call", p.modern(params, nil), p.mirror(tool, arguments))
			if err != nil {
				return nil, err
			}
			pairs = append(pairs, pair{with, without})
		}
		if len(pairs) == 0 {
			return nil, Skipf("no tool that may be called asks for input")
		}
		return pairs, nil
	})
	if err != nil {
		return err
	}
	for _, one := range pairs {
		p.Forget()
		p.Show(one.with.Exchange)
		look(one.with, one.without)
	}
	return nil
}
