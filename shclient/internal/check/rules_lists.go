// SPDX-License-Identifier: Apache-2.0

package check

import (
	"context"
	"encoding/json"
	"errors"
	"slices"
)

// listRules are about lists of any kind.
func listRules() []Rule {
	return []Rule{
		{
			ID: "pagination.result", Level: Must, Transports: Both, Section: "server/utilities/pagination#response-format",
			Demand: "the result of a list has the list, and nextCursor is a string if it is there",
			Check:  listResult,
		}, {
			ID: "pagination.end", Level: Should, Transports: Both, Section: "server/utilities/pagination#implementation-guidelines",
			Demand: "cursors lead through a list to its end",
			Check:  listEnds,
		}, {
			ID: "pagination.invalid-cursor", Level: Should, Transports: Both, Section: "server/utilities/pagination#error-handling",
			Demand: "an invalid cursor is answered with the error -32602",
			Check:  invalidCursor,
		},
	}
}

// everyList runs f for the list of each kind that the server declares.
func (p *Probe) everyList(ctx context.Context, f func(kind, *listing)) error {
	tried := false
	for _, k := range kinds {
		l, err := p.list(ctx, k)
		if _, skip := errors.AsType[*skipped](err); skip {
			continue
		}
		if err != nil {
			return err
		}
		tried = true
		f(k, l)
		p.Forget()
	}
	if !tried {
		return Skipf("the server lists nothing")
	}
	return nil
}

func listResult(ctx context.Context, p *Probe) error {
	return p.everyList(ctx, func(k kind, l *listing) {
		for _, page := range l.pages {
			p.Show(page.Exchange)
			for _, wrong := range misshapen(page.Result(), k.member+":array! nextCursor:string") {
				p.Brokenf("%s: %s", k.method, wrong)
			}
			p.Forget()
		}
		if e := l.failed; e != nil && e.Code != codeNoMethod { // lifecycle.declared is about that
			p.Show(l.last)
			p.Brokenf("%s is answered with %v", k.method, e)
		}
	})
}

func listEnds(ctx context.Context, p *Probe) error {
	return p.everyList(ctx, func(k kind, l *listing) {
		if l.endless != "" {
			p.Show(l.pages[len(l.pages)-1].Exchange)
			p.Brokenf("%s: %s", k.method, l.endless)
		}
	})
}

func invalidCursor(ctx context.Context, p *Probe) error {
	s, err := p.Session(ctx)
	if err != nil {
		return err
	}
	var failed error
	err = p.everyList(ctx, func(k kind, _ *listing) {
		answer, err := s.Request(ctx, p, k.method, map[string]any{"cursor": "shclient-check: no cursor of yours"})
		if failed = p.wantError(k.method+" with an invalid cursor", answer, err, codeInvalidParams); failed != nil {
			return
		}
	})
	return errors.Join(err, failed)
}

// wantError reports an answer that is not an error with one of the codes.
func (p *Probe) wantError(what string, answer *Answer, err error, codes ...int) error {
	if status, ok := errors.AsType[*StatusError](err); ok {
		p.Brokenf("%s is answered with HTTP status %d and no JSON-RPC error", what, status.Response.Status)
		return nil
	}
	if err != nil {
		return err
	}
	e := answer.Error()
	if e == nil {
		p.Brokenf("%s is answered with a result", what)
		return nil
	}
	if slices.Contains(codes, e.Code) {
		return nil
	}
	p.Brokenf("%s is answered with %v", what, e)
	return nil
}

// unique reports items that have the same value of a member.
func unique(k kind, member string) func(context.Context, *Probe) error {
	return func(ctx context.Context, p *Probe) error {
		seen := map[string]bool{}
		return p.each(ctx, k, func(i item) {
			value := text(i.members[member])
			if value != "" && seen[value] {
				p.Brokenf("%q is there twice", bound(value, 100))
			}
			seen[value] = true
		})
	}
}

// shaped reports items that do not have a shape.
func shaped(k kind, shape string) func(context.Context, *Probe) error {
	return func(ctx context.Context, p *Probe) error {
		return p.each(ctx, k, func(i item) {
			wrong := misshapen(i.raw, shape)
			if k != kindTools {
				wrong = append(wrong, misannotated(i.members["annotations"])...)
			}
			for _, w := range wrong {
				p.Brokenf("%q: %s", i.name(), w)
			}
			if i.members["icons"] != nil {
				for _, w := range misiconed(i.members["icons"]) {
					p.Brokenf("%q: %s", i.name(), w)
				}
			}
		})
	}
}

func misiconed(raw json.RawMessage) []string {
	var icons []json.RawMessage
	if json.Unmarshal(raw, &icons) != nil {
		return []string{"the member icons is no array"}
	}
	var wrong []string
	for _, icon := range icons {
		wrong = append(wrong, misshapen(icon, "src:string! mimeType:string sizes:strings theme:string")...)
	}
	return wrong
}
