// SPDX-License-Identifier: Apache-2.0

package redis_test

import (
	"context"
	"fmt"
	"log/slog"

	"github.com/atrawog/mcp-oauth-gateway/oauthdyn/authserver"
	"github.com/atrawog/mcp-oauth-gateway/oauthdyn/authserver/store/redis"
)

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
