// SPDX-License-Identifier: Apache-2.0

//go:build unix

package interop_test

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"
)

// What every client answers when a server asks.
var (
	sampled = sampling{
		Model: "interop-model", Role: "assistant",
		Content: textContent{Type: "text", Text: "a sample of the client"},
	}
	elicited = elicitation{Action: "accept", Content: map[string]any{"name": "Ada Lovelace", "check": true, "integer": 7, "color": "green", "password": "swordfish"}}
)

// everything is @modelcontextprotocol/server-everything, in full depth.
func everything(*testing.T) stage {
	return stage{
		command: []string{npmCommand("mcp-server-everything")},
		roots:   []root{{"file:///interop/one", "the first root"}, {"file:///interop/two", "the second root"}},
		play: func(c *conn) {
			if c.hello.Server.Name != "mcp-servers/everything" {
				c.Errorf("server %q", c.hello.Server.Name)
			}
			everythingLists(c)
			everythingResults(c)
			serverAsks(c)
			if c.stateless() {
				pagesToOpen(c)
				serverTellsWhoAsks(c)
			} else {
				serverTells(c)
			}
			progressInOrder(c)
			bigMessages(c)
			cancellation(c)
		},
	}
}

func everythingLists(c *conn) {
	found := c.list()
	c.wantAll("tools", found.Tools, []string{
		"echo", "get-sum", "get-structured-content", "get-tiny-image", "trigger-long-running-operation",
		// Only for clients that can be asked:
		"trigger-sampling-request", "trigger-elicitation-request", "get-roots-list",
	})
	c.wantAll("templates", found.Templates, []string{"demo://resource/dynamic/text/{resourceId}"})
	c.wantAll("prompts", found.Prompts, []string{"simple-prompt", "args-prompt"})
	if len(found.Resources) == 0 {
		c.Error("no resources")
	}
}

func everythingResults(c *conn) {
	c.wantText("get-sum", map[string]any{"a": 2, "b": 40}, "42")
	odd := "ünïcödé 😀 \u2028 \" \\ \u0001 </script>"
	if got := c.text("echo", map[string]any{"message": odd}); got != "Echo: "+odd {
		c.Errorf("echo: %q", got)
	}
	weather := c.call("get-structured-content", map[string]any{"location": "Chicago"})
	if !strings.Contains(string(weather.StructuredContent), `"temperature"`) {
		c.Errorf("structured content %s", weather.StructuredContent)
	}
	image := c.call("get-tiny-image", map[string]any{})
	if !slices.ContainsFunc(image.Content, func(b block) bool { return b.Type == "image" && b.MimeType == "image/png" && len(b.Data) > 1000 }) {
		c.Errorf("no image in %v", image.Content)
	}
	if raw, err := c.try("call", callParams{Name: "no-such-tool"}); err == nil && !strings.Contains(string(raw), "no-such-tool") {
		c.Errorf("an unknown tool gave %s", raw)
	}
	prompt := c.do("prompt", promptParams{Name: "args-prompt", Arguments: map[string]string{"city": "Wien"}})
	if !strings.Contains(string(prompt), "weather in Wien") {
		c.Errorf("prompt %s", prompt)
	}
	read := c.do("read", uriParams{"demo://resource/dynamic/text/7"})
	if !strings.Contains(string(read), "Resource 7") {
		c.Errorf("resource %s", read)
	}
	complete := c.do("complete", completeParams{completeRef{"ref/prompt", "completable-prompt"}, completeArgument{"department", "E"}})
	if !strings.Contains(string(complete), "Engineering") {
		c.Errorf("completion %s", complete)
	}
	if !c.stateless() {
		c.do("ping", nil)
	}
}

// serverAsks has the server send requests to the client, and use its answers.
func serverAsks(c *conn) {
	c.wantText("trigger-sampling-request", map[string]any{"prompt": "a poem about pipes", "maxTokens": 17},
		sampled.Model, sampled.Content.Text)
	if asked := c.await("sampling/createMessage", ""); !strings.Contains(string(asked.Params), "a poem about pipes") {
		c.Errorf("asked for a sample by %s", asked.Params)
	}
	c.wantText("trigger-elicitation-request", map[string]any{}, "Name: Ada Lovelace", "Favorite Integer: 7")
	if asked := c.await("elicitation/create", ""); !strings.Contains(string(asked.Params), "requestedSchema") {
		c.Errorf("asked for input by %s", asked.Params)
	}
	c.wantText("get-roots-list", map[string]any{}, "2 total", "file:///interop/one", "the second root")
}

// pagesToOpen has the server ask the user to open pages: in mid-call, and by
// an error after which the call is made again, which legacy clients do as they
// like.
func pagesToOpen(c *conn) {
	const tool, done = "trigger-url-elicitation", "completed the URL elicitation"
	page := map[string]any{"url": "http://127.0.0.1/page", "message": "Please open this"}
	c.wantText(tool, page, done)
	c.await("elicitation/create", "http://127.0.0.1/page")
	page["errorPath"] = true
	c.wantText(tool, page, done)
	c.await("elicitation/create", "satisfy the prerequisite")
	c.await("elicitation/create", "http://127.0.0.1/page")
}

