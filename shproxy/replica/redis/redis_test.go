// SPDX-License-Identifier: Apache-2.0

package redis_test

import (
	"fmt"
	"sync/atomic"
	"testing"

	goredis "github.com/redis/go-redis/v9"

	"github.com/atrawog/mcp-oauth-gateway/shproxy/internal/redistest"
	"github.com/atrawog/mcp-oauth-gateway/shproxy/replica"
	"github.com/atrawog/mcp-oauth-gateway/shproxy/replica/redis"
	"github.com/atrawog/mcp-oauth-gateway/shproxy/replica/replicatest"
)

func TestDirectory(t *testing.T) {
	server := redistest.Start(t)
	var n atomic.Int64
	replicatest.Run(t, func(t *testing.T) replica.Directory {
		client := goredis.NewClient(&goredis.Options{Addr: server.Addr, ContextTimeoutEnabled: true})
		t.Cleanup(func() { client.Close() })
		// Directories with other prefixes do not meet.
		d, err := redis.New(client, &redis.Options{Prefix: fmt.Sprint("test", n.Add(1))})
		if err != nil {
			t.Fatal(err)
		}
		return d
	})
}

func TestPrefix(t *testing.T) {
	if _, err := redis.New(nil, &redis.Options{Prefix: "a}b"}); err == nil {
		t.Error("a brace in the prefix is taken")
	}
}
