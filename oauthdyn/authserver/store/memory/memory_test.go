// SPDX-License-Identifier: Apache-2.0

package memory_test

import (
	"testing"

	"github.com/atrawog/mcp-oauth-gateway/oauthdyn/authserver/store"
	"github.com/atrawog/mcp-oauth-gateway/oauthdyn/authserver/store/memory"
	"github.com/atrawog/mcp-oauth-gateway/oauthdyn/authserver/store/storetest"
)

func TestContract(t *testing.T) {
	storetest.Run(t, func(_ *testing.T, o storetest.Options) store.Store {
		return memory.New(&memory.Options{Limits: o.Limits, Now: o.Now})
	})
}
