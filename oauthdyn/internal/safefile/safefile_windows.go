// SPDX-License-Identifier: Apache-2.0

package safefile

import (
	"errors"
	"io/fs"
	"os"
	"time"

	"golang.org/x/sys/windows"
)

// Windows has no permission bits; files in a user's profile are protected by
// what they inherit from it.
const (
	noFollow    = 0
	modesMatter = false
)

func checkOwner(string, fs.FileInfo) error { return nil }

func tryLock(f *os.File) error {
	err := windows.LockFileEx(windows.Handle(f.Fd()),
		windows.LOCKFILE_EXCLUSIVE_LOCK|windows.LOCKFILE_FAIL_IMMEDIATELY, 0, 1, 0, new(windows.Overlapped))
	if errors.Is(err, windows.ERROR_LOCK_VIOLATION) {
		return errLocked
	}
	return err
}

// replace tries again for a moment, because a file cannot be replaced while
// another process reads it.
func replace(from, to string) error {
	for try := 0; ; try++ {
		err := os.Rename(from, to)
		if err == nil || try == 20 {
			return err
		}
		time.Sleep(minPoll)
	}
}

func syncDir(string) error { return nil }
