// SPDX-License-Identifier: Apache-2.0

package admin

import (
	"context"
	"path/filepath"

	"github.com/atrawog/mcp-oauth-gateway/oauthdyn/authserver/backup"
)

// OpBackup writes all that the store keeps to a file: BackupInput to BackupOutput.
const OpBackup = "backup"

// BackupInput names the file to make, by an absolute path. It is the server that
// makes it.
type BackupInput struct {
	File string `json:"file"`
}

// BackupOutput says how many records are in it.
type BackupOutput struct {
	Records int `json:"records"`
}

// Backup is OpBackup.
func (s *Service) Backup(ctx context.Context, in BackupInput) (BackupOutput, error) {
	if !filepath.IsAbs(in.File) {
		return BackupOutput{}, invalid("the file needs an absolute path")
	}
	n, err := backup.WriteFile(ctx, in.File, s.o.Store)
	if err != nil {
		return BackupOutput{}, err
	}
	return BackupOutput{n}, nil
}
