// SPDX-License-Identifier: Apache-2.0

package jsonrpc

import (
	"encoding/json"
	"fmt"
	"strings"
	"testing"
)

const callFrame = `{"jsonrpc":"2.0","id":17,"method":"tools/call","params":{"name":"echo","arguments":{"text":"The quick brown fox jumps over the lazy dog"},"_meta":{"progressToken":17}}}`

// The frames of the benchmarks: what MCP servers and clients send.
var benchFrames = []struct{ name, frame string }{
	{"call-100B", `{"jsonrpc":"2.0","id":17,"method":"tools/call","params":{"name":"echo","arguments":{"text":"hi"}}}`},
	{"modern-1KiB", `{"jsonrpc":"2.0","id":17,"method":"tools/call","params":{"name":"search","arguments":{"query":"` + strings.Repeat("lorem ipsum ", 40) +
		`","limit":10,"tags":["a","b","c"],"deep":{"x":true,"y":null}},"_meta":{"progressToken":17,"io.modelcontextprotocol/protocolVersion":"2026-07-28",` +
		`"io.modelcontextprotocol/clientInfo":{"name":"bench","version":"1.0.0"},"io.modelcontextprotocol/clientCapabilities":{"sampling":{},"elicitation":{}}}}}`},
	{"text-64KiB", result(strings.Repeat("lorem ipsum dolor ", 3641))},
	{"text-1MiB", result(strings.Repeat("lorem ipsum dolor ", 58254))},
	{"lines-64KiB", result(strings.Repeat(`lorem ipsum dolor sit amet, \"consetetur\"\n`, 1490))},
	{"cjk-64KiB", result(strings.Repeat("這是一段文字。", 3120))},
	{"objects-64KiB", `{"jsonrpc":"2.0","id":17,"result":{"structuredContent":{"items":[` +
		strings.Repeat(`{"id":1234,"name":"some name","price":12.5,"ok":true,"tags":["x","y"]},`, 910) + `null]}}}`},
}

func result(text string) string {
	return `{"jsonrpc":"2.0","id":17,"result":{"content":[{"type":"text","text":"` + text + `"}]}}`
}

func BenchmarkScan(b *testing.B) {
	for _, bench := range benchFrames {
		b.Run(bench.name, func(b *testing.B) {
			frame := []byte(bench.frame)
			b.SetBytes(int64(len(frame)))
			b.ReportAllocs()
			for b.Loop() {
				if _, err := Scan(frame); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}

// BenchmarkJSONValid is what encoding/json takes to say yes to the same.
func BenchmarkJSONValid(b *testing.B) {
	for _, bench := range benchFrames {
		b.Run(bench.name, func(b *testing.B) {
			frame := []byte(bench.frame)
			b.SetBytes(int64(len(frame)))
			b.ReportAllocs()
			for b.Loop() {
				if !json.Valid(frame) {
					b.Fatal("not valid")
				}
			}
		})
	}
}

func BenchmarkLookup(b *testing.B) {
	frame := []byte(callFrame)
	m, err := Scan(frame)
	if err != nil {
		b.Fatal(err)
	}
	b.ReportAllocs()
	for b.Loop() {
		if _, ok := Lookup(frame, m.Params, "name"); !ok {
			b.Fatal("no name")
		}
	}
}

func BenchmarkAppendSplice(b *testing.B) {
	for _, size := range []int{100, 64 << 10} {
		b.Run(fmt.Sprint(size), func(b *testing.B) {
			frame := []byte(result(strings.Repeat("x", size)))
			m, err := Scan(frame)
			if err != nil {
				b.Fatal(err)
			}
			var dst []byte
			b.SetBytes(int64(len(frame)))
			b.ReportAllocs()
			for b.Loop() {
				dst = AppendSplice(dst[:0], frame, Edit{m.ID, []byte("123456")})
			}
		})
	}
}

func TestHotPathDoesNotAllocate(t *testing.T) {
	for _, bench := range benchFrames {
		frame := []byte(bench.frame)
		dst := make([]byte, 0, len(frame)+100)
		if n := testing.AllocsPerRun(20, func() {
			m, err := Scan(frame)
			if err != nil {
				t.Fatal(err)
			}
			Lookup(frame, m.Params, "name")
			dst = AppendSplice(dst[:0], frame, Edit{m.ID, []byte("123456")})
		}); n != 0 {
			t.Errorf("%s: %v allocations", bench.name, n)
		}
	}
}
