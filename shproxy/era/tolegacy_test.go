// SPDX-License-Identifier: Apache-2.0

package era

import (
	"cmp"
	"fmt"
	"testing"
	"time"

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