// serverTells has the server send notifications of its own accord.
func serverTells(c *conn) {
	const uri = "demo://resource/dynamic/text/1"
	c.await("notifications/tools/list_changed", "") // since it knows the client
	c.do("level", levelParams{"info"})
	c.do("subscribe", uriParams{uri})
	c.await("notifications/message", "Received Subscribe Resource request for URI: "+uri)
	c.wantText("toggle-subscriber-updates", map[string]any{}, "Started")
	c.await("notifications/resources/updated", uri)
	c.wantText("toggle-subscriber-updates", map[string]any{}, "Stopped")
	c.do("unsubscribe", uriParams{uri})
	c.await("notifications/message", "Received Unsubscribe Resource request: "+uri)
	c.do("level", levelParams{"error"})
	c.do("subscribe", uriParams{uri})
	c.do("ping", nil)
	c.none("notifications/message", "Received Subscribe") // is below the level now
}

// serverTellsWhoAsks has the server send notifications to a client that asked
// for them: with a request for those of its log, else on a stream.
func serverTellsWhoAsks(c *conn) {
	const (
		uri  = "demo://resource/dynamic/text/1"
		file = "demo://resource/session/greeting.gz"
	)
	logging := callParams{Name: "toggle-simulated-logging", Arguments: map[string]any{}, Meta: map[string]any{metaLogLevel: "debug"}}
	c.do("call", logging)
	c.await("notifications/message", "evel")
	logging.Meta = nil
	c.do("call", logging)
	c.none("notifications/message", "")
	c.do("watch", nil)
	c.wantText("gzip-file-as-resource", map[string]any{"name": "greeting.gz", "data": "data:text/plain,hello"}, "")
	c.await("notifications/resources/list_changed", "")
	c.wantAll("resources", c.list().Resources, []string{file})
	if read := c.do("read", uriParams{file}); !strings.Contains(string(read), `"blob"`) {
		c.Errorf("resource %s", read)
	}
	c.do("subscribe", uriParams{uri})
	c.wantText("toggle-subscriber-updates", map[string]any{}, "Started")
	c.await("notifications/resources/updated", uri)
	c.wantText("toggle-subscriber-updates", map[string]any{}, "Stopped")
	c.do("unsubscribe", uriParams{uri})
}

const metaLogLevel = "io.modelcontextprotocol/logLevel"

// progressInOrder makes several calls at the same time that report progress.
func progressInOrder(c *conn) {
	ids, waits := make([]int, c.atOnce), make([]func() string, c.atOnce)
	steps := func(i int) int { return 3 + i }
	for i := range ids {
		ids[i], waits[i] = c.startCall(callParams{
			Name:      "trigger-long-running-operation",
			Arguments: map[string]any{"duration": 0.4, "steps": steps(i)},
			Progress:  true,
		})
	}
	for i := range ids {
		got, want := waits[i](), fmt.Sprintf("Steps: %d.", steps(i))
		if !strings.HasSuffix(got, want) {
			c.Errorf("call %d: %q, want %q in the end", i, got, want)
		}
		if c.stateless() {
			progressRises(c, ids[i], steps(i))
			continue
		}
		total := steps(i)
		if c.losesLast() {
			total--
		}
		for step := 1; step <= total; step++ {
			if p := c.progressOf(ids[i]); p.Progress != float64(step) || p.Total != float64(steps(i)) {
				c.Fatalf("call %d: progress %v of %v, want %d of %d", i, p.Progress, p.Total, step, steps(i))
			}
		}
	}
	if !c.losesLast() && !c.stateless() {
		c.none("notifications/progress", "")
	}
}

// progressRises is for calls that a server interrupts to ask for roots, which
// this one does soon after each of its processes has started. As long as the
// client has not come back with them, progress has nobody to go to.
func progressRises(c *conn, id, steps int) {
	c.Helper()
	seen, last := 0, 0.0
	for _, e := range c.driver.pending(matching("notifications/progress", fmt.Sprintf(`"call":%d,`, id))) {
		p := decode[progress](c, "progress", e.Params)
		switch {
		case p.Total == 0: // the TypeScript SDK's client counts the rounds as well
		case p.Progress <= last || p.Total != float64(steps):
			c.Errorf("progress %v of %v after %v of %v", p.Progress, p.Total, last, steps)
		default:
			last = p.Progress
			seen++
		}
	}
	if seen == 0 {
		c.Error("no progress")
	}
	c.mayBeMissed(steps - seen)
}

func bigMessages(c *conn) {
	big := strings.Repeat("0123456789abcdef", 1<<16)
	if got := c.text("echo", map[string]any{"message": big}); got != "Echo: "+big {
		c.Errorf("an echo of 1 MiB came back as %d bytes, %.40q", len(got), got)
	}
}

// cancellation gives up a call that goes on for long.
func cancellation(c *conn) {
	before := c.health()
	id, wait := c.start("call", callParams{
		Name:      "trigger-long-running-operation",
		Arguments: map[string]any{"duration": 300, "steps": 3000},
		Progress:  true,
	})
	c.progressOf(id)
	c.progressOf(id)
	defer c.within(time.Minute)()
	c.mayWaste()
	c.do("cancel", cancelParams{id})
	if raw, err := wait(); err == nil {
		c.Errorf("the cancelled call gave %.200s", raw)
	}
	c.idle(before) // since shproxy has forgotten it as well
	c.wantText("echo", map[string]any{"message": "still here"}, "still here")
}

// losesLast says whether the client may miss the last progress of a call.
func (c *conn) losesLast() bool { return c.proxy == nil && c.who.losesLast }
