// SPDX-License-Identifier: Apache-2.0

package redis_test

import (
	"log"
	"net"
	"os"

	goredis "github.com/redis/go-redis/v9"

	"github.com/atrawog/mcp-oauth-gateway/shproxy/replica"
	"github.com/atrawog/mcp-oauth-gateway/shproxy/replica/redis"
)

// A member whose directory is in Redis.
func ExampleNew() {
	client := goredis.NewClient(&goredis.Options{Addr: "redis:6379", ContextTimeoutEnabled: true})
	directory, err := redis.New(client, &redis.Options{Prefix: redis.DefaultPrefix})
	if err != nil {
		log.Fatal(err)
	}
	var shared replica.Directory = directory
	key, err := os.ReadFile("replica-key")
	if err != nil {
		log.Fatal(err)
	}
	listener, err := net.Listen("tcp", "10.0.0.7:7443")
	if err != nil {
		log.Fatal(err)
	}
	member, err := replica.New(replica.Options{Directory: shared, Key: key, Listener: listener})
	if err != nil {
		log.Fatal(err)
	}
	log.Print("this is ", member.Name())
}
