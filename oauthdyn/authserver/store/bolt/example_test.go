// SPDX-License-Identifier: Apache-2.0

package bolt_test

import (
	"context"
	"fmt"
	"os"
	"path/filepath"

	"github.com/atrawog/mcp-oauth-gateway/oauthdyn/authserver/store"
	"github.com/atrawog/mcp-oauth-gateway/oauthdyn/authserver/store/bolt"
)

func ExampleOpen() {
	dir, err := os.MkdirTemp("", "example")
	if err != nil {
		fmt.Println(err)
		return
	}
	defer os.RemoveAll(dir)
	db, err := bolt.Open(filepath.Join(dir, "oauthdyn.db"), &bolt.Options{
		Limits: store.Limits{Clients: 500}, // the rest has defaults; so have nil options
	})
	if err != nil {
		fmt.Println(err)
		return
	}
	defer db.Close()
	if err := db.CreateClient(context.Background(), store.Client{ID: "client_1"}); err != nil {
		fmt.Println(err)
		return
	}
	c, err := db.Client(context.Background(), "client_1")
	fmt.Println(c.ID, err)
	// Output: client_1 <nil>
}
