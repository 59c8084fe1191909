// SPDX-License-Identifier: Apache-2.0

package cli_test

import (
	"maps"
	"testing"

	"github.com/rogpeppe/go-internal/testscript"

	"github.com/atrawog/mcp-oauth-gateway/oauthdyn/internal/redistest"
)

// TestRedisScripts are about a store in Redis, whose URL is in $REDIS.
func TestRedisScripts(t *testing.T) {
	server := redistest.Start(t, redistest.Redis(t))
	cmds := maps.Clone(commands)
	db := server.Client()
	// redisset KEY VALUE
	cmds["redisset"] = func(ts *testscript.TestScript, _ bool, args []string) {
		ts.Check(db.Set(t.Context(), args[0], args[1], 0).Err())
	}
	testscript.Run(t, testscript.Params{
		Dir:                 "testdata/redis",
		RequireUniqueNames:  true,
		RequireExplicitExec: true,
		Cmds:                cmds,
		Setup: func(env *testscript.Env) error {
			env.Setenv("GORACE", "atexit_sleep_ms=0") // else each process sleeps a second at its end
			env.Setenv("REDIS", server.URL())
			return nil
		},
	})
}
