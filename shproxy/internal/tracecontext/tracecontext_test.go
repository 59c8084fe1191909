// SPDX-License-Identifier: Apache-2.0

package tracecontext

import (
	"fmt"
	"net/http"
	"strings"
	"testing"
)

const good = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"

func TestTraceParent(t *testing.T) {
	for s, want := range map[string]bool{
		good: true,
		"00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-ff":      true, // flags are for those who know them
		"01-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01":      true,
		"fe-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01-more": true,
		"":                          false,
		good[:54]:                   false,
		good + "-":                  false,
		good + "-00":                false,
		" " + good:                  false,
		good + " ":                  false,
		"ff" + good[2:]:             false,
		"ff" + good[2:] + "-x":      false,
		"01" + good[2:] + "x":       false,
		"01" + good[2:] + "-\x7f":   false,
		"01" + good[2:] + "-é":      false,
		strings.ToUpper(good):       false,
		"0g" + good[2:]:             false,
		good[:2] + "_" + good[3:]:   false,
		good[:35] + "_" + good[36:]: false,
		good[:52] + "_" + good[53:]: false,
		good[:53] + "0x":            false,
		"00-00000000000000000000000000000000-b7ad6b7169203331-01":   false,
		"00-0af7651916cd43dd8448eb211c80319c-0000000000000000-01":   false,
		"00-0af7651916cd43dd8448eb211c80319C-b7ad6b7169203331-01":   false,
		"01" + good[2:] + "-" + strings.Repeat("x", maxTraceParent): false,
	} {
		if got := validTraceParent(s); got != want {
			t.Errorf("%q: %v", s, got)
		}
	}
}

func members(n int, format string) string {
	all := make([]string, n)
	for i := range all {
		all[i] = fmt.Sprintf(format, i)
	}
	return strings.Join(all, ",")
}

func TestTraceState(t *testing.T) {
	for s, want := range map[string]bool{
		"rojo=00f067aa0ba902b7":                   true,
		"rojo=00f067aa0ba902b7,congo=t61rcWkgMzE": true,
		"a=1, b=2\t,,c=3,":                        true,
		"1@a-b_c*/d=x y\"\\":                      true,
		members(32, "k%d=1"):                      true,
		strings.Repeat("k", 256) + "=" + "v":      true,
		"":                                        false,
		",":                                       false,
		"a":                                       false,
		"a=":                                      false,
		"=1":                                      false,
		"A=1":                                     false,
		"@a=1":                                    false,
		"a=1,a=2":                                 false,
		"a=1=2":                                   false,
		"a =1":                                    false,
		"a=\x01":                                  false,
		"a=é":                                     false,
		members(33, "k%d=1"):                      false,
		strings.Repeat("k", 257) + "=" + "v":      false,
		"k=" + strings.Repeat("v", 257):           false,
	} {
		if got := validTraceState(s); got != want {
			t.Errorf("%q: %v", s, got)
		}
	}
}

func TestBaggage(t *testing.T) {
	for s, want := range map[string]bool{
		"userId=alice":                          true,
		"userId=Am%C3%A9lie,serverNode=DF%2028": true,
		"a = 1 ; p ; q = 2 , b=":                true,
		"a=x=y":                                 true,
		"":                                      false,
		"a":                                     false,
		"=1":                                    false,
		"a=1,":                                  false,
		"a=1;":                                  false,
		"a=1;=2":                                false,
		"a=x y":                                 false,
		`a="1"`:                                 false,
		`a=\`:                                   false,
		"a b=1":                                 false,
		"a(=1":                                  false,
		"a=é":                                   false,
		"a=\x00":                                false,
	} {
		if got := validBaggage(s); got != want {
			t.Errorf("%q: %v", s, got)
		}
	}
}

func TestFromHeader(t *testing.T) {
	for _, test := range []struct {
		name   string
		header http.Header
		want   Context
		ok     bool
	}{
		{"none", http.Header{}, Context{}, false},
		{"nil", nil, Context{}, false},
		{"state and baggage alone", http.Header{"Tracestate": {"a=1"}, "Baggage": {"b=2"}}, Context{}, false},
		{"parent", http.Header{"Traceparent": {good}}, Context{TraceParent: good}, true},
		{"invalid parent", http.Header{"Traceparent": {good + "x"}, "Baggage": {"b=2"}}, Context{}, false},
		{"two parents", http.Header{"Traceparent": {good, good}}, Context{}, false},
		{"all", http.Header{"Traceparent": {good}, "Tracestate": {"a=1"}, "Baggage": {"b=2"}}, Context{good, "a=1", "b=2"}, true},
		{"several lines", http.Header{"Traceparent": {good}, "Tracestate": {"a=1", "c=3"}, "Baggage": {"b=2", "d=4"}}, Context{good, "a=1,c=3", "b=2,d=4"}, true},
		{"the same key in two lines", http.Header{"Traceparent": {good}, "Tracestate": {"a=1", "a=1"}}, Context{TraceParent: good}, true},
		{"invalid others", http.Header{"Traceparent": {good}, "Tracestate": {"A"}, "Baggage": {"é"}}, Context{TraceParent: good}, true},
		{"the longest", http.Header{"Traceparent": {good}, "Tracestate": {longState(maxTraceState)}, "Baggage": {"k=" + strings.Repeat("v", maxBaggage-2)}},
			Context{good, longState(maxTraceState), "k=" + strings.Repeat("v", maxBaggage-2)}, true},
		{"too long", http.Header{"Traceparent": {good}, "Tracestate": {longState(maxTraceState - 1), ""}, "Baggage": {"k=" + strings.Repeat("v", maxBaggage-2), ""}},
			Context{good, longState(maxTraceState-1) + ",", ""}, true},
		{"too long in lines", http.Header{"Traceparent": {good}, "Tracestate": {longState(maxTraceState), ""}}, Context{TraceParent: good}, true},
	} {
		got, ok := FromHeader(test.header)
		if got != test.want || ok != test.ok {
			t.Errorf("%s: %+v, %v\nwant %+v, %v", test.name, got, ok, test.want, test.ok)
		}
	}
}

// longState is a tracestate of n bytes.
func longState(n int) string {
	head := "a=" + strings.Repeat("v", 256) + ",b="
	return head + strings.Repeat("v", n-len(head))
}
