// SPDX-License-Identifier: Apache-2.0

package check

import (
	"context"
	"encoding/json"
	"net/http"
)

// traffic is one request of the tour that several rules look at.
type traffic struct {
	method string
	a      *attempt
}

const (
	maxTouredPages = 5  // of each list
	maxToured      = 10 // of resources, prompts and tools each
)

// tour makes one request of each kind that the server offers, and some that it
// has to refuse, once for all rules.
func (p *Probe) tour(ctx context.Context) (*Session, []traffic, error) {
	s, err := p.Session(ctx)
	if err != nil {
		return nil, nil, err
	}
	all, err := Once(p, "tour", func() ([]traffic, error) {
		var all []traffic
		var failed error
		send := func(method string, params map[string]any, change func(http.Header)) map[string]json.RawMessage {
			a, err := s.try(ctx, p, method, p.modern(params, nil), change)
			if err != nil {
				failed = err
				return nil
			}
			all = append(all, traffic{method, a})
			return members(a.Message.Result())
		}
		ask := func(method string, params map[string]any) map[string]json.RawMessage {
			return send(method, params, nil)
		}
		// list asks for the pages of a list, and gives its items.
		list := func(method, member string) []map[string]json.RawMessage {
			var items []map[string]json.RawMessage
			var params map[string]any
			for range maxTouredPages {
				result := ask(method, params)
				var page []map[string]json.RawMessage
				_ = json.Unmarshal(result[member], &page) // other rules judge lists
				items = append(items, page...)
				if kindOf(result["nextCursor"]) != "string" {
					break
				}
				params = map[string]any{"cursor": text(result["nextCursor"])}
			}
			return items
		}
		ask("server/discover", nil)
		has := s.discover().Capabilities
		if has["tools"] != nil {
			called := 0
			for _, tool := range list("tools/list", "tools") {
				if arguments, ok := p.argumentsFor(tool); ok && called < maxToured {
					called++
					send("tools/call", map[string]any{"name": text(tool["name"]), "arguments": arguments}, p.mirror(tool, arguments))
				}
			}
			ask("tools/call", map[string]any{"name": "no-such-tool", "arguments": map[string]any{}})
		}
		if has["resources"] != nil {
			for i, resource := range list("resources/list", "resources") {
				if i < maxToured {
					ask("resources/read", map[string]any{"uri": text(resource["uri"])})
				}
			}
			list("resources/templates/list", "resourceTemplates")
			ask("resources/read", map[string]any{"uri": "shclient-check:///no-such-resource"})
		}
		if has["prompts"] != nil {
			for i, prompt := range list("prompts/list", "prompts") {
				if i < maxToured {
					ask("prompts/get", map[string]any{"name": text(prompt["name"])})
				}
			}
		}
		ask("no-such/method", nil)
		if len(all) == 0 {
			return nil, failed
		}
		return all, nil
	})
	return s, all, err
}

// eachTraffic looks at each request of the tour.
func (p *Probe) eachTraffic(ctx context.Context, look func(*Session, traffic)) error {
	s, all, err := p.tour(ctx)
	if err != nil {
		return err
	}
	for _, t := range all {
		p.Forget()
		p.Show(t.a.Exchange)
		look(s, t)
	}
	return nil
}

// eachResult looks at each result of the tour.
func (p *Probe) eachResult(ctx context.Context, look func(*Session, traffic, map[string]json.RawMessage)) error {
	return p.eachTraffic(ctx, func(s *Session, t traffic) {
		if t.a.Served {
			look(s, t, members(t.a.Message.Result()))
		}
	})
}

// eachBefore looks at each message that came before an answer of the tour.
func (p *Probe) eachBefore(ctx context.Context, look func(traffic, Message)) error {
	return p.eachTraffic(ctx, func(_ *Session, t traffic) {
		for _, m := range t.a.Before {
			look(t, m)
		}
	})
}
