// SPDX-License-Identifier: Apache-2.0

package original_test

import (
	"context"
	"fmt"

	goredis "github.com/redis/go-redis/v9"

	"github.com/atrawog/mcp-oauth-gateway/oauthdyn/authserver/original"
	"github.com/atrawog/mcp-oauth-gateway/oauthdyn/authserver/store"
	"github.com/atrawog/mcp-oauth-gateway/oauthdyn/authserver/store/memory"
)

// Clients and grants move from the original's Redis to a store.
func ExampleRead() {
	ctx := context.Background()
	old := goredis.NewClient(&goredis.Options{Addr: "redis.example:6379", Password: "…"})
	defer old.Close()
	to := memory.New(nil)
	report, err := original.Read(ctx, old, original.Options{Resources: []string{"https://mcp.example.com/mcp"}},
		func(r store.Record) error { return to.Import(ctx, []store.Record{r}) })
	if err != nil {
		fmt.Println(err)
		return
	}
	fmt.Println(report.Clients, "clients,", report.Grants, "grants")
	for _, s := range report.Skipped {
		fmt.Println("not", s.ClientID, "since", s.Reason)
	}
}
