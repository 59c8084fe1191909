// SPDX-License-Identifier: Apache-2.0

package shclient_test

import (
	"context"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/atrawog/mcp-oauth-gateway/shclient"
)

const (
	modernMeta = `"_meta":{"io.modelcontextprotocol/protocolVersion":"2026-07-28"}`
	listLine   = `{"jsonrpc":"2.0","id":1,"method":"tools/list","params":{` + modernMeta + `}}`

	regionTool = `{"name":"sql","inputSchema":{"type":"object","properties":{"region":{"type":"string","x-mcp-header":"Region"}}}}`
	zoneTool   = `{"name":"sql","inputSchema":{"type":"object","properties":{"region":{"type":"string","x-mcp-header":"Zone"}}}}`
	plainTool  = `{"name":"sql","inputSchema":{"type":"object","properties":{"region":{"type":"string"}}}}`
	badTool    = `{"name":"bad","inputSchema":{"type":"object","properties":{"n":{"type":"number","x-mcp-header":"N"}}}}`

	sqlLine     = `{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":"sql","arguments":{"region":"Zürich"},` + modernMeta + `}}`
	sqlRegion   = "=?base64?WsO8cmljaA==?="
	mismatchErr = `{"jsonrpc":"2.0","id":1,"error":{"code":-32020,"message":"Header mismatch"}}`
)

// listing answers tools/list with one page of tools.
func listing(tools ...string) func(http.ResponseWriter, *http.Request, string) {
	return func(w http.ResponseWriter, _ *http.Request, body string) {
		writeJSON(w, 200, listAnswer(body, "", tools...))
	}
}

// listAnswer answers the tools/list in body.
func listAnswer(body, next string, tools ...string) string {
	if next != "" {
		next = `,"nextCursor":"` + next + `"`
	}
	return fmt.Sprintf(`{"jsonrpc":"2.0","id":%s,"result":{"tools":[%s]%s}}`, idOf(body), strings.Join(tools, ","), next)
}

func idOf(body string) string {
	_, rest, _ := strings.Cut(body, `"id":`)
	id, _, _ := strings.Cut(rest, ",")
	return id
}

func answerCall(w http.ResponseWriter, _ *http.Request, _ string) { writeJSON(w, 200, callReply) }

// byOwnList chooses the lists that the bridge asked for itself.
var byOwnList = byBody("shclient-tools-")

// The arguments that the list of the program names are repeated in headers, and
// the bridge does not ask for what the program has asked for.
func TestBridgeMirrorsArguments(t *testing.T) {
	f := &fake{tools: listing(regionTool), post: answerCall}
	p := startBridge(t, shclient.Options{URL: serve(t, f)}, nil)
	p.send(listLine)
	p.want(listAnswer(listLine, "", regionTool))
	p.send(sqlLine)
	p.want(callReply)
	r := f.await(t, byBody("tools/call"))
	if got := r.header.Get("Mcp-Param-Region"); got != sqlRegion {
		t.Errorf("Mcp-Param-Region %q, want %q", got, sqlRegion)
	}
	if got := r.header.Get("Mcp-Name"); got != "sql" {
		t.Errorf("Mcp-Name %q", got)
	}
	if got := f.requests(byOwnList); len(got) > 0 {
		t.Errorf("the bridge asked: %s", got[0].body)
	}
	if err := p.wait(); err != nil {
		t.Error(err)
	}
}

// Of a tool that was not listed the bridge learns before the first call, once,
// and all pages.
func TestBridgeListsToolsItself(t *testing.T) {
	f := &fake{post: answerCall, tools: func(w http.ResponseWriter, _ *http.Request, body string) {
		if strings.Contains(body, `"cursor":"p\"2"`) {
			// What else is on the stream is not for the program.
			writeEvents(w, "data: {\"jsonrpc\":\"2.0\",\"method\":\"notifications/message\"}\n\ndata: "+listAnswer(body, "", regionTool)+"\n\n")
			return
		}
		writeJSON(w, 200, listAnswer(body, `p\"2`, badTool))
	}}
	p := startBridge(t, shclient.Options{URL: serve(t, f)}, nil)
	const call = `{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":"sql","arguments":{"region":"x"},"_meta":{"progressToken":5, "io.modelcontextprotocol/protocolVersion":"2026-07-28","io.modelcontextprotocol/logLevel":"debug","io.modelcontextprotocol/clientInfo":{"name":"é"},"traceparent":"00"}}}`
	for range 2 {
		p.send(call)
		p.want(callReply)
	}
	for _, r := range f.requests(byBody("tools/call")) {
		if got := r.header.Get("Mcp-Param-Region"); got != "x" {
			t.Errorf("Mcp-Param-Region %q", got)
		}
	}
	const meta = `"_meta":{"io.modelcontextprotocol/protocolVersion":"2026-07-28","io.modelcontextprotocol/clientInfo":{"name":"é"},"traceparent":"00"}}}`
	want := []string{
		`{"jsonrpc":"2.0","id":"shclient-tools-0","method":"tools/list","params":{` + meta,
		`{"jsonrpc":"2.0","id":"shclient-tools-1","method":"tools/list","params":{"cursor":"p\"2",` + meta,
	}
	lists := f.requests(byOwnList)
	for i, r := range lists {
		if i >= len(want) || r.body != want[i] {
			t.Errorf("list %d: %s", i, r.body)
		}
		if r.header.Get("Mcp-Method") != "tools/list" || r.header.Get("Mcp-Protocol-Version") != "2026-07-28" {
			t.Errorf("list %d: header %v", i, r.header)
		}
	}
	if len(lists) != len(want) {
		t.Errorf("%d lists, want %d", len(lists), len(want))
	}
	if err := p.wait(); err != nil {
		t.Error(err)
	}
}

