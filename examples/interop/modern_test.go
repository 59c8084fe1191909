// SPDX-License-Identifier: Apache-2.0

//go:build unix

package interop_test

import (
	"strings"
	"testing"
)

// TestModern lets clients and servers agree on protocol version 2026-07-28,
// through shproxy. Both sides can speak the older versions, too.
func TestModern(t *testing.T) {
	requireSuite(t)
	meetAll(t, eraAuto, modernVersion, []row{
		{server{"go-sdk", goServer}, []client{goSDK, typescriptV2, python, remote}},
		{server{"fetch", fetch}, []client{goSDK, typescriptV2, python, remote}},
		{server{"time", timeServer}, []client{typescriptV2, python}},
		{server{"git", git}, []client{goSDK, typescriptV2, python}},
	})
}

// goServer is the go-sdk's own server for the conformance suite.
func goServer(t *testing.T) stage {
	program, err := buildGoServer()
	if err != nil {
		t.Fatal(err)
	}
	return stage{
		command: []string{program},
		roots:   []root{{"file:///interop/one", "the first root"}, {"file:///interop/two", "the second root"}},
		play: func(c *conn) {
			found := c.list()
			c.wantAll("tools", found.Tools, []string{"test_simple_text", "test_x_mcp_header"})
			c.wantAll("resources", found.Resources, []string{"test://static-text", watched})
			c.wantAll("prompts", found.Prompts, []string{"test_simple_prompt"})
			c.wantText("test_simple_text", map[string]any{}, "simple text")
			if !c.who.bridges { // it does not repeat arguments in headers
				c.wantText("test_x_mcp_header", map[string]any{"region": "Südtirol 😀"}, "region=Südtirol 😀")
			}
			c.wantToolError("test_error_handling", map[string]any{}, "intentionally")
			inputRequired(c)
			progressOfEach(c)
			logOfRequest(c)
			c.do("subscribe", uriParams{watched})
			c.await("notifications/resources/updated", watched) // every three seconds
			c.mayWaste()                                        // the server answers the subscription when it has ended
			c.do("unsubscribe", uriParams{watched})
		},
	}
}

const watched = "test://watched-resource"

// inputRequired has the server ask by results that the client answers with
// another call.
func inputRequired(c *conn) {
	const prefix = "test_input_required_result_"
	c.wantText(prefix+"elicitation", map[string]any{}, "Hello, Ada Lovelace!")
	c.await("elicitation/create", "What is your name?")
	c.wantText(prefix+"sampling", map[string]any{}, sampled.Content.Text)
	c.await("sampling/createMessage", "capital of France")
	c.wantText(prefix+"list_roots", map[string]any{}, "2 root(s)", "file:///interop/two")
	c.wantText(prefix+"multiple_inputs", map[string]any{}, sampled.Content.Text+" Ada Lovelace", "2 root(s)")
}

// progressOfEach makes calls at the same time that report progress.
func progressOfEach(c *conn) {
	const calls = 8
	var (
		ids   [calls]int
		waits [calls]func() string
	)
	for i := range calls {
		ids[i], waits[i] = c.startCall(callParams{Name: "test_tool_with_progress", Arguments: map[string]any{}, Progress: true})
	}
	for i := range calls {
		waits[i]()
		for _, want := range []float64{0, 50, 100} {
			if got := c.progressOf(ids[i]); got.Progress != want || got.Total != 100 {
				c.Errorf("call %d: progress %v of %v, want %v of 100", i, got.Progress, got.Total, want)
			}
		}
	}
	c.none("notifications/progress", "")
}

// logOfRequest asks for the log of one request, and for that of none.
func logOfRequest(c *conn) {
	log := callParams{Name: "test_tool_with_logging", Arguments: map[string]any{}}
	if c.who.bridges { // whose client knows sessions and their level
		c.do("level", levelParams{"info"})
	} else {
		c.do("call", log)
		c.none("notifications/message", "")
		log.Meta = map[string]any{"io.modelcontextprotocol/logLevel": "info"}
	}
	c.do("call", log)
	for _, text := range []string{"Tool execution started", "Tool processing data", "Tool execution completed"} {
		if e := c.await("notifications/message", ""); !strings.Contains(string(e.Params), text) {
			c.Errorf("log: %s, want %q", e.Params, text)
		}
	}
}
