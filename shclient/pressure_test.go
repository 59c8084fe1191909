// SPDX-License-Identifier: Apache-2.0

package shclient_test

import (
	"fmt"
	"io"
	"net/http"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"

	"github.com/atrawog/mcp-oauth-gateway/shclient"
)

// The limit of a message is exact, in both directions and over every transport,
// and the message after one that is too large passes.
func TestBridgeMessagesUpToTheLimit(t *testing.T) {
	const limit = 10_000
	answer := func(id string, size int) string {
		frame := `{"jsonrpc":"2.0","id":` + id + `,"result":{"text":""}}`
		return strings.Replace(frame, `""`, `"`+strings.Repeat("ü", (size-len(frame))/2)+strings.Repeat("x", (size-len(frame))%2)+`"`, 1)
	}
	size := func(body string) int {
		if strings.Contains(body, `"large"`) {
			return limit + 1
		}
		return limit
	}
	initialize := func(w http.ResponseWriter, body string) bool {
		if strings.Contains(body, `"initialize"`) {
			w.Header().Set("Mcp-Session-Id", "s")
			writeJSON(w, 200, initializeReply)
			return true
		}
		if rawID(body) == "" {
			w.WriteHeader(http.StatusAccepted)
			return true
		}
		return false
	}
	old, oldURL := newOldServer(t)
	old.post = func(w http.ResponseWriter, s *oldSession, body string) {
		w.WriteHeader(http.StatusAccepted)
		if id := rawID(body); id != "" {
			s.say(answer(id, size(body)))
		}
	}
	serveWith := func(write func(w http.ResponseWriter, answer string)) string {
		return serve(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			if r.Method != http.MethodPost {
				w.WriteHeader(http.StatusMethodNotAllowed)
				return
			}
			if body := bodyOf(r); !initialize(w, body) {
				write(w, answer(rawID(body), size(body)))
			}
		}))
	}
	for name, url := range map[string]string{
		"JSON":     serveWith(func(w http.ResponseWriter, answer string) { writeJSON(w, 200, answer) }),
		"stream":   serveWith(func(w http.ResponseWriter, answer string) { writeEvents(w, "data: "+answer+"\n\n") }),
		"HTTP+SSE": oldURL,
	} {
		t.Run(name, func(t *testing.T) {
			p := startBridge(t, shclient.Options{URL: url}, &shclient.BridgeOptions{MaxMessageBytes: limit})
			p.initialize()
			line := func(n int, method string, size int) string {
				frame := fmt.Sprintf(`{"jsonrpc":"2.0","id":%d,"method":%q,"params":{"pad":""}}`, n, method)
				return strings.Replace(frame, `""`, `"`+strings.Repeat("x", size-len(frame))+`"`, 1)
			}
			p.send(line(1, "fits", limit))
			p.want(answer("1", limit))
			p.send(line(2, "fits", limit+1))
			if text := p.wantError("null", -32600); !strings.Contains(text, "10000 bytes") {
				t.Errorf("message %q", text)
			}
			p.send(line(3, "large", 200))
			if text := p.wantError("3", -32000); !strings.Contains(text, "10000 bytes") {
				t.Errorf("message %q", text)
			}
			p.send(line(4, "fits", 200))
			p.want(answer("4", limit))
			if err := p.wait(); err != nil {
				t.Error(err)
			}
		})
	}
}

// While the program does not read, the server cannot say more: nothing piles up
// in the bridge. Then everything comes, in order.
func TestBridgeHoldsTheServerBack(t *testing.T) {
	const events = 200
	tests := []struct {
		name  string
		calls bool // the stream answers a call; else it is that of the session
		line  string
		id    string
	}{
		{"stream of a call", true, callLine, "1"},
		{"stream of the session", false, "", ""},
		{"stream of a translated call", true, modern("1", "tools/call", `"name":"x",`), "1"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				var said atomic.Int32
				talk := func(r *http.Request, id string) (*http.Response, error) {
					reader, writer := io.Pipe()
					go func() {
						for n := range events {
							if _, err := fmt.Fprintf(writer, "data: {\"jsonrpc\":\"2.0\",\"method\":\"notifications/vendor\",\"params\":{\"n\":%d,\"pad\":%q}}\n\n", n, strings.Repeat("x", 8<<10)); err != nil {
								return
							}
							said.Add(1)
						}
						if id != "" {
							fmt.Fprint(writer, "data: "+resultFor(id)+"\n\n")
							writer.Close()
						}
					}()
					go func() {
						<-r.Context().Done()
						writer.CloseWithError(r.Context().Err())
					}()
					return response(r, 200, "text/event-stream", reader), nil
				}
				transport := roundTrip(func(r *http.Request) (*http.Response, error) {
					body := bodyOf(r)
					switch id := rawID(body); {
					case r.Method == http.MethodGet && !tt.calls:
						return talk(r, "")
					case strings.Contains(body, "discover"):
						return response(r, 400, "text/plain", http.NoBody), nil
					case strings.Contains(body, `"initialize"`):
						return response(r, 200, "application/json", strings.NewReader(strings.Replace(initializeReply, `"init"`, id, 1))), nil
					case id != "":
						return talk(r, id)
					case r.Method == http.MethodPost:
						return response(r, 202, "", http.NoBody), nil
					}
					return response(r, 405, "", http.NoBody), nil
				})
				p := startBridge(t, shclient.Options{URL: "https://example.com/mcp", HTTPClient: &http.Client{Transport: transport}}, nil)
				if !strings.Contains(tt.line, "2026") {
					p.initialize()
				}
				if tt.line != "" {
					p.send(tt.line)
				}
				synctest.Wait()
				if n := said.Load(); n > 20 { // one that is written, one that waits, and what fits into buffers
					t.Errorf("the server said %d things that nobody reads", n)
				}
				for n := range events {
					if line := p.next(); !strings.Contains(line, fmt.Sprintf(`"n":%d,`, n)) {
						t.Fatalf("got %.100s, want number %d", line, n)
					}
				}
				if tt.id != "" {
					p.wantResult(tt.id)
				}
				if err := p.wait(); err != nil {
					t.Error(err)
				}
			})
		})
	}
}
