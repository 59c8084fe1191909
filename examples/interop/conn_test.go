// SPDX-License-Identifier: Apache-2.0

//go:build unix

package interop_test

import (
	"context"
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"
)

const (
	legacyVersion = "2025-11-25"
	modernVersion = "2026-07-28"
)

// An era is what a client is told to speak.
type era string

const (
	eraAuto   era = "auto" // whatever client and server agree on
	eraLegacy era = "legacy"
	eraModern era = "modern"
)

// flags make the proxy serve none but modern clients, so that those that fall
// back, such as when a start takes long, find nothing to fall back to.
func (e era) flags() []string {
	if e == eraModern {
		return []string{"--protocol", "modern"}
	}
	return nil
}

// The parameters of a driver's operations.
type (
	connectParams struct {
		URL         string      `json:"url,omitempty"`
		Command     []string    `json:"command,omitempty"` // without shproxy
		Era         era         `json:"era"`
		Plain       bool        `json:"plain,omitempty"` // it declares no capabilities
		Sampling    sampling    `json:"sampling"`
		Elicitation elicitation `json:"elicitation"`
		Roots       []root      `json:"roots"`
	}
	callParams struct {
		Name      string         `json:"name"`
		Arguments any            `json:"arguments"`
		Progress  bool           `json:"progress,omitempty"`
		Meta      map[string]any `json:"_meta,omitempty"`
	}
	cancelParams struct {
		Call int `json:"call"` // the command's id
	}
	promptParams struct {
		Name      string            `json:"name"`
		Arguments map[string]string `json:"arguments,omitempty"`
	}
	completeParams struct {
		Ref      completeRef      `json:"ref"`
		Argument completeArgument `json:"argument"`
	}
	completeRef struct {
		Type string `json:"type"`
		Name string `json:"name"`
	}
	completeArgument struct {
		Name  string `json:"name"`
		Value string `json:"value"`
	}
	uriParams struct {
		URI string `json:"uri"`
	}
	levelParams struct {
		Level string `json:"level"`
	}
)

// What a client answers to requests of the server.
type (
	sampling struct {
		Model   string      `json:"model"`
		Role    string      `json:"role"`
		Content textContent `json:"content"`
	}
	textContent struct {
		Type string `json:"type"`
		Text string `json:"text"`
	}
	elicitation struct {
		Action  string         `json:"action"`
		Content map[string]any `json:"content"`
	}
	root struct {
		URI  string `json:"uri"`
		Name string `json:"name"`
	}
)

// The results that are looked at.
type (
	hello struct {
		Version string `json:"version"`
		Server  struct {
			Name string `json:"name"`
		} `json:"server"`
	}
	lists struct {
		Tools     []string `json:"tools"`
		Resources []string `json:"resources"`
		Templates []string `json:"templates"`
		Prompts   []string `json:"prompts"`
	}
	toolResult struct {
		Content           []block         `json:"content"`
		StructuredContent json.RawMessage `json:"structuredContent"`
		IsError           bool            `json:"isError"`
	}
	block struct {
		Type     string `json:"type"`
		Text     string `json:"text"`
		Data     string `json:"data"`
		MimeType string `json:"mimeType"`
	}
	progress struct {
		Call     int     `json:"call"`
		Progress float64 `json:"progress"`
		Total    float64 `json:"total"`
	}
)

// text is that of all blocks, a line each.
func (r toolResult) text() string {
	var lines []string
	for _, b := range r.Content {
		lines = append(lines, b.Text)
	}
	return strings.Join(lines, "\n")
}

// A conn is a client that is connected, in a test that fails when something
// does not work.
type conn struct {
	*testing.T
	ctx    context.Context
	driver *driver
	who    client
	proxy  *proxy // nil: the client has the server to itself
	hello  hello
	// version is what the proxy is asked for; a bridge hides it in hello.
	version string
	answer  elicitation // to forms
	atOnce  int         // how many calls are made at the same time
	wasted  bool        // messages may have come to nothing, see mayWaste
	missed  int         // messages that may have come to nothing, see mayBeMissed
}

// decode is for results that have the expected form.
func decode[T any](c *conn, what string, raw json.RawMessage) T {
	c.Helper()
	var v T
	if err := json.Unmarshal(raw, &v); err != nil {
		c.Fatalf("%s: %v in %.200s", what, err, raw)
	}
	return v
}

// start begins an operation; what it returns waits for the end.
func (c *conn) start(op string, params any) (id int, wait func() (json.RawMessage, error)) {
	c.Helper()
	id, replies, err := c.driver.send(op, params)
	if err != nil {
		c.Fatalf("%s: %v", op, err)
	}
	return id, func() (json.RawMessage, error) {
		select {
		case r := <-replies:
			if r.Error != nil {
				return nil, r.Error
			}
			return r.Result, nil
		case <-c.ctx.Done():
			return nil, context.Cause(c.ctx)
		}
	}
}

func (c *conn) try(op string, params any) (json.RawMessage, error) {
	c.Helper()
	_, wait := c.start(op, params)
	return wait()
}

func (c *conn) do(op string, params any) json.RawMessage {
	c.Helper()
	raw, err := c.try(op, params)
	if err != nil {
		c.Fatalf("%s: %v", op, err)
	}
	return raw
}

