// SPDX-License-Identifier: Apache-2.0

package capture

import (
	"fmt"
	"slices"

	"github.com/atrawog/mcp-oauth-gateway/shproxy/jsonrpc"
)

// An exchange is a request of the client and the answer to it, which may be
// missing.
type exchange struct {
	request, answer *Entry
}

// exchanges are those of the capture, in the order of requests.
func (c *Capture) exchanges() []*exchange {
	var list []*exchange
	open := map[string]*exchange{}
	for i := range c.Entries {
		switch e := &c.Entries[i]; {
		case e.From == Client && e.m.Kind == jsonrpc.Request:
			x := &exchange{request: e}
			open[e.id()] = x
			list = append(list, x)
		case e.From == Server && e.m.Kind == jsonrpc.Response && open[e.id()] != nil:
			open[e.id()].answer = e
			delete(open, e.id())
		}
	}
	return list
}

// what names the request: its method and what it is about.
func (x *exchange) what() string { return describe(x.request) }

func describe(e *Entry) string {
	for _, name := range []string{"name", "uri"} {
		if text, ok := e.param(name).(string); ok {
			return e.method() + " " + text
		}
	}
	return e.method()
}

// key is the same for requests that ask the same.
func (x *exchange) key() string {
	params, _ := decode(x.request.m.Params.Of(x.request.Message)).(map[string]any)
	for _, own := range opaqueParams {
		delete(params, own)
	}
	delete(params, "_meta")
	return fmt.Sprintf("%s %v", x.request.method(), params)
}

// result is what is compared of an answer: it leaves out what is opaque, or
// belongs to the transport.
func result(e *Entry) any {
	if e == nil {
		return nil
	}
	all := map[string]any{}
	if e.m.Error.Present() {
		all["error"] = decode(e.m.Error.Of(e.Message))
		return all
	}
	value := decode(e.m.Result.Of(e.Message))
	if object, ok := value.(map[string]any); ok {
		if meta, ok := object["_meta"].(map[string]any); ok {
			delete(meta, "io.modelcontextprotocol/serverInfo") // which the surface has
			if len(meta) == 0 {
				delete(object, "_meta")
			}
		}
		for _, name := range opaqueResults {
			if text, ok := object[name].(string); ok && text != "" {
				object[name] = Redacted // it is there; what it says is the server's own affair
			}
		}
	}
	all["result"] = value
	return all
}

// The members that mean something only to the server that gave them.
var (
	opaqueResults = []string{"nextCursor", "requestState", "taskId"}
	opaqueParams  = []string{"cursor", "requestState", "taskId"}
)

// isListing reports whether the request is one whose answers make a surface.
func (x *exchange) isListing() bool {
	method := x.request.method()
	return method == "initialize" || method == "server/discover" ||
		slices.ContainsFunc(listings, func(l listing) bool { return l.method == method })
}

// Exchanges returns the differences of what two captures have been answered:
// the same requests are compared in their order. Lists are left to Compare.
func Exchanges(a, b *Capture) (changes []Change) {
	rest := map[string][]*exchange{}
	for _, x := range b.exchanges() {
		if !x.isListing() {
			rest[x.key()] = append(rest[x.key()], x)
		}
	}
	for _, x := range a.exchanges() {
		if x.isListing() {
			continue
		}
		key := x.key()
		if len(rest[key]) == 0 {
			changes = append(changes, Change{Subject: x.what(), Path: "$", Kind: Removed, Before: decode(x.request.Message)})
			continue
		}
		changes = append(changes, compareAnswers(x.what(), x.answer, rest[key][0].answer)...)
		rest[key] = rest[key][1:]
	}
	for _, x := range b.exchanges() {
		if slices.ContainsFunc(rest[x.key()], func(y *exchange) bool { return y.request == x.request }) {
			changes = append(changes, Change{Subject: x.what(), Path: "$", Kind: Added, After: decode(x.request.Message)})
		}
	}
	return changes
}

// compareAnswers compares answers to the same request. An error in place of a
// result breaks clients.
func compareAnswers(what string, a, b *Entry) []Change {
	changes := differences(what, "$", result(a), result(b))
	failed := b == nil || b.m.Error.Present() || isToolError(b)
	if worked := a != nil && !a.m.Error.Present() && !isToolError(a); worked && failed {
		for i := range changes {
			changes[i].Breaking, changes[i].Why = true, "it worked before"
		}
	}
	return changes
}

func isToolError(e *Entry) bool {
	value, ok := jsonrpc.Lookup(e.Message, e.m.Result, "isError")
	return ok && string(value.Of(e.Message)) == "true"
}
