// SPDX-License-Identifier: Apache-2.0

package session

import (
	"bytes"
	"context"
	"log/slog"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/atrawog/mcp-oauth-gateway/shproxy/internal/child"
	"github.com/atrawog/mcp-oauth-gateway/shproxy/internal/testserver"
	"github.com/atrawog/mcp-oauth-gateway/shproxy/jsonrpc"
)

// Whatever valid messages a server writes, in whatever order, nothing breaks;
// what reaches clients is valid, and an answer comes once.
func FuzzReceive(f *testing.F) {
	for _, lines := range []string{
		result("1", "x") + "\n" + result("1", "x"),
		`{"jsonrpc":"2.0","id":2,"error":{"code":-1,"message":""}}`,
		`{"jsonrpc":"2.0","method":"notifications/progress","params":{"progressToken":"t"}}` + "\n" + result("2", ""),
		`{"jsonrpc":"2.0","method":"notifications/progress","params":{"progressToken":"shproxy-2","progressToken2":1}}`,
		asks("1") + "\n" + asks("1") + "\n" + `{"jsonrpc":"2.0","method":"notifications/cancelled","params":{"requestId":1}}`,
		subscribed("tools/list_changed", "3") + "\n" + completed("3", "3"),
		`{"jsonrpc":"2.0","id":3,"result":{"_meta":{"io.modelcontextprotocol/subscriptionId":3,"io.modelcontextprotocol/subscriptionId2":3}}}`,
		`{"result":{"_meta":{"io.modelcontextprotocol/subscriptionId":[]}},"id":3,"jsonrpc":"2.0"}`,
		`{"jsonrpc":"2.0","method":"notifications/cancelled","params":{"requestId":3,"\u0072equestId2":3}}`,
		`{"jsonrpc":"2.0","method":"notifications/cancelled","params":[3]}`,
		notification("notifications/tools/list_changed") + "\n" + updated("file:///x") + "\n" + note(1),
		`{"jsonrpc":"2.0","id":"p","method":"ping"}` + "\n" + initAnswer("1"),
	} {
		for kind := range byte(3) {
			f.Add([]byte(lines), kind)
		}
	}
	exe, err := os.Executable()
	if err != nil {
		f.Fatal(err)
	}
	f.Fuzz(func(t *testing.T, lines []byte, mode byte) {
		m := NewManager(Config{
			MaxSessions: 10, MaxStarts: 1, IdleTimeout: time.Hour, StartTimeout: time.Hour, ReplayBytes: 1000, ReplayTime: time.Hour,
			Child: child.Config{
				Name: "f", Path: exe, Env: append(os.Environ(), testserver.Env+"="+testserver.Silent),
				MaxLine: 1 << 20, MaxQueue: 1 << 20, Grace: 10 * time.Millisecond, Logger: slog.New(slog.DiscardHandler),
			},
		})
		defer func() {
			ctx, cancel := context.WithCancel(context.Background())
			cancel()
			_ = m.Shutdown(ctx)
		}()
		s := start(t, m)
		w := s.w
		w.mu.Lock()
		w.kind = kind(mode % 3)
		s.version = "2025-11-25"
		s.subscriptions = map[string][]byte{"file:///x": []byte(aboutResource("1", "subscribe", "file:///x"))}
		l := w.link
		var readers []*testReader
		for i, frame := range []string{request(`"a"`, "x"), tokenFrame, request(`"\u0061"`, "subscriptions/listen")} {
			c := w.newCall(s, nil, []byte(frame), scan(t, frame))
			c.attended, c.listen = true, w.kind == modern && i == 2
			if err := l.send(c, []byte(frame), scan(t, frame), noEdit); err != nil {
				t.Fatal(err)
			}
			readers = append(readers, &testReader{t, c.attend(i == 0), EventID{}})
		}
		w.mu.Unlock()
		standalone := listen(t, s)
		readers = append(readers, standalone)
		for line := range bytes.SplitSeq(lines, []byte("\n")) {
			if message, err := jsonrpc.Scan(line); err == nil {
				l.Receive(bytes.Clone(line), message, len(line)%2 == 0)
			}
		}
		for i, r := range readers {
			checkStream(t, i, r)
			r.leave()
		}
	})
}

// checkStream reads what is there: valid messages, and on the stream of a call
// at most one answer, which is the last.
func checkStream(t *testing.T, call int, r *testReader) {
	frames, more, _ := r.now()
	ids := []string{`"a"`, "1", `"a"`}
	for i, frame := range frames {
		m, err := jsonrpc.Scan([]byte(frame))
		if err != nil {
			t.Fatalf("stream %d: %s: %v", call, frame, err)
		}
		if m.Kind != jsonrpc.Response {
			continue
		}
		id := strings.ReplaceAll(string(m.ID.Of([]byte(frame))), `\u0061`, "a")
		if call >= len(ids) || id != ids[call] || more || i != len(frames)-1 {
			t.Fatalf("stream %d: answer %d of %d, more %v: %s", call, i, len(frames), more, frame)
		}
	}
}