// startCall begins a call; what it returns waits for the result's text.
func (c *conn) startCall(p callParams) (id int, wait func() string) {
	c.Helper()
	id, end := c.start("call", p)
	return id, func() string {
		c.Helper()
		raw, err := end()
		if err != nil {
			c.Fatalf("%s: %v", p.Name, err)
		}
		return decode[toolResult](c, p.Name, raw).text()
	}
}

func (c *conn) list() lists {
	c.Helper()
	return decode[lists](c, "list", c.do("list", nil))
}

func (c *conn) call(name string, arguments any) toolResult {
	c.Helper()
	raw, err := c.try("call", callParams{Name: name, Arguments: arguments})
	if err != nil {
		c.Fatalf("%s: %v", name, err)
	}
	return decode[toolResult](c, name, raw)
}

// text calls a tool that must succeed.
func (c *conn) text(name string, arguments any) string {
	c.Helper()
	r := c.call(name, arguments)
	if r.IsError {
		c.Fatalf("%s failed: %.300s", name, r.text())
	}
	return r.text()
}

// wantText calls a tool whose text must have these parts.
func (c *conn) wantText(name string, arguments any, parts ...string) {
	c.Helper()
	got := c.text(name, arguments)
	for _, part := range parts {
		if !strings.Contains(got, part) {
			c.Errorf("%s: %.300q lacks %q", name, got, part)
		}
	}
}

// wantToolError calls a tool that must fail and say why.
func (c *conn) wantToolError(name string, arguments any, reason string) {
	c.Helper()
	if r := c.call(name, arguments); !r.IsError || !strings.Contains(r.text(), reason) {
		c.Errorf("%s: error %v, %.300q; want an error with %q", name, r.IsError, r.text(), reason)
	}
}

func (c *conn) wantAll(what string, got, want []string) {
	c.Helper()
	for _, w := range want {
		if !slices.Contains(got, w) {
			c.Errorf("%s: %q lacks %q", what, got, w)
		}
	}
}

// await takes the next event of a method whose parameters have the part.
func (c *conn) await(method, part string) event {
	c.Helper()
	e, err := c.driver.take(c.ctx, matching(method, part))
	if err != nil {
		c.Fatalf("%v while waiting for %s with %q", err, method, part)
	}
	return e
}

// none expects that no event of a method is there whose parameters have the
// part.
func (c *conn) none(method, part string) {
	c.Helper()
	if left := c.driver.pending(matching(method, part)); len(left) > 0 {
		c.Errorf("%d unexpected %s, first %s", len(left), method, left[0].Params)
	}
}

func matching(method, part string) func(event) bool {
	return func(e event) bool { return e.Method == method && strings.Contains(string(e.Params), part) }
}

// progressOf takes the next progress of a call.
func (c *conn) progressOf(call int) progress {
	c.Helper()
	e := c.await("notifications/progress", fmt.Sprintf(`"call":%d,`, call))
	return decode[progress](c, "progress", e.Params)
}

// health is that of the proxy, or of none.
func (c *conn) health() health {
	c.Helper()
	if c.proxy == nil {
		return health{}
	}
	return c.proxy.health(c.ctx, c.T)
}

// wantNoneDropped expects that no message has come to nothing in the proxy.
func (c *conn) wantNoneDropped() {
	c.Helper()
	if h := c.health(); int(h.Dropped) > c.missed && !c.wasted {
		c.Errorf("shproxy dropped %d messages, and not %d at most", h.Dropped, c.missed)
	}
}

// mayBeMissed says that the server has sent up to n messages while a client of
// 2026-07-28 was away to answer it.
func (c *conn) mayBeMissed(n int) {
	if c.stateless() {
		c.missed += n
	}
}

// stateless reports whether the client itself speaks 2026-07-28, which has
// neither sessions nor ping.
func (c *conn) stateless() bool { return c.version == modernVersion && !c.who.bridges }

// mayWaste says that the server may from now on send what nobody waits for,
// such as the progress of a call that was cancelled.
func (c *conn) mayWaste() {
	c.Helper()
	c.wantNoneDropped()
	c.wasted = true
}

// idle waits until no call is in flight in the proxy, but those that were at
// some time before: subscriptions.
func (c *conn) idle(before health) {
	c.Helper()
	await(c.ctx, c.T, func() string {
		if n := c.health().Calls; n > before.Calls {
			return fmt.Sprintf("the end of %d calls in flight, %d of which may last", n, before.Calls)
		}
		return ""
	})
}

// together runs calls at the same time and returns their texts in order.
func (c *conn) together(calls []callParams) []string {
	c.Helper()
	waits := make([]func() string, len(calls))
	for i, call := range calls {
		_, waits[i] = c.startCall(call)
	}
	texts := make([]string, len(calls))
	for i, wait := range waits {
		texts[i] = wait()
	}
	return texts
}

// within bounds what should be quick, with room for a loaded machine.
func (c *conn) within(d time.Duration) (restore func()) {
	ctx, cancel := context.WithTimeout(c.ctx, d)
	whole := c.ctx
	c.ctx = ctx
	return func() { cancel(); c.ctx = whole }
}
