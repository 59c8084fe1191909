// SPDX-License-Identifier: Apache-2.0

package service_test

import (
	"os"
	"syscall"
	"testing"
	"testing/synctest"

	"github.com/atrawog/mcp-oauth-gateway/oauthdyn/service"
)

func TestSignals(t *testing.T) {
	for _, test := range []struct {
		name    string
		reloads bool
		got     []os.Signal
		want    string // what has come of it: r for a reload, s for stop, k for kill, u for signals left to the system
	}{
		{"none", false, nil, ""},
		{"interrupt", false, []os.Signal{syscall.SIGINT}, "s"},
		{"a second one", false, []os.Signal{syscall.SIGTERM, syscall.SIGINT}, "sku"},
		{"hangup of a program that belongs to a terminal", false, []os.Signal{syscall.SIGHUP}, "s"},
		{"hangup of a service", true, []os.Signal{syscall.SIGHUP, syscall.SIGHUP}, "r"},
		{"hangup and termination", true, []os.Signal{syscall.SIGHUP, syscall.SIGTERM}, "rs"},
	} {
		t.Run(test.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				var system chan<- os.Signal
				left := false
				sig, done := service.WatchSignals(
					func(c chan<- os.Signal, _ ...os.Signal) { system = c },
					func(chan<- os.Signal) { left = true })
				sig.Reloads.Store(test.reloads)
				for _, s := range test.got {
					system <- s
					synctest.Wait()
				}
				got := ""
				if len(sig.Reload) == 1 {
					got += "r"
				}
				if sig.Stop.Err() != nil {
					got += "s"
				}
				if sig.Kill.Err() != nil {
					got += "k"
				}
				if left {
					got += "u"
				}
				if got != test.want {
					t.Errorf("%q, want %q", got, test.want)
				}
				done()
				if sig.Stop.Err() == nil || sig.Kill.Err() == nil || !left {
					t.Error("something goes on when all is done")
				}
			})
		})
	}
}
