// SPDX-License-Identifier: Apache-2.0

package era

import (
	"cmp"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/rogpeppe/go-internal/txtar"

	"github.com/atrawog/mcp-oauth-gateway/shproxy/jsonrpc"
)

func init() {
	translators["tolegacy"] = func(settings map[string]string) Translator {
		profile := Profile{Capabilities: []byte(cmp.Or(settings["capabilities"], "{}"))}
		if info := settings["clientInfo"]; info != "" {
			profile.Info = []byte(info)
		}
		return NewToLegacy(ToLegacyConfig{Profile: profile, Process: "test"})
	}
}

// Where the stream tells whose it is, questions and log messages reach their
// calls however many there are.
func TestFromStream(t *testing.T) {
	t.Parallel()
	p := newPlay(t, "tolegacy", `capabilities: {"roots":{}}`)
	say := func(frame string, about string) string {
		t.Helper()
		m, err := jsonrpc.Scan([]byte(frame))
		if err != nil {
			t.Fatal(err)
		}
		out := &Output{}
		switch about {
		case "client":
			p.tr.FromClient(p.now, []byte(frame), m, out)
		default:
			p.tr.(*ToLegacy).FromStream(p.now, []byte(about), []byte(frame), m, out)
		}
		return string(txtar.Format(&txtar.Archive{Files: p.output(out)}))
	}
	meta := `"_meta":{"io.modelcontextprotocol/protocolVersion":"2026-07-28","io.modelcontextprotocol/clientCapabilities":{"roots":{}},"io.modelcontextprotocol/logLevel":"info"}`
	say(`{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{`+meta+`}}`, "client")
	say(`{"jsonrpc":"2.0","id":1,"result":{"protocolVersion":"2025-11-25","capabilities":{"logging":{}}}}`, "1")
	say(`{"jsonrpc":"2.0","id":2,"method":"tools/call","params":{`+meta+`}}`, "client") // the server sees 2, level 3, and 4
	log := `{"jsonrpc":"2.0","method":"notifications/message","params":{"level":"info","data":1}}`
	for about, want := range map[string]string{"2": "-- to client --\n[1] " + log + "\n", "4": "-- to client --\n[2] " + log + "\n", "": "-- dropped --\n1\n", "9": "-- dropped --\n1\n"} {
		if got := say(log, about); got != want {
			t.Errorf("about %q: %s", about, got)
		}
	}
	if got := say(`{"jsonrpc":"2.0","id":"q","method":"roots/list"}`, "4"); got != "" {
		t.Errorf("asked: %s", got)
	}
	out := &Output{}
	p.tr.Tick(p.tr.Due(), out)
	if got := p.output(out); len(got) != 1 || !strings.Contains(string(got[0].Data), `{"jsonrpc":"2.0","id":2,"result":{"resultType":"input_required","inputRequests":{"q":`) {
		t.Errorf("got %s", got)
	}
}

// BenchmarkToLegacyCall is a call of a tool and its answer, both ways.
func BenchmarkToLegacyCall(b *testing.B) {
	k := newLegacyTalk(b, 0).start()
	call := []byte(`{"jsonrpc":"2.0","id":17,"method":"tools/call","params":{"name":"echo","arguments":{"text":"The quick brown fox jumps over the lazy dog"},"_meta":{` + modernMembers + `,"progressToken":17}}}`)
	answer := `{"jsonrpc":"2.0","id":%d,"result":{"content":[{"type":"text","text":"The quick brown fox jumps over the lazy dog"}]}}`
	frame := make([]byte, 0, 1<<10)
	b.ReportAllocs()
	for b.Loop() {
		k.out.Reset()
		m, _ := jsonrpc.Scan(call)
		k.tr.FromClient(time.Time{}, call, m, &k.out)
		frame = fmt.Appendf(frame[:0], answer, k.tr.last)
		m, _ = jsonrpc.Scan(frame)
		k.tr.FromServer(time.Time{}, frame, m, &k.out)
		if len(k.out.ToServer) != 1 || len(k.out.ToClient) != 1 {
			b.Fatal("no answer")
		}
	}
}
