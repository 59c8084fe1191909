// SPDX-License-Identifier: Apache-2.0

package session

import (
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/atrawog/mcp-oauth-gateway/shproxy/era"
	"github.com/atrawog/mcp-oauth-gateway/shproxy/internal/child"
	"github.com/atrawog/mcp-oauth-gateway/shproxy/internal/testserver"
)

// Of a server that speaks legacy versions, and callers that do not.

func legacyOnly(c *Config) { c.LegacyOnly = true }

// asked are the capabilities of a client that can be asked something.
const asked = `{"elicitation":{},"roots":{}}`

func caller(principal, capabilities string) Caller {
	return Caller{Principal: principal, Profile: era.Profile{Capabilities: []byte(capabilities)}}
}

// translated sends a request of a caller.
func translated(t *testing.T, m *Manager, who Caller, id, method, more string) testCall {
	t.Helper()
	c, err := tryTranslated(t, m, who, id, method, more)
	if err != nil {
		t.Fatal(err)
	}
	return testCall{c, &testReader{t, c.Reader(true), EventID{}}}
}

func tryTranslated(t *testing.T, m *Manager, who Caller, id, method, more string) (*Call, error) {
	t.Helper()
	meta := `"io.modelcontextprotocol/protocolVersion":"2026-07-28","io.modelcontextprotocol/clientCapabilities":` + string(who.Profile.Capabilities)
	if level, ok := strings.CutPrefix(more, "log "); ok {
		meta, more = meta+`,"io.modelcontextprotocol/logLevel":"`+level+`"`, ""
	}
	if more != "" {
		more += ","
	}
	frame := fmt.Sprintf(`{"jsonrpc":"2.0","id":%s,"method":%q,"params":{%s"_meta":{%s}}}`, id, method, more, meta)
	return m.Call(who, []byte(frame), scan(t, frame), noEdit, true)
}

// legacyChild waits for the next child and answers its initialize.
func legacyChild(t *testing.T, stage *testserver.Stage, capabilities string) *testserver.Actor {
	t.Helper()
	child := stage.Next()
	child.Expect(`{"jsonrpc":"2.0","id":1,"method":"initialize","params":{"protocolVersion":"2025-11-25","capabilities":` + capabilities + `,"clientInfo":{"name":"shproxy","version":"1"}}}`)
	child.Says(`{"jsonrpc":"2.0","id":1,"result":{"protocolVersion":"2025-11-25","capabilities":{"logging":{}}}}`)
	child.Expect(initializedFrame)
	return child
}

// inputRequired waits for that and returns the requestState.
func inputRequired(t *testing.T, c testCall, question string) string {
	t.Helper()
	text := c.next()
	var answer struct {
		Result struct{ ResultType, RequestState string }
	}
	if err := json.Unmarshal([]byte(text), &answer); err != nil || answer.Result.ResultType != "input_required" || !strings.Contains(text, question) {
		t.Fatalf("%v: %s", err, text)
	}
	c.want("(<nil>)")
	c.leave()
	return answer.Result.RequestState
}

func retry(state, name, value string) string {
	return fmt.Sprintf(`"requestState":%q,"inputResponses":{%q:%s}`, state, name, value)
}

const (
	declined = `{"action":"decline"}`
	done     = `"result":{"resultType":"complete"}}`
)

func elicit(id string) string {
	return `{"jsonrpc":"2.0","id":` + id + `,"method":"elicitation/create","params":{"message":` + id + `}}`
}

