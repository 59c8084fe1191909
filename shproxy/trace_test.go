// SPDX-License-Identifier: Apache-2.0

package shproxy

import (
	"bytes"
	"encoding/json"
	"net/http"
	"reflect"
	"strings"
	"testing"

	"github.com/atrawog/mcp-oauth-gateway/shproxy/jsonrpc"
)

const (
	traceParent = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"
	ourParent   = `"traceparent":"` + traceParent + `"`
)

// traced applies the edit; it returns the empty string if there is none.
func traced(t *testing.T, h http.Header, frame string) string {
	t.Helper()
	m, err := jsonrpc.Scan([]byte(frame))
	if err != nil {
		t.Fatalf("%s: %v", frame, err)
	}
	edit, ok := traceEdit(h, []byte(frame), m)
	if !ok {
		return ""
	}
	return string(jsonrpc.AppendSplice(nil, []byte(frame), edit))
}

func TestTraceEdit(t *testing.T) {
	parent := http.Header{"Traceparent": {traceParent}}
	everything := http.Header{"Traceparent": {traceParent}, "Tracestate": {`a="\`}, "Baggage": {"c=d"}}
	const ourState, ourBaggage = `"tracestate":"a=\"\\"`, `"baggage":"c=d"`
	for _, test := range []struct {
		name   string
		header http.Header
		frame  string
		want   string
	}{
		{"no header", http.Header{}, `{"jsonrpc":"2.0","id":1,"method":"x"}`, ``},
		{"invalid header", http.Header{"Traceparent": {"x"}, "Baggage": {"c=d"}}, `{"jsonrpc":"2.0","id":1,"method":"x"}`, ``},
		{"no params", parent, `{"jsonrpc":"2.0","method":"x","id":1}`, `{"jsonrpc":"2.0","method":"x","params":{"_meta":{` + ourParent + `}},"id":1}`},
		{"no params, method last", parent, `{"jsonrpc":"2.0","id":1,"method":"x" }`, `{"jsonrpc":"2.0","id":1,"method":"x","params":{"_meta":{` + ourParent + `}} }`},
		{"empty params", parent, `{"jsonrpc":"2.0","id":1,"method":"x","params":{}}`, `{"jsonrpc":"2.0","id":1,"method":"x","params":{"_meta":{` + ourParent + `}}}`},
		{"blank params", parent, `{"jsonrpc":"2.0","id":1,"method":"x","params":{ ` + "\n" + `}}`, `{"jsonrpc":"2.0","id":1,"method":"x","params":{"_meta":{` + ourParent + `} ` + "\n" + `}}`},
		{"params", parent, `{"jsonrpc":"2.0","id":1,"method":"x","params":{"a":1}}`, `{"jsonrpc":"2.0","id":1,"method":"x","params":{"_meta":{` + ourParent + `},"a":1}}`},
		{"empty _meta", parent, `{"jsonrpc":"2.0","id":1,"method":"x","params":{"a":1,"_meta":{ }}}`, `{"jsonrpc":"2.0","id":1,"method":"x","params":{"a":1,"_meta":{` + ourParent + ` }}}`},
		{"_meta", parent, `{"jsonrpc":"2.0","id":1,"method":"x","params":{"_meta": { "progressToken":1},"a":1}}`, `{"jsonrpc":"2.0","id":1,"method":"x","params":{"_meta": {` + ourParent + `, "progressToken":1},"a":1}}`},
		{"escaped _meta", parent, `{"jsonrpc":"2.0","id":1,"method":"x","params":{"\u005fmeta":{"b":2}}}`, `{"jsonrpc":"2.0","id":1,"method":"x","params":{"\u005fmeta":{` + ourParent + `,"b":2}}}`},
		{"notification", parent, `{"jsonrpc":"2.0","method":"x"}`, `{"jsonrpc":"2.0","method":"x","params":{"_meta":{` + ourParent + `}}}`},
		{"result", parent, `{"jsonrpc":"2.0","id":1,"result":{}}`, ``},
		{"error", parent, `{"jsonrpc":"2.0","id":1,"error":{"code":1,"message":""}}`, ``},
		{"params of null", parent, `{"jsonrpc":"2.0","id":1,"method":"x","params":null}`, ``},
		{"params by position", parent, `{"jsonrpc":"2.0","id":1,"method":"x","params":[{}]}`, ``},
		{"_meta of null", parent, `{"jsonrpc":"2.0","id":1,"method":"x","params":{"_meta":null}}`, ``},
		{"_meta elsewhere", parent, `{"jsonrpc":"2.0","id":1,"method":"x","params":{"a":{"_meta":{}}}}`, `{"jsonrpc":"2.0","id":1,"method":"x","params":{"_meta":{` + ourParent + `},"a":{"_meta":{}}}}`},
		{"everything", everything, `{"jsonrpc":"2.0","id":1,"method":"x"}`, `{"jsonrpc":"2.0","id":1,"method":"x","params":{"_meta":{` + ourParent + `,` + ourState + `,` + ourBaggage + `}}}`},
		{"its own parent", everything, `{"jsonrpc":"2.0","id":1,"method":"x","params":{"_meta":{"traceparent":"y"}}}`, `{"jsonrpc":"2.0","id":1,"method":"x","params":{"_meta":{` + ourBaggage + `,"traceparent":"y"}}}`},
		{"its own state", everything, `{"jsonrpc":"2.0","id":1,"method":"x","params":{"_meta":{"tracestate":null}}}`, `{"jsonrpc":"2.0","id":1,"method":"x","params":{"_meta":{` + ourBaggage + `,"tracestate":null}}}`},
		{"its own baggage", everything, `{"jsonrpc":"2.0","id":1,"method":"x","params":{"_meta":{"baggage":""}}}`, `{"jsonrpc":"2.0","id":1,"method":"x","params":{"_meta":{` + ourParent + `,` + ourState + `,"baggage":""}}}`},
		{"all of its own", everything, `{"jsonrpc":"2.0","id":1,"method":"x","params":{"_meta":{"baggage":"","traceparent":1}}}`, ``},
		{"its own, escaped", parent, `{"jsonrpc":"2.0","id":1,"method":"x","params":{"_meta":{"trace\u0070arent":"y"}}}`, ``},
	} {
		if got := traced(t, test.header, test.frame); got != test.want {
			t.Errorf("%s:\ngot  %s\nwant %s", test.name, got, test.want)
		}
	}
}

// The result is a message with the same members, but for those added to _meta.
func FuzzTraceEdit(f *testing.F) {
	for _, frame := range []string{
		`{"jsonrpc":"2.0","id":1,"method":"x"}`,
		`{"method":"x","jsonrpc":"2.0","params":{}}`,
		`{"jsonrpc":"2.0","id":"a","method":"x","params":{"_meta":{},"a":[1,{"_meta":null}]}}`,
		`{"jsonrpc":"2.0","id":1,"method":"x","params":{"\u005fmeta":{"baggage":1}}}`,
		`{"jsonrpc":"2.0","id":1,"params":null,"method":"x"}`,
		`{"jsonrpc":"2.0","id":1,"result":{"_meta":{}}}`,
	} {
		f.Add(frame, traceParent, "a=1", "c=d;e")
		f.Add(frame, "01"+traceParent[2:]+`-"`, `a="\`, "c=d\x00")
	}
	f.Fuzz(func(t *testing.T, frame, parent, state, baggage string) {
		m, err := jsonrpc.Scan([]byte(frame))
		if err != nil {
			return
		}
		edit, ok := traceEdit(http.Header{"Traceparent": {parent}, "Tracestate": {state}, "Baggage": {baggage}}, []byte(frame), m)
		if !ok {
			return
		}
		if len(edit.With) > 16<<10 {
			t.Fatalf("%d bytes more", len(edit.With))
		}
		after := jsonrpc.AppendSplice(nil, []byte(frame), edit)
		n, err := jsonrpc.Scan(after)
		if err != nil {
			t.Fatalf("%s is no message: %v", after, err)
		}
		if n.Kind != m.Kind || !bytes.Equal(n.ID.Of(after), m.ID.Of([]byte(frame))) || !bytes.Equal(n.Method.Of(after), m.Method.Of([]byte(frame))) {
			t.Fatalf("%s became %s", frame, after)
		}
		want, got := decode(t, []byte(frame)), decode(t, after)
		meta := got["params"].(map[string]any)["_meta"].(map[string]any)
		for name, value := range map[string]string{"traceparent": parent, "tracestate": state, "baggage": baggage} {
			if mine := metaOf(want); mine == nil || mine[name] == nil {
				if meta[name] == value {
					delete(meta, name)
				}
			}
		}
		if params, _ := want["params"].(map[string]any); len(meta) == 0 && (params == nil || params["_meta"] == nil) {
			delete(got["params"].(map[string]any), "_meta")
			if params == nil && len(got["params"].(map[string]any)) == 0 {
				delete(got, "params")
			}
		}
		if !reflect.DeepEqual(got, want) {
			t.Fatalf("%s became %s", frame, after)
		}
	})
}

func decode(t *testing.T, frame []byte) (m map[string]any) {
	d := json.NewDecoder(bytes.NewReader(frame))
	d.UseNumber()
	if err := d.Decode(&m); err != nil {
		t.Fatal(err)
	}
	return m
}

func metaOf(m map[string]any) map[string]any {
	params, _ := m["params"].(map[string]any)
	meta, _ := params["_meta"].(map[string]any)
	return meta
}

// Without the header it costs a look, and with it the bytes that are new.
func BenchmarkTraceEdit(b *testing.B) {
	frame := []byte(benchFrame)
	m, err := jsonrpc.Scan(frame)
	if err != nil {
		b.Fatal(err)
	}
	for name, h := range map[string]http.Header{
		"without": {"Content-Type": {"application/json"}},
		"parent":  {"Traceparent": {traceParent}},
		"all":     {"Traceparent": {traceParent}, "Tracestate": {"a=1,b=2"}, "Baggage": {"c=d," + strings.Repeat("e", 100) + "=f"}},
	} {
		b.Run(name, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				_, _ = traceEdit(h, frame, m)
			}
		})
	}
}
