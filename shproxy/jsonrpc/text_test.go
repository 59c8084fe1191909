// SPDX-License-Identifier: Apache-2.0

package jsonrpc

import "testing"

func TestIs(t *testing.T) {
	tests := []struct {
		raw, want string
		is        bool
	}{
		{`"a"`, "a", true},
		{`"a"`, "b", false},
		{`"a"`, "A", false},
		{`"\u0061"`, "a", true},
		{`"a\\b"`, `a\b`, true},
		{`"\n"`, "\n", true},
		{`"\n"`, `\n`, false},
		{`"a\\b"`, `a\\b`, false},
		{`""`, "", true},
		{`1`, "1", false},
		{`null`, "ul", false},
		{``, "", false},
		{`"\ud83d\ude00"`, "\U0001f600", true},
		{`"\ud83d"`, "\ufffd", true},
	}
	for _, test := range tests {
		frame := []byte(" " + test.raw)
		if got := Is(frame, Span{1, len(frame)}, test.want); got != test.is {
			t.Errorf("Is(%s, %q) = %v", test.raw, test.want, got)
		}
	}
}