// Two callers never get each other's questions: each call that may be asked
// something has a child to itself, while and as long as it waits; what cannot
// be asked shares one.
func TestQuestionsReachTheirCaller(t *testing.T) {
	t.Parallel()
	m, stage := newStage(t, legacyOnly)
	alice := caller("", asked) // nobody says who he is, so they are one principal
	first := translated(t, m, alice, "1", "tools/call", `"name":"a"`)
	one := legacyChild(t, stage, asked)
	one.Expect(`{"jsonrpc":"2.0","id":2,"method":"tools/call","params":{"name":"a","_meta":{}}}`)
	list := translated(t, m, alice, "2", "tools/list", "")
	one.Expect(`{"jsonrpc":"2.0","id":3,"method":"tools/list","params":{"_meta":{}}}`)
	second := translated(t, m, alice, "2", "tools/call", `"name":"b"`)
	two := legacyChild(t, stage, asked)
	two.Expect(`{"jsonrpc":"2.0","id":2,"method":"tools/call","params":{"name":"b","_meta":{}}}`)

	one.Says(elicit(`"one"`))
	two.Says(elicit(`"two"`))
	stateOne := inputRequired(t, first, `"one":{"method":"elicitation/create"`)
	stateTwo := inputRequired(t, second, `"two":{"method":"elicitation/create"`)
	one.Says(result("3", "x"))
	list.want(`{"jsonrpc":"2.0","id":2,"result":{"resultType":"complete","ttlMs":0,"cacheScope":"private","v":"x"}}`)

	third := translated(t, m, alice, "3", "tools/call", `"name":"c"`) // while both are parked
	legacyChild(t, stage, asked).Hears()
	third.leave()

	for _, wrong := range []struct {
		who  Caller
		more string
	}{
		{caller("bob", asked), `"name":"a",` + retry(stateOne, "one", declined)},
		{alice, `"name":"b",` + retry(stateOne, "one", declined)},
		{alice, `"name":"a",` + retry(stateOne+"x", "one", declined)},
	} {
		c, err := tryTranslated(t, m, wrong.who, "4", "tools/call", wrong.more)
		if err == nil {
			r := testReader{t, c.Reader(true), EventID{}}
			r.want(`{"jsonrpc":"2.0","id":4,"error":{"code":-32602,"message":"` + era.ErrState.Error() + `"}}`)
			r.leave()
		} else if !errors.Is(err, era.ErrState) {
			t.Errorf("%v for %+v", err, wrong)
		}
	}
	for _, call := range []struct {
		child              *testserver.Actor
		state, name, label string
	}{{two, stateTwo, "b", "two"}, {one, stateOne, "a", "one"}} {
		c := translated(t, m, alice, "5", "tools/call", fmt.Sprintf(`"name":%q,%s`, call.name, retry(call.state, call.label, declined)))
		call.child.Expect(`{"jsonrpc":"2.0","id":"` + call.label + `","result":{"action":"decline"}}`)
		call.child.Says(`{"jsonrpc":"2.0","id":2,"result":{}}`)
		c.want(`{"jsonrpc":"2.0","id":5,` + done)
		c.leave()
	}
	if n := m.Stats().Dropped; n != 0 {
		t.Errorf("%d messages were dropped", n)
	}
}

// Clients that say something else of themselves, and other principals, have
// other children, which were told what they say.
func TestProfilesHaveChildrenOfTheirOwn(t *testing.T) {
	t.Parallel()
	m, stage := newStage(t, legacyOnly)
	for _, who := range []Caller{caller("a", "{}"), caller("a", asked), caller("b", "{}")} {
		translated(t, m, who, "1", "tools/list", "")
		legacyChild(t, stage, string(who.Profile.Capabilities)).Expect(`{"jsonrpc":"2.0","id":2,"method":"tools/list","params":{"_meta":{}}}`)
	}
	translated(t, m, caller("a", "{}"), "2", "tools/list", "")
	if n := m.Stats().Started; n != 3 {
		t.Errorf("%d children", n)
	}
}

// A shared server serves all of them by one child, and can ask nobody.
func TestSharedTranslation(t *testing.T) {
	t.Parallel()
	m, stage := newStage(t, func(c *Config) { c.LegacyOnly, c.Shared = true, true })
	a := translated(t, m, caller("a", asked), "1", "tools/call", "")
	child := legacyChild(t, stage, "{}")
	child.Hears()
	b := translated(t, m, caller("b", "{}"), "1", "tools/call", "")
	child.Hears()
	child.Says(elicit("1"))
	if got := child.Hears(); !strings.Contains(got, `"id":1,"error"`) {
		t.Errorf("the child was sent %s", got)
	}
	child.Says(`{"jsonrpc":"2.0","id":3,"result":{}}`)
	child.Says(`{"jsonrpc":"2.0","id":2,"result":{}}`)
	a.want(`{"jsonrpc":"2.0","id":1,` + done)
	b.want(`{"jsonrpc":"2.0","id":1,` + done)
}

