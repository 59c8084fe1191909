// SPDX-License-Identifier: Apache-2.0

//go:build !(darwin || dragonfly || freebsd || linux || netbsd || openbsd || windows)

package safefile

import (
	"io/fs"
	"os"
)

const (
	noFollow    = 0
	modesMatter = false
)

func checkOwner(string, fs.FileInfo) error { return nil }

// tryLock has no lock to offer: processes that share a file on this system can
// both refresh a token.
func tryLock(*os.File) error { return nil }

func replace(from, to string) error { return os.Rename(from, to) }

func syncDir(string) error { return nil }
