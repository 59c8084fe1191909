// SPDX-License-Identifier: Apache-2.0

package local_test

import (
	"context"
	"fmt"
	"os"
	"path/filepath"

	"github.com/atrawog/mcp-oauth-gateway/oauthdyn/authserver/login/local"
)

func ExampleOpen() {
	dir, err := os.MkdirTemp("", "example")
	if err != nil {
		fmt.Println(err)
		return
	}
	defer os.RemoveAll(dir)
	users, err := local.Open(filepath.Join(dir, "users"))
	if err != nil {
		fmt.Println(err)
		return
	}
	if err := users.Set("alice", "correct horse battery staple"); err != nil {
		fmt.Println(err)
		return
	}
	fmt.Println(users.Verify(context.Background(), "alice", "correct horse battery staple"))
	fmt.Println(users.Verify(context.Background(), "alice", "a guess"))
	// Output:
	// true <nil>
	// false <nil>
}
