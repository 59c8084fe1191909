// SPDX-License-Identifier: Apache-2.0

package cli_test

import (
	"testing"

	"github.com/rogpeppe/go-internal/testscript"

	"github.com/atrawog/mcp-oauth-gateway/oauthdyn/internal/redistest"
)

// TestRedisScripts are about a store in Redis, whose URL is in $REDIS.
func TestRedisScripts(t *testing.T) {
	server := redistest.Start(t, redistest.Redis(t))
	testscript.Run(t, testscript.Params{
		Dir:                 "testdata/redis",
		RequireUniqueNames:  true,
		RequireExplicitExec: true,
		Cmds:                commands,
		Setup: func(env *testscript.Env) error {
			env.Setenv("REDIS", server.URL())
			return nil
		},
	})
}