// A call that asks for log messages is alone with its child, so that no other
// call's reach it.
func TestLogsReachTheirCaller(t *testing.T) {
	t.Parallel()
	m, stage := newStage(t, legacyOnly)
	log := `{"jsonrpc":"2.0","method":"notifications/message","params":{"level":"error","data":1}}`
	quiet := translated(t, m, caller("", "{}"), "1", "tools/call", "")
	one := legacyChild(t, stage, "{}")
	one.Hears()
	loud := translated(t, m, caller("", "{}"), "2", "tools/call", "log info")
	two := legacyChild(t, stage, "{}")
	two.Expect(`{"jsonrpc":"2.0","id":3,"method":"logging/setLevel","params":{"level":"info"}}`)
	two.Hears()
	quieter := translated(t, m, caller("", "{}"), "3", "tools/call", "")
	one.Hears()
	one.Says(log)
	two.Says(log)
	loud.want(log)
	for _, end := range []struct {
		child *testserver.Actor
		key   string
		call  testCall
		id    string
	}{{two, "2", loud, "2"}, {one, "2", quiet, "1"}, {one, "3", quieter, "3"}} {
		end.child.Says(`{"jsonrpc":"2.0","id":` + end.key + `,"result":{}}`)
		end.call.want(`{"jsonrpc":"2.0","id":` + end.id + `,` + done)
	}
}

// A child that dies takes the calls with it that wait for their clients, and
// their places.
func TestCrashOfParkedCall(t *testing.T) {
	t.Parallel()
	m, stage := newStage(t, legacyOnly)
	who := caller("", asked)
	c := translated(t, m, who, "1", "tools/call", "")
	one := legacyChild(t, stage, asked)
	one.Hears()
	one.Says(elicit(`"q"`))
	state := inputRequired(t, c, `"q"`)
	if w := m.workers(m.poolOf(who))[0]; !held(w) {
		t.Error("a worker that a client will come back to counts as unused")
	}
	one.Exit(1)
	eventually(t, "the child has ended", func() bool { return m.Stats().Children == 0 })
	if _, err := tryTranslated(t, m, who, "2", "tools/call", retry(state, "q", declined)); !errors.Is(err, era.ErrState) {
		t.Errorf("retry: %v", err)
	}
	translated(t, m, who, "3", "tools/call", "")
	legacyChild(t, stage, asked).Hears()
	if n := len(m.workers(m.poolOf(who))); n != 1 {
		t.Errorf("%d workers", n)
	}
}

func held(w *Worker) bool {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.busy()
}

// A client that never comes back frees its child.
func TestInputTimeout(t *testing.T) {
	t.Parallel()
	m, stage := newStage(t, func(c *Config) { c.LegacyOnly, c.InputTimeout = true, 50*time.Millisecond })
	who := caller("", asked)
	c := translated(t, m, who, "1", "tools/call", "")
	one := legacyChild(t, stage, asked)
	one.Hears()
	one.Says(elicit(`"q"`))
	state := inputRequired(t, c, `"q"`)
	one.Expect(`{"jsonrpc":"2.0","method":"notifications/cancelled","params":{"requestId":2,"reason":"the client has not come back with an answer"}}`)
	one.Hears() // the refusal of its question
	if _, err := tryTranslated(t, m, who, "2", "tools/call", retry(state, "q", declined)); !errors.Is(err, era.ErrState) {
		t.Errorf("retry: %v", err)
	}
	translated(t, m, who, "3", "tools/call", "")
	one.Expect(`{"jsonrpc":"2.0","id":3,"method":"tools/call","params":{"_meta":{}}}`)
}