// A program that has read part of the list may call what it has not seen.
func TestBridgeListsToolsUnlessTheProgramHasSeenAll(t *testing.T) {
	pages := func(w http.ResponseWriter, _ *http.Request, body string) {
		if strings.Contains(body, "cursor") {
			writeJSON(w, 200, listAnswer(body, "", regionTool))
			return
		}
		writeJSON(w, 200, listAnswer(body, "2", badTool))
	}
	secondPage := strings.Replace(listLine, "{"+modernMeta, `{"cursor":"2",`+modernMeta, 1)
	for name, tt := range map[string]struct {
		lines []string
		own   int
	}{
		"first page":  {[]string{listLine}, 2},
		"all pages":   {[]string{listLine, secondPage}, 0},
		"second only": {[]string{secondPage}, 2},
		"and again":   {[]string{listLine, secondPage, listLine}, 0},
	} {
		t.Run(name, func(t *testing.T) {
			f := &fake{tools: pages, post: answerCall}
			p := startBridge(t, shclient.Options{URL: serve(t, f)}, nil)
			for _, line := range tt.lines {
				p.send(line)
				p.next()
			}
			p.send(sqlLine)
			p.want(callReply)
			if got := f.await(t, byBody("tools/call")).header.Get("Mcp-Param-Region"); got != sqlRegion {
				t.Errorf("Mcp-Param-Region %q", got)
			}
			if got := len(f.requests(byOwnList)); got != tt.own {
				t.Errorf("the bridge asked %d times, want %d", got, tt.own)
			}
		})
	}
}

// Many first calls wait for one list.
func TestBridgeListsToolsOnce(t *testing.T) {
	const calls = 20
	release := make(chan struct{})
	f := &fake{
		tools: func(w http.ResponseWriter, _ *http.Request, body string) {
			<-release
			writeJSON(w, 200, listAnswer(body, "", regionTool))
		},
		post: func(w http.ResponseWriter, _ *http.Request, body string) {
			writeJSON(w, 200, `{"jsonrpc":"2.0","id":`+idOf(body)+`,"result":{}}`)
		},
	}
	p := startBridge(t, shclient.Options{URL: serve(t, f)}, nil)
	go func() {
		f.await(t, byOwnList)
		close(release)
	}()
	for id := range calls {
		p.send(strings.Replace(sqlLine, `"id":1`, fmt.Sprintf(`"id":%d`, id), 1))
	}
	for range calls {
		p.next()
	}
	for _, r := range f.requests(byBody("tools/call")) {
		if r.header.Get("Mcp-Param-Region") != sqlRegion {
			t.Errorf("%s: no Mcp-Param-Region", r.body)
		}
	}
	if n := len(f.requests(byOwnList)); n != 1 {
		t.Errorf("%d lists", n)
	}
}

// changing is a server whose tool is annotated in another way since it was
// listed: a call is refused until its headers are those of now.
func changing(before, now, header string) *fake {
	var changed atomic.Bool
	return &fake{
		tools: func(w http.ResponseWriter, _ *http.Request, body string) {
			tool := before
			if changed.Load() {
				tool = now
			}
			writeJSON(w, 200, listAnswer(body, "", tool))
		},
		post: func(w http.ResponseWriter, r *http.Request, body string) {
			changed.Store(true)
			if header != "" && r.Header.Get(header) == "" {
				writeJSON(w, 400, strings.Replace(mismatchErr, `"id":1`, `"id":`+idOf(body), 1))
				return
			}
			writeJSON(w, 200, strings.Replace(callReply, `"id":1`, `"id":`+idOf(body), 1))
		},
	}
}

