// SPDX-License-Identifier: Apache-2.0

package storetest_test

import (
	"testing"

	"github.com/atrawog/mcp-oauth-gateway/oauthdyn/authserver/store"
	"github.com/atrawog/mcp-oauth-gateway/oauthdyn/authserver/store/memory"
	"github.com/atrawog/mcp-oauth-gateway/oauthdyn/authserver/store/storetest"
)

// The test of a store of one's own; package memory stands for it.
func ExampleRun() {
	var open storetest.Open = func(t *testing.T, o storetest.Options) store.Store {
		// What has to be closed: t.Cleanup.
		return memory.New(&memory.Options{Limits: o.Limits, Now: o.Now})
	}
	_ = func(t *testing.T) { // TestContract
		storetest.Run(t, open)
	}
}
