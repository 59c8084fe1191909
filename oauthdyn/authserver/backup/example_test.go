// SPDX-License-Identifier: Apache-2.0

package backup_test

import (
	"bytes"
	"context"
	"fmt"

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