func TestBridgeListsToolsAgainAfterAMismatch(t *testing.T) {
	tests := []struct {
		name         string
		f            *fake
		want         string
		calls, lists int
	}{
		{"header added", changing(plainTool, regionTool, "Mcp-Param-Region"), callReply, 2, 2},
		{"header renamed", changing(regionTool, zoneTool, "Mcp-Param-Zone"), callReply, 2, 2},
		{"list did not change", changing(plainTool, plainTool, "Mcp-Param-Zone"), mismatchErr, 1, 2},
		{"list changed, but not so that it helps", changing(plainTool, regionTool, "Mcp-Param-Zone"), mismatchErr, 2, 2},
		{"tool vanished", changing(regionTool, badTool, "Mcp-Param-Zone"), mismatchErr, 2, 2},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			p := startBridge(t, shclient.Options{URL: serve(t, tt.f)}, nil)
			p.send(sqlLine)
			p.want(tt.want)
			if n := len(tt.f.requests(byBody("tools/call"))); n != tt.calls {
				t.Errorf("called %d times, want %d", n, tt.calls)
			}
			if n := len(tt.f.requests(byOwnList)); n != tt.lists {
				t.Errorf("listed %d times, want %d", n, tt.lists)
			}
			if err := p.wait(); err != nil {
				t.Error(err)
			}
		})
	}
}

// Many calls that are refused make the bridge read the list once.
func TestBridgeListsToolsAgainOnce(t *testing.T) {
	const calls = 20
	f := changing(plainTool, regionTool, "Mcp-Param-Region")
	answer := f.post
	var waiting sync.WaitGroup
	waiting.Add(calls)
	f.post = func(w http.ResponseWriter, r *http.Request, body string) {
		if r.Header.Get("Mcp-Param-Region") == "" {
			waiting.Done()
			waiting.Wait() // all are on their way before one is refused
		}
		answer(w, r, body)
	}
	p := startBridge(t, shclient.Options{URL: serve(t, f)}, nil)
	for id := range calls {
		p.send(strings.Replace(sqlLine, `"id":1`, fmt.Sprintf(`"id":%d`, id), 1))
	}
	for range calls {
		if got := p.next(); strings.Contains(got, "error") {
			t.Error(got)
		}
	}
	if n := len(f.requests(byOwnList)); n != 2 {
		t.Errorf("%d lists, want 2", n)
	}
}

// When the server says that its tools changed, what was known is forgotten.
func TestBridgeForgetsToolsThatChanged(t *testing.T) {
	const changed = `{"jsonrpc":"2.0","method":"notifications/tools/list_changed"}`
	change := make(chan struct{})
	f := changing(regionTool, zoneTool, "")
	answer := f.post
	f.post = func(w http.ResponseWriter, r *http.Request, body string) {
		if !strings.Contains(body, "subscriptions/listen") {
			answer(w, r, body)
			return
		}
		writeEvents(w, ": open\n\n")
		<-change
		writeEvents(w, "data: "+changed+"\n\n")
		<-r.Context().Done()
	}
	p := startBridge(t, shclient.Options{URL: serve(t, f)}, nil)
	p.send(`{"jsonrpc":"2.0","id":"l","method":"subscriptions/listen","params":{` + modernMeta + `}}`)
	p.send(sqlLine)
	p.want(callReply)
	close(change)
	p.want(changed)
	p.send(sqlLine)
	p.want(callReply)
	calls := f.requests(byBody("tools/call"))
	if calls[0].header.Get("Mcp-Param-Region") == "" || calls[1].header.Get("Mcp-Param-Zone") == "" || calls[1].header.Get("Mcp-Param-Region") != "" {
		t.Errorf("headers %v, then %v", calls[0].header, calls[1].header)
	}
}

// Tools that break the rules of the annotation are kept from the program, of
// the modern era.
func TestBridgeLeavesOutInvalidTools(t *testing.T) {
	odd := `{"name" : "odd","n":1.0, "inputSchema":{"type":"object"}}`
	f := &fake{tools: listing(badTool, odd, regionTool, strings.Replace(badTool, `"bad"`, `"worse\u001b[2J"`, 1)), post: answerCall}
	var log syncBuffer
	p := startBridge(t, shclient.Options{URL: serve(t, f), Logger: slog.New(slog.NewTextHandler(&log, nil))}, nil)
	p.send(listLine)
	p.want(listAnswer(listLine, "", odd, regionTool))
	for _, want := range []string{"level=WARN", "tool=bad", `n\": x-mcp-header needs the type string, integer or boolean`, "tool=worse"} {
		if !strings.Contains(log.String(), want) {
			t.Errorf("the log lacks %s:\n%s", want, log.String())
		}
	}
	p.initialize()
	legacy := strings.Replace(listLine, modernMeta, "", 1)
	p.send(legacy)
	if got := p.next(); !strings.Contains(got, badTool) {
		t.Errorf("a legacy program got %s", got)
	}
	if err := p.wait(); err != nil {
		t.Error(err)
	}
}

