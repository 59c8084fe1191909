// SPDX-License-Identifier: Apache-2.0

package memory_test

import (
	"context"
	"errors"
	"fmt"

	"github.com/atrawog/mcp-oauth-gateway/oauthdyn/authserver/store"
	"github.com/atrawog/mcp-oauth-gateway/oauthdyn/authserver/store/memory"
)

func ExampleNew() {
	db := memory.New(nil)
	_, err := db.Client(context.Background(), "client_1")
	fmt.Println(errors.Is(err, store.ErrNotFound))
	// Output: true
}
