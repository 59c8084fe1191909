// SPDX-License-Identifier: Apache-2.0

package jsonrpc

import (
	"strings"
	"testing"
)

func TestErrorCode(t *testing.T) {
	tests := []struct {
		error string // the value of the member
		want  int
		ok    bool
	}{
		{`{"code":-32601,"message":"m"}`, -32601, true},
		{`{"message":"m","code": -32020 }`, -32020, true},
		{`{"c\u006fde":-32021}`, -32021, true},
		{`{"code":1e3}`, 1000, true},
		{`{"code":-3.2601E4}`, -32601, true},
		{`{"code":-32000.0}`, -32000, true},
		{`{"code":0}`, 0, true},
		{`{"code":-0}`, 0, true},
		{`{"code":2147483647}`, 2147483647, true},
		{`{"code":1,"code":2}`, 2, true},
		{`{"code":2147483648}`, 0, false},
		{`{"code":-32600.5}`, 0, false},
		{`{"code":1e400}`, 0, false},
		{`{"code":99999999999999999999999}`, 0, false},
		{`{"code":1` + strings.Repeat("0", 1<<20) + `}`, 0, false},
		{`{"code":1.` + strings.Repeat("0", 61) + `}`, 1, true},
		{`{"code":1.` + strings.Repeat("0", 62) + `}`, 0, false},
		{`{"code":"-32601"}`, 0, false},
		{`{"code":"nan"}`, 0, false},
		{`{"code":null}`, 0, false},
		{`{"code":true}`, 0, false},
		{`{"code":{"code":1}}`, 0, false},
		{`{"Code":-32601}`, 0, false},
		{`{"data":{"code":1}}`, 0, false},
		{`{}`, 0, false},
		{`"-32601"`, 0, false},
		{`-32601`, 0, false},
		{`null`, 0, false},
	}
	for _, test := range tests {
		frame := []byte(`{"jsonrpc":"2.0","id":1,"error":` + test.error + `}`)
		m, err := Scan(frame)
		if err != nil {
			t.Fatalf("%.80s: %v", frame, err)
		}
		if got, ok := ErrorCode(frame, m); got != test.want || ok != test.ok {
			t.Errorf("%.80s: code = %d, %v; want %d, %v", test.error, got, ok, test.want, test.ok)
		}
	}
	frame := []byte(`{"jsonrpc":"2.0","id":1,"result":{"code":1}}`)
	m, err := Scan(frame)
	if code, ok := ErrorCode(frame, m); err != nil || ok {
		t.Errorf("code of a result = %d, %v", code, err)
	}
}