// A server that does not list its tools is called all the same, and not asked
// again.
func TestBridgeCallsAServerThatListsNoTools(t *testing.T) {
	for name, answer := range map[string]func(w http.ResponseWriter, _ *http.Request, body string){
		"method not found": func(w http.ResponseWriter, _ *http.Request, body string) {
			writeJSON(w, 404, `{"jsonrpc":"2.0","id":`+idOf(body)+`,"error":{"code":-32601,"message":"no"}}`)
		},
		"error with status 200": func(w http.ResponseWriter, _ *http.Request, body string) {
			writeJSON(w, 200, `{"jsonrpc":"2.0","id":`+idOf(body)+`,"error":{"code":-32603,"message":"no"}}`)
		},
		"status 500": func(w http.ResponseWriter, _ *http.Request, _ string) { http.Error(w, "no", 500) },
		"no list": func(w http.ResponseWriter, _ *http.Request, body string) {
			writeJSON(w, 200, `{"jsonrpc":"2.0","id":`+idOf(body)+`,"result":{"tools":7}}`)
		},
		"cut off": func(http.ResponseWriter, *http.Request, string) { panic(http.ErrAbortHandler) },
		"no end": func(w http.ResponseWriter, _ *http.Request, body string) {
			writeJSON(w, 200, listAnswer(body, "more"))
		},
	} {
		t.Run(name, func(t *testing.T) {
			f := &fake{tools: answer, post: answerCall}
			p := startBridge(t, shclient.Options{URL: serve(t, f)}, nil)
			p.send(sqlLine)
			p.want(callReply)
			asked := len(f.requests(byOwnList))
			if asked == 0 || asked > 1000 {
				t.Errorf("asked %d times", asked)
			}
			p.send(sqlLine)
			p.want(callReply)
			if again := len(f.requests(byOwnList)); again != asked {
				t.Errorf("asked again: %d, then %d times", asked, again)
			}
			if err := p.wait(); err != nil {
				t.Error(err)
			}
		})
	}
}

// A list that does not come delays a call, but only for a while.
func TestBridgeWaitsForTheListOfTools(t *testing.T) {
	for _, begun := range []bool{false, true} {
		t.Run(fmt.Sprintf("begun=%t", begun), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				start := time.Now()
				transport := roundTrip(func(r *http.Request) (*http.Response, error) {
					switch {
					case r.Header.Get("Mcp-Method") == "tools/call":
						return response(r, 200, "application/json", strings.NewReader(callReply)), nil
					case begun:
						body, server := io.Pipe()
						context.AfterFunc(r.Context(), func() { server.CloseWithError(r.Context().Err()) })
						return response(r, 200, "application/json", body), nil
					}
					<-r.Context().Done()
					return nil, r.Context().Err()
				})
				p := startBridge(t, shclient.Options{URL: "https://example.com/mcp", HTTPClient: &http.Client{Transport: transport}}, &shclient.BridgeOptions{ServerEra: shclient.EraModern})
				for range 2 {
					p.send(sqlLine)
					p.want(callReply)
				}
				if got := time.Since(start); got != 10*time.Second {
					t.Errorf("after %s", got)
				}
				if err := p.wait(); err != nil {
					t.Error(err)
				}
			})
		})
	}
}

// A call that waits for the list can be cancelled, and the next one asks.
func TestBridgeCancelsACallBeforeItsList(t *testing.T) {
	var lists atomic.Int32
	f := &fake{post: answerCall, tools: func(w http.ResponseWriter, r *http.Request, body string) {
		if lists.Add(1) == 1 {
			<-r.Context().Done()
			return
		}
		writeJSON(w, 200, listAnswer(body, "", regionTool))
	}}
	p := startBridge(t, shclient.Options{URL: serve(t, f)}, nil)
	p.send(strings.Replace(sqlLine, `"id":1`, `"id":2`, 1))
	f.await(t, byOwnList)
	p.send(`{"jsonrpc":"2.0","method":"notifications/cancelled","params":{"requestId":2}}`)
	p.send(sqlLine)
	p.want(callReply)
	calls := f.requests(byBody("tools/call"))
	if len(calls) != 1 || calls[0].header.Get("Mcp-Param-Region") != sqlRegion {
		t.Errorf("calls: %+v", calls)
	}
	if err := p.wait(); err != nil {
		t.Error(err)
	}
}
