// SPDX-License-Identifier: Apache-2.0

package redis_test

import (
	"context"
	"fmt"
	"log/slog"
	"time"

	"github.com/atrawog/mcp-oauth-gateway/oauthdyn/authserver"
	"github.com/atrawog/mcp-oauth-gateway/oauthdyn/authserver/store/redis"
)

// All replicas of a server have the same store.
func ExampleOpen() {
	db, err := redis.Open(context.Background(), "redis://redis.internal:6379/0", &redis.Options{
		Password: "from a file", Logger: slog.Default(),
	})
	if err != nil {
		fmt.Println(err)
		return
	}
	defer db.Close()
	options := authserver.Options{Issuer: "https://auth.example.com", Store: db} // the same for all replicas
	fmt.Println(options.Issuer)
}

// A program that has a client already, or wants to look at the database itself.
func ExampleNew() {
	client, err := redis.Connect("rediss://redis.internal:6379/0", "from a file", 5*time.Second)
	if err != nil {
		fmt.Println(err)
		return
	}
	defer client.Close()
	ctx := context.Background()
	db, err := redis.New(ctx, client, &redis.Options{Prefix: "staging"})
	if err != nil {
		fmt.Println(err)
		return
	}
	fmt.Println(db.Client(ctx, "client_1"))
}
