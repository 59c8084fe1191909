// SPDX-License-Identifier: Apache-2.0

//go:build unix

package interop_test

import (
	"slices"
	"strings"
	"testing"
	"time"
)

// The servers here have what the MCP conformance suite asks of a server, so
// they share a story.

// goServer is the go-sdk's own server for the conformance suite.
func goServer(t *testing.T) stage {
	return suite(buildProgram(t, buildGoServer), func(c *conn) {
		if !c.who.bridges { // it does not repeat arguments in headers
			c.wantText("test_x_mcp_header", map[string]any{"region": "Südtirol 😀"}, "region=Südtirol 😀")
		}
		c.do("subscribe", uriParams{watched})
		c.await("notifications/resources/updated", watched) // every three seconds
		c.mayWaste()                                        // the server answers the subscription when it has ended
		c.do("unsubscribe", uriParams{watched})
	})
}

// typescriptServer is one on the TypeScript SDK that speaks 2026-07-28 alone.
func typescriptServer(*testing.T) stage {
	return suite([]string{"node", inTestdata("server-v2.mjs")}, func(c *conn) {
		changes(c, map[string]string{"test_trigger_tool_change": "tools"})
		touches(c)
	})
}

// oneEra is ours of examples/oneera, which speaks one era and is strict.
func oneEra(era era) func(*testing.T) stage {
	return func(t *testing.T) stage {
		return suite(append(buildProgram(t, buildOneEra), "-era", string(era)), func(c *conn) {
			want := legacyVersion
			if era == eraModern {
				want = modernVersion
			}
			c.wantText("whoami", map[string]any{}, `"protocolVersion":"`+want+`"`, `"elicitation":{`, `"sampling":{`, `"roots":{`)
			c.wantText("test_x_mcp_header", map[string]any{"region": "Südtirol 😀"}, "region=Südtirol 😀")
			moreQuestions(c)
			changes(c, map[string]string{
				"test_trigger_tool_change": "tools", "test_trigger_prompt_change": "prompts", "add_resource": "resources",
			})
			touches(c)
			givenUp(c)
		})
	}
}

// suite is a server with a story that ends with what only it has.
func suite(command []string, more func(*conn)) stage {
	return stage{
		command: command,
		roots:   []root{{"file:///interop/one", "the first root"}, {"file:///interop/two", "the second root"}},
		play: func(c *conn) {
			found := c.list()
			c.wantAll("tools", found.Tools, []string{"test_simple_text", "test_tool_with_progress"})
			c.wantAll("resources", found.Resources, []string{"test://static-text", watched})
			c.wantAll("prompts", found.Prompts, []string{"test_simple_prompt"})
			c.wantText("test_simple_text", map[string]any{}, "simple text")
			c.wantToolError("test_error_handling", map[string]any{}, "")
			if read := c.do("read", uriParams{"test://static-text"}); !strings.Contains(string(read), "static text resource") {
				c.Errorf("resource %s", read)
			}
			if raw, err := c.try("read", uriParams{"test://nowhere"}); err == nil {
				c.Errorf("a resource that does not exist: %s", raw)
			}
			if prompt := c.do("prompt", promptParams{Name: "test_simple_prompt"}); !strings.Contains(string(prompt), "simple prompt") {
				c.Errorf("prompt %s", prompt)
			}
			inputRequired(c)
			progressOfEach(c)
			logOfRequest(c)
			more(c)
		},
	}
}

const watched = "test://watched-resource"

// inputRequired has the server ask, all kinds of questions and several at
// once: by results, after which the call is made again with the answers, or
// in mid-call.
func inputRequired(c *conn) {
	const prefix = "test_input_required_result_"
	c.wantText(prefix+"elicitation", map[string]any{}, "Hello, Ada Lovelace!")
	c.await("elicitation/create", "What is your name?")
	c.wantText(prefix+"sampling", map[string]any{}, sampled.Content.Text)
	c.await("sampling/createMessage", "capital of France")
	c.wantText(prefix+"list_roots", map[string]any{}, "2 root", "file:///interop/two")
	c.wantText(prefix+"multiple_inputs", map[string]any{}, sampled.Content.Text+" Ada Lovelace", "2 root")
	c.await("elicitation/create", "")
	c.await("sampling/createMessage", "greeting")
}

