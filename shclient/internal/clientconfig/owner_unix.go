// SPDX-License-Identifier: Apache-2.0

//go:build unix

package clientconfig

import (
	"io/fs"
	"os"
	"syscall"
)

// foreign reports that a file belongs to neither this user nor the system.
func foreign(info fs.FileInfo) bool {
	stat, ok := info.Sys().(*syscall.Stat_t)
	return ok && stat.Uid != 0 && int(stat.Uid) != os.Geteuid()
}
