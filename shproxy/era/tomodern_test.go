// SPDX-License-Identifier: Apache-2.0

package era

import (
	"fmt"
	"testing"
	"time"

	"github.com/atrawog/mcp-oauth-gateway/shproxy/jsonrpc"
)

func init() {
	translators["tomodern"] = func(settings map[string]string) Translator {
		var cfg ToModernConfig
		if self := settings["self"]; self != "" {
			cfg.Self = []byte(self)
		}
		return NewToModern(cfg)
	}
}

// BenchmarkToModernCall is a call of a tool and its answer, both ways.
func BenchmarkToModernCall(b *testing.B) {
	k := newModernTalk(b, 0)
	call := []byte(`{"jsonrpc":"2.0","id":17,"method":"tools/call","params":{"name":"echo","arguments":{"text":"The quick brown fox jumps over the lazy dog"},"_meta":{"progressToken":17}}}`)
	answer := `{"jsonrpc":"2.0","id":%d,"result":{"resultType":"complete","content":[{"type":"text","text":"The quick brown fox jumps over the lazy dog"}],"_meta":{"io.modelcontextprotocol/serverInfo":{"name":"s","version":"1"}}}}`
	frame := make([]byte, 0, 1<<10)
	b.ReportAllocs()
	for b.Loop() {
		k.out.Reset()
		m, _ := jsonrpc.Scan(call)
		k.tr.FromClient(time.Time{}, call, m, &k.out)
		frame = fmt.Appendf(frame[:0], answer, k.tr.lastID)
		m, _ = jsonrpc.Scan(frame)
		k.tr.FromServer(time.Time{}, frame, m, &k.out)
		if len(k.out.ToServer) != 1 || len(k.out.ToClient) != 1 {
			b.Fatal("no answer")
		}
	}
}
