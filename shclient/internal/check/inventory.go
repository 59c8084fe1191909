// SPDX-License-Identifier: Apache-2.0

package check

import (
	"context"
	"encoding/json"
	"fmt"
)

// kind is a kind of things that servers list.
type kind struct {
	method     string // that lists them
	member     string // of the result, with the list
	capability string
}

var (
	kindTools     = kind{"tools/list", "tools", "tools"}
	kindResources = kind{"resources/list", "resources", "resources"}
	kindTemplates = kind{"resources/templates/list", "resourceTemplates", "resources"}
	kindPrompts   = kind{"prompts/list", "prompts", "prompts"}
	kinds         = []kind{kindTools, kindResources, kindTemplates, kindPrompts}
)

// listing is what a server lists of a kind, over all pages.
type listing struct {
	items []item
	pages []*Answer
	// endless is why the paging was given up.
	endless string
	// failed is the error that a page was answered with.
	failed *RPCError
	last   *Exchange
}

// item is one element of a list, and the exchange that it came in.
type item struct {
	raw      json.RawMessage
	members  map[string]json.RawMessage // nil if it is no object
	exchange *Exchange
}

// name tells the items of a kind apart.
func (i item) name() string {
	for _, member := range []string{"name", "uri", "uriTemplate"} {
		if s := text(i.members[member]); s != "" {
			return s
		}
	}
	return bound(string(i.raw), 60)
}

const (
	maxPages = 200
	maxItems = 10_000
)

// list reads all pages of a kind, once for all rules of the version. A server
// that does not declare the kind has nothing to try.
func (p *Probe) list(ctx context.Context, k kind) (*listing, error) {
	s, err := p.Session(ctx)
	if err != nil {
		return nil, err
	}
	if s.capabilities()[k.capability] == nil {
		return nil, Skipf("the server does not declare %s", k.capability)
	}
	l, err := Once(p, k.method, func() (*listing, error) { return p.readPages(ctx, s, k) })
	p.Forget()
	if err != nil {
		return nil, err
	}
	return l, nil
}

func (p *Probe) readPages(ctx context.Context, s *Session, k kind) (*listing, error) {
	l := &listing{}
	cursors := map[string]bool{}
	var params map[string]any
	for {
		answer, err := s.Request(ctx, p, k.method, params)
		if err != nil {
			return nil, fmt.Errorf("%s: %w", k.method, err)
		}
		l.last = answer.Exchange
		if l.failed = answer.Error(); l.failed != nil {
			return l, nil
		}
		l.pages = append(l.pages, answer)
		result := members(answer.Result())
		var raws []json.RawMessage
		_ = json.Unmarshal(result[k.member], &raws) // the rules tell what is no list
		for _, raw := range raws {
			l.items = append(l.items, item{raw, members(raw), answer.Exchange})
		}
		cursor := result["nextCursor"]
		switch {
		case kindOf(cursor) != "string":
			return l, nil // what is neither there nor a string, pagination.result tells
		case cursors[string(cursor)]:
			l.endless = "a cursor comes again: " + bound(string(cursor), 100)
		case len(l.pages) == maxPages:
			l.endless = fmt.Sprintf("the list has not ended after %d pages", maxPages)
		case len(l.items) >= maxItems:
			l.endless = fmt.Sprintf("the list has not ended after %d items", maxItems)
		}
		if l.endless != "" {
			return l, nil
		}
		cursors[string(cursor)] = true
		params = map[string]any{"cursor": cursor}
	}
}

// each runs f for every item, with the exchange that it came in shown.
func (p *Probe) each(ctx context.Context, k kind, f func(item)) error {
	l, err := p.list(ctx, k)
	if err != nil {
		return err
	}
	if len(l.items) == 0 && l.failed != nil {
		return Skipf("%s is answered with %v", k.method, l.failed)
	}
	if len(l.items) == 0 {
		return Skipf("the server lists no %s", k.member)
	}
	for _, i := range l.items {
		p.Show(i.exchange)
		f(i)
		p.Forget()
	}
	return nil
}
