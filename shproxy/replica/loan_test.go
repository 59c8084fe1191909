// SPDX-License-Identifier: Apache-2.0

package replica

import (
	"io"
	"testing"
)

// What is lent is the owner's again when the loan ends, whoever still reads.
func TestLoan(t *testing.T) {
	l := &loan{data: []byte("hello")}
	first, _ := l.body()
	second, _ := l.body()
	if text, err := io.ReadAll(first); string(text) != "hello" || err != nil {
		t.Errorf("%q, %v", text, err)
	}
	part := make([]byte, 2)
	if n, err := second.Read(part); n != 2 || err != nil || string(part) != "he" {
		t.Errorf("%q, %v", part[:n], err)
	}
	l.end()
	for _, r := range []io.Reader{first, second} {
		if n, err := r.Read(part); n != 0 || err != errOver {
			t.Errorf("%d bytes, %v after the end", n, err)
		}
	}
}
