// SPDX-License-Identifier: Apache-2.0

package cli

import (
	"context"
	"log/slog"
	"path/filepath"

	"github.com/spf13/cobra"

	"github.com/atrawog/mcp-oauth-gateway/oauthdyn/authserver/store"
	"github.com/atrawog/mcp-oauth-gateway/oauthdyn/authserver/store/bolt"
)

const (
	defaultData = "oauthdyn-data"
	storeFile   = "oauthdyn.db"
)

// storeFlags say where clients, grants and keys are kept. All commands that read
// or write them have these flags.
type storeFlags struct {
	data string
}

func (f *storeFlags) add(cmd *cobra.Command) {
	cmd.Flags().StringVar(&f.data, "data", defaultData, "`DIR` for the store and the users")
}

// A closingStore is a store that must be closed.
type closingStore interface {
	store.Store
	Close() error
}

// open opens the store that the flags name. What is worth a warning goes to log.
func (f *storeFlags) open(context.Context, *slog.Logger) (closingStore, error) {
	db, err := bolt.Open(filepath.Join(f.data, storeFile), nil)
	if err != nil {
		return nil, err
	}
	return db, nil
}
