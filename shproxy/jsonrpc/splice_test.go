// SPDX-License-Identifier: Apache-2.0

package jsonrpc

import (
	"slices"
	"testing"
)

// What Moved says is what a scan of the edited frame would say.
func TestMoved(t *testing.T) {
	at := func(i int) Span { return Span{i, i} }
	for _, frame := range []string{
		`{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":"x","_meta":{"progressToken":"t","io.modelcontextprotocol/protocolVersion":"2026-07-28","io.modelcontextprotocol/logLevel":"info"}}}`,
		` {"params":{"_meta":{"io.modelcontextprotocol/subscriptionId":7},"x":[1]}, "method":"notifications/x", "jsonrpc":"2.0"}`,
		`{"id":"a","result":{"content":[]},"jsonrpc":"2.0"}`,
		`{"error":{"code":-32002,"message":"no"},"jsonrpc":"2.0","id":12345}`,
	} {
		m, err := Scan([]byte(frame))
		if err != nil {
			t.Fatal(err)
		}
		var edits []Edit
		for _, e := range []Edit{
			{m.ID, []byte("1234567")}, {m.ProgressToken, []byte(`"shproxy-1"`)}, {m.SubscriptionID, []byte("1")},
			{at(m.Result.Start + 1), []byte(`"a":1,`)}, {at(m.Meta.Start + 1), []byte(`"a":1,`)}, {at(m.Error.End - 1), []byte(`,"a":1`)},
		} {
			if e.Span.Start > 1 {
				edits = append(edits, e)
			}
		}
		slices.SortFunc(edits, func(a, b Edit) int { return a.Span.Start - b.Span.Start })
		edited := AppendSplice(nil, []byte(frame), edits...)
		want, err := Scan(edited)
		if err != nil {
			t.Fatalf("%s: %v", edited, err)
		}
		if got := m.Moved(edits...); got != want {
			t.Errorf("%s\nhas %+v\nwant %+v", edited, got, want)
		}
	}
}

// A walk goes over strings that a scan took, whatever is in them.
func TestWalkOverStrings(t *testing.T) {
	frame := []byte(`{"jsonrpc":"2.0","id":1,"result":{"a":"\\\"","b\\":"x\\\\","c\"}":["\\","\"]"],"d":{"e":"}"},"é":"\u0022"}}`)
	m, err := Scan(frame)
	if err != nil {
		t.Fatal(err)
	}
	var got []string
	for name, value := range Members(frame, m.Result) {
		got = append(got, string(name.Of(frame))+"="+string(value.Of(frame)))
	}
	want := []string{`"a"="\\\""`, `"b\\"="x\\\\"`, `"c\"}"=["\\","\"]"]`, `"d"={"e":"}"}`, `"é"="\u0022"`}
	if !slices.Equal(got, want) {
		t.Errorf("got  %q\nwant %q", got, want)
	}
}

func TestCuts(t *testing.T) {
	tests := []struct{ list, want string }{ // numbers stay, strings go
		{`[]`, `[]`},
		{`[1]`, `[1]`},
		{`["a"]`, `[]`},
		{`["a","b"]`, `[]`},
		{`[1, "a" ,2]`, `[1 ,2]`},
		{`["a", 1]`, `[1]`},
		{`[ "a" , "b" , 1 , "c" , "d" ]`, `[ 1 ]`},
		{`[1,"a","b",2,"c"]`, `[1,2]`},
		{`{"a":"b"}`, `{"a":"b"}`},
	}
	for _, tt := range tests {
		frame := []byte(`{"jsonrpc":"2.0","id":1,"result":` + tt.list + `}`)
		m, err := Scan(frame)
		if err != nil {
			t.Fatal(err)
		}
		edits := Cuts(frame, m.Result, func(item Span) bool { return frame[item.Start] != '"' })
		got := AppendSplice(nil, frame, edits...)
		if want := `{"jsonrpc":"2.0","id":1,"result":` + tt.want + `}`; string(got) != want {
			t.Errorf("%s: got %s, want %s", tt.list, got, want)
		}
	}
}
