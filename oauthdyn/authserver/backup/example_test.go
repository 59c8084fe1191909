// SPDX-License-Identifier: Apache-2.0

package backup_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"time"

	"github.com/atrawog/mcp-oauth-gateway/oauthdyn/authserver/backup"
	"github.com/atrawog/mcp-oauth-gateway/oauthdyn/authserver/store"
	"github.com/atrawog/mcp-oauth-gateway/oauthdyn/authserver/store/memory"
)

func Example() {
	ctx := context.Background()
	running := memory.New(nil)
	if err := running.CreateClient(ctx, store.Client{ID: "client_1"}); err != nil {
		fmt.Println(err)
	}
	var file bytes.Buffer
	if _, err := backup.Write(ctx, &file, running); err != nil {
		fmt.Println(err)
	}

	other := memory.New(nil)
	n, err := backup.Read(ctx, bytes.NewReader(file.Bytes()), other, nil)
	fmt.Println(n, err)
	// Output: 1 <nil>
}

// A server moves from one kind of store to another. So does what another
// program has kept, if it is an Exporter.
func ExampleCopy() {
	ctx := context.Background()
	var from backup.Exporter = exampleStore()
	to := memory.New(nil)
	fmt.Println(backup.Empty(ctx, to))

	n, err := backup.Copy(ctx, from, to, &backup.ReadOptions{WithoutGrants: true})
	fmt.Println(n, err) // the client, not what people consented to
	fmt.Println(errors.Is(backup.Empty(ctx, to), backup.ErrNotEmpty))
	// Output:
	// <nil>
	// 1 <nil>
	// true
}

// A file of the night, and what is left of a copy that was cut short.
func ExampleWriteFile() {
	dir, err := os.MkdirTemp("", "example")
	if err != nil {
		fmt.Println(err)
		return
	}
	defer os.RemoveAll(dir)
	ctx, name := context.Background(), filepath.Join(dir, "backup.jsonl")
	fmt.Println(backup.WriteFile(ctx, name, exampleStore()))

	whole, err := os.ReadFile(name)
	if err != nil {
		fmt.Println(err)
		return
	}
	to := memory.New(nil)
	_, err = backup.Read(ctx, bytes.NewReader(whole[:len(whole)/2]), to, nil)
	fmt.Println(errors.Is(err, backup.ErrDamaged), backup.Empty(ctx, to))
	// Output:
	// 2 <nil>
	// true <nil>
}

// exampleStore has a client and an approval of it.
func exampleStore() store.Store {
	ctx, s := context.Background(), memory.New(nil)
	err := errors.Join(
		s.CreateClient(ctx, store.Client{ID: "client_1"}),
		s.Approve(ctx, "local:alice", store.HashOf("client_1"), time.Now().Add(time.Hour)),
	)
	if err != nil {
		panic(err)
	}
	return s
}
