// SPDX-License-Identifier: Apache-2.0

//go:build !unix

package clientconfig

import "io/fs"

// foreign is not known here: the directories of other users are not writable,
// and theirs are not ours, by default.
func foreign(fs.FileInfo) bool { return false }
