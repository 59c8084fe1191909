// SPDX-License-Identifier: Apache-2.0

package shclient

import (
	"slices"
	"testing"
	"testing/synctest"
	"time"
)

// Each message waits for those that it depends on, and for no other.
func TestOrder(t *testing.T) {
	messages := []struct {
		name, frame string
		after       []string
	}{
		{"early", `{"jsonrpc":"2.0","id":1,"method":"tools/list"}`, nil},
		{"initialized", `{"jsonrpc":"2.0","method":"notifications/initialized"}`, nil},
		{"call", `{"jsonrpc":"2.0","id":2,"method":"tools/call"}`, []string{"initialized"}},
		{"level", `{"jsonrpc":"2.0","id":3,"method":"logging/setLevel"}`, []string{"initialized"}},
		{"answer", `{"jsonrpc":"2.0","id":"q","result":{}}`, nil},
		{"subscribe", `{"jsonrpc":"2.0","id":4,"method":"resources/subscribe"}`, []string{"level"}},
		{"unsubscribe", `{"jsonrpc":"2.0","id":5,"method":"resources/unsubscribe"}`, []string{"level", "subscribe"}},
		{"second call", `{"jsonrpc":"2.0","id":6,"method":"tools/call"}`, []string{"level"}},
		{"cancellation", `{"jsonrpc":"2.0","method":"notifications/cancelled","params":{"requestId":2}}`, []string{"call"}},
		{"late cancellation", `{"jsonrpc":"2.0","method":"notifications/cancelled","params":{"requestId":77}}`, nil},
		{"third call", `{"jsonrpc":"2.0","id":7,"method":"tools/call"}`, []string{"level"}},
	}
	var o order
	names := map[*departure]string{}
	var over []func()
	for _, tt := range messages {
		m, err := scan([]byte(tt.frame))
		if err != nil {
			t.Fatal(err)
		}
		d, end := o.next(m)
		names[d], over = tt.name, append(over, end)
		var after []string
		for _, other := range d.after {
			after = append(after, names[other])
		}
		if !slices.Equal(after, tt.after) {
			t.Errorf("%s goes after %q, want %q", tt.name, after, tt.after)
		}
	}
	for _, end := range over {
		end()
	}
	if len(o.calls) != 0 {
		t.Errorf("%d calls are kept", len(o.calls))
	}
}

// A call that takes its time on the way is cancelled behind it; but a message
// whose forerunner is stuck goes ahead.
func TestDeparture(t *testing.T) {
	for _, tt := range []struct{ takes, want time.Duration }{{time.Second, time.Second}, {time.Hour, orderTimeout}} {
		synctest.Test(t, func(t *testing.T) {
			first, second := &departure{gone: make(chan struct{})}, &departure{}
			second.follow(first)
			time.AfterFunc(tt.takes, func() { close(first.gone) })
			began := time.Now()
			if !second.wait(t.Context()) || time.Since(began) != tt.want {
				t.Errorf("set out after %s, want %s", time.Since(began), tt.want)
			}
			time.Sleep(tt.takes)
		})
	}
}