// The children of one profile are bounded. Calls share them before they are
// refused, but not those that wait for their clients.
func TestTranslatedChildrenAreBounded(t *testing.T) {
	t.Parallel()
	m, stage := newStage(t, func(c *Config) { c.LegacyOnly, c.MaxSessions = true, 2*maxTranslated })
	who := caller("", asked)
	for i := range maxTranslated {
		c := translated(t, m, who, "1", "tools/call", "")
		one := legacyChild(t, stage, asked)
		one.Hears()
		if i < maxTranslated-1 {
			one.Says(elicit(`"q"`))
			inputRequired(t, c, `"q"`)
		} else {
			translated(t, m, who, "2", "tools/call", "")
			one.Hears()
			one.Says(elicit(`"q"`)) // of one of two calls
			if got := one.Hears(); !strings.Contains(got, `"id":"q","error"`) {
				t.Errorf("the child was sent %s", got)
			}
			one.Says(`{"jsonrpc":"2.0","id":3,"result":{}}`)
			one.Says(elicit(`"r"`))
			inputRequired(t, c, `"r"`)
		}
	}
	if _, err := tryTranslated(t, m, who, "9", "tools/call", ""); !errors.Is(err, child.ErrBusy) {
		t.Errorf("one call more: %v", err)
	}
	translated(t, m, who, "9", "tools/list", "") // which asks nothing
	if n := m.Stats().Children; n != maxTranslated {
		t.Errorf("%d children", n)
	}
}

// A legacy session with a server that speaks modern versions alone survives
// its crash, and the next session asks the server no more what it cannot do.
func TestModernServerOfASessionCrashes(t *testing.T) {
	t.Parallel()
	m, stage := newStage(t, nil)
	discover := func(child *testserver.Actor, id string) {
		t.Helper()
		if got := child.Hears(); !strings.Contains(got, `"id":`+id+`,"method":"server/discover"`) {
			t.Fatalf("the child was sent %s", got)
		}
		child.Says(discovered(id))
	}
	s := start(t, m)
	c := call(t, s, initFrame)
	one := stage.Next()
	one.Hears()
	one.Says(`{"jsonrpc":"2.0","id":1,"error":{"code":-32601,"message":"initialize?"}}`)
	discover(one, "1")
	if got := c.next(); !strings.Contains(got, `"id":"init","result":{"protocolVersion":"2025-11-25"`) {
		t.Fatalf("initialize: %s", got)
	}
	one.Exit(1)
	eventually(t, "the child has ended", func() bool { return m.Stats().Children == 0 })
	call(t, s, request("2", "x"))
	two := stage.Next()
	discover(two, "1")
	if got := two.Hears(); !strings.Contains(got, `"method":"x","params":{"_meta":{"io.modelcontextprotocol/protocolVersion":"2026-07-28"`) {
		t.Errorf("the child was sent %s", got)
	}
	other := start(t, m)
	call(t, other, initFrame)
	discover(stage.Next(), "1")
}

// A client is told the version that it offered when the server knows newer
// ones alone, and the session survives a crash with that.
func TestVersionsAreAgreedOn(t *testing.T) {
	t.Parallel()
	m, stage := newStage(t, nil)
	s := start(t, m)
	c := call(t, s, strings.Replace(initFrame, "2025-11-25", "2024-11-05", 1))
	greet := func() *testserver.Actor {
		one := stage.Next()
		one.Hears()
		one.Says(`{"jsonrpc":"2.0","id":1,"result":{"protocolVersion":"2025-11-25","capabilities":{}}}`)
		return one
	}
	one := greet()
	c.want(`{"jsonrpc":"2.0","id":"init","result":{"protocolVersion":"2024-11-05","capabilities":{}}}`)
	if s.Version() != "2024-11-05" {
		t.Errorf("version %q", s.Version())
	}
	one.Exit(1)
	eventually(t, "the child has ended", func() bool { return m.Stats().Children == 0 })
	call(t, s, request("2", "x"))
	two := greet()
	two.Expect(initializedFrame)
	two.Expect(request("2", "x"))
}

// A server that is silent to what it does not know costs the first caller time,
// and no other.
func TestSilentLegacyServer(t *testing.T) {
	t.Parallel()
	m, stage := newStage(t, nil)
	speak := silent(&m.cfg)
	if is, err := m.Modern(t.Context(), nil); is || err != nil {
		t.Fatalf("silence is no word of a modern server: %v, %v", is, err)
	}
	speak()
	translated(t, m, caller("", "{}"), "1", "tools/list", "")
	legacyChild(t, stage, "{}").Hears()
	m.mu.Lock()
	defer m.mu.Unlock()
	if !m.knows.expires.IsZero() || !m.versions["2025-11-25"] {
		t.Errorf("known until %v: %v", m.knows.expires, m.versions)
	}
}
