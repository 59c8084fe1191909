// SPDX-License-Identifier: Apache-2.0

package memory_test

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/atrawog/mcp-oauth-gateway/oauthdyn/authserver/store"
	"github.com/atrawog/mcp-oauth-gateway/oauthdyn/authserver/store/memory"
)

// A test that does not wait for the time.
func ExampleNew() {
	ctx, now := context.Background(), time.Now()
	db := memory.New(&memory.Options{Now: func() time.Time { return now }}) // nil would do as well
	code := store.Code{Hash: store.HashOf("code"), ClientID: "client_1", Expires: now.Add(time.Minute)}
	if err := db.PutCode(ctx, code); err != nil {
		fmt.Println(err)
		return
	}
	now = now.Add(time.Hour)
	_, err := db.Code(ctx, code.Hash)
	fmt.Println(errors.Is(err, store.ErrNotFound))
	// Output: true
}