// moreQuestions has the server ask in turn, while a resource is read, and for
// pages to be opened.
func moreQuestions(c *conn) {
	c.wantText("test_input_required_result_multi_round", map[string]any{}, "Ada Lovelace likes green")
	c.await("elicitation/create", "Step 1")
	c.await("elicitation/create", "Step 2")
	read := c.do("read", uriParams{"test://who-asks"})
	c.await("elicitation/create", "What is the password?")
	if !strings.Contains(string(read), "The password is swordfish") {
		c.Errorf("resource %s", read)
	}
	c.wantText("open_page", map[string]any{}, "action=accept")
	c.await("elicitation/create", "http://127.0.0.1/page")
}

// progressOfEach makes calls at the same time that report progress.
func progressOfEach(c *conn) {
	ids, waits := make([]int, c.atOnce), make([]func() string, c.atOnce)
	for i := range ids {
		ids[i], waits[i] = c.startCall(callParams{Name: "test_tool_with_progress", Arguments: map[string]any{}, Progress: true})
	}
	for i := range ids {
		waits[i]()
		for _, want := range []float64{0, 50, 100} {
			if got := c.progressOf(ids[i]); got.Progress != want || got.Total != 100 {
				c.Errorf("call %d: progress %v of %v, want %v of 100", i, got.Progress, got.Total, want)
			}
		}
	}
	c.none("notifications/progress", "")
}

// logOfRequest asks for the log of one request, and for that of none. A client
// with a session asks for that of all that follow.
func logOfRequest(c *conn) {
	log := callParams{Name: "test_tool_with_logging", Arguments: map[string]any{}}
	if c.version == modernVersion {
		c.do("call", log)
		c.none("notifications/message", "")
	}
	if c.stateless() {
		log.Meta = map[string]any{metaLogLevel: "info"}
	} else {
		c.do("level", levelParams{"info"})
	}
	c.do("call", log)
	for _, text := range []string{"Tool execution started", "Tool processing data", "Tool execution completed"} {
		if e := c.await("notifications/message", ""); !strings.Contains(string(e.Params), text) {
			c.Errorf("log: %s, want %q", e.Params, text)
		}
	}
}

// changes calls tools that change lists, and expects that the client is told.
func changes(c *conn, lists map[string]string) {
	c.do("watch", nil)
	for tool, list := range lists {
		c.wantText(tool, map[string]any{}, "added")
		c.await("notifications/"+list+"/list_changed", "")
	}
	if tools := c.list().Tools; !slices.ContainsFunc(tools, func(name string) bool { return strings.HasPrefix(name, "added") }) {
		c.Errorf("tools: %q has none that was added", tools)
	}
}

// touches changes a resource that the client subscribes to, and another.
func touches(c *conn) {
	touch := func(uri string) { c.wantText("touch_resource", map[string]any{"uri": uri}, uri) }
	c.do("subscribe", uriParams{watched})
	touch(watched)
	c.await("notifications/resources/updated", watched)
	touch("test://static-text")
	touch(watched)
	c.await("notifications/resources/updated", watched)
	c.do("unsubscribe", uriParams{watched})
	c.none("notifications/resources/updated", "")
}

// givenUp cancels a call, which the server must learn.
func givenUp(c *conn) {
	before := c.health()
	id, wait := c.start("call", callParams{Name: "slow", Arguments: map[string]any{"milliseconds": 60_000}, Progress: true})
	c.progressOf(id)
	defer c.within(45 * time.Second)()
	c.mayWaste()
	c.do("cancel", cancelParams{id})
	if raw, err := wait(); err == nil {
		c.Errorf("the cancelled call gave %.200s", raw)
	}
	c.idle(before)
	await(c.ctx, c.T, func() string {
		if got := c.text("cancelled", map[string]any{}); got == "0" {
			return "the server to learn of the cancellation"
		}
		return ""
	})
}
