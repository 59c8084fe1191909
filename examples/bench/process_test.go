// SPDX-License-Identifier: Apache-2.0

package main

import (
	"fmt"
	"os"
	"strings"
	"testing"
	"time"
)

func TestStartFails(t *testing.T) {
	address, err := freeAddress()
	if err != nil {
		t.Fatal(err)
	}
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	tests := []struct {
		argv []string
		want string
	}{
		{[]string{"/no/such/program"}, "no such file"},
		{[]string{self, roleHTTP}, `exited at once (exit status 1): it said "bench: echo-http: want one address"`},
	}
	for _, test := range tests {
		server, err := startHTTPServer(t.Context(), test.argv, nil, address, openHTTPSession)
		if err == nil {
			server.stop()
		}
		if err == nil || !strings.Contains(err.Error(), test.want) {
			t.Errorf("%q: got %v, want %q", test.argv, err, test.want)
		}
	}
}

func TestTail(t *testing.T) {
	var said tail
	if got := said.String(); got != "it said nothing" {
		t.Errorf("got %q", got)
	}
	fmt.Fprintf(&said, "one\n  two\t")
	if got := said.String(); got != `it said "one two"` {
		t.Errorf("got %q", got)
	}
	for range 1000 {
		fmt.Fprint(&said, "abcdefg")
	}
	fmt.Fprint(&said, strings.Repeat("x", tailBytes-1))
	if got := said.String(); got != fmt.Sprintf("it said %q", "g"+strings.Repeat("x", tailBytes-1)) {
		t.Errorf("got %q", got)
	}
	fmt.Fprint(&said, strings.Repeat("y", 2*tailBytes))
	if got := said.String(); len(said.end) != tailBytes || strings.Contains(got, "x") {
		t.Errorf("got %q", got)
	}
}

// waitFor fails the test if cond does not come true.
func waitFor(t *testing.T, what string, cond func() bool) {
	t.Helper()
	for end := time.Now().Add(time.Minute); !cond(); time.Sleep(time.Millisecond) {
		if time.Now().After(end) {
			t.Fatalf("waited in vain for %s", what)
		}
	}
}
