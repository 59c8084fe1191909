// SPDX-License-Identifier: Apache-2.0

// Package safefile keeps secrets in files that only their owner can read, and
// coordinates the processes that share them.
package safefile

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"time"
)

const (
	fileMode = 0o600
	dirMode  = 0o700

	// How often a lock that another process holds is tried again.
	minPoll = 5 * time.Millisecond
	maxPoll = 25 * time.Millisecond
)

// errLocked is what tryLock returns while somebody else holds the lock.
var errLocked = errors.New("locked")

// Read returns the content of a private file. It refuses a file that is a
// symbolic link, no regular file, larger than limit, owned by somebody else, or
// open to others. A file that does not exist is fs.ErrNotExist.
func Read(path string, limit int64) ([]byte, error) {
	f, err := open(path, os.O_RDONLY)
	if err != nil {
		return nil, err
	}
	defer func() { _ = f.Close() }() // read only
	data, err := io.ReadAll(io.LimitReader(f, limit+1))
	if err != nil {
		return nil, err
	}
	if int64(len(data)) > limit {
		return nil, fmt.Errorf("%s is larger than %d bytes", path, limit)
	}
	return data, nil
}

// Write replaces a private file in one step: after a crash the file holds
// either the old or the new content. It creates the directory when there is
// none, and refuses one that others may write to.
func Write(path string, data []byte) (err error) {
	dir := filepath.Dir(path)
	if err := makeDir(dir); err != nil {
		return err
	}
	if err := checkReplaceable(path); err != nil {
		return err
	}
	f, err := os.CreateTemp(dir, "."+filepath.Base(path)+".*") // mode 0600
	if err != nil {
		return err
	}
	defer func() {
		if err != nil {
			_ = os.Remove(f.Name()) // the first error is the one to tell
		}
	}()
	_, err = f.Write(data)
	if err == nil {
		err = f.Sync()
	}
	if closeErr := f.Close(); err == nil {
		err = closeErr
	}
	if err == nil {
		err = replace(f.Name(), path)
	}
	if err == nil {
		err = syncDir(dir)
	}
	return err
}

// Lock takes an exclusive lock that all processes of the machine respect, and
// creates its file, which stays behind: removing it would let two processes
// hold one lock. The lock ends with unlock or with the process.
func Lock(ctx context.Context, path string) (unlock func(), err error) {
	if err := makeDir(filepath.Dir(path)); err != nil {
		return nil, err
	}
	f, err := open(path, os.O_RDWR|os.O_CREATE)
	if err != nil {
		return nil, err
	}
	for wait := minPoll; ; wait = min(2*wait, maxPoll) {
		err := tryLock(f)
		if err == nil {
			// Closing releases the lock; there is nothing to save.
			return func() { _ = f.Close() }, nil
		}
		if err = pause(ctx, err, wait); err != nil {
			_ = f.Close() // the first error is the one to tell
			return nil, fmt.Errorf("lock %s: %w", path, err)
		}
	}
}

// pause waits before the next try, unless err says that trying is no use.
func pause(ctx context.Context, err error, wait time.Duration) error {
	if !errors.Is(err, errLocked) {
		return err
	}
	t := time.NewTimer(wait)
	defer t.Stop()
	select {
	case <-ctx.Done():
		return ctx.Err()
	case <-t.C:
		return nil
	}
}

// open opens a private file and checks what it opened, not what the path
// named a moment before.
func open(path string, flag int) (*os.File, error) {
	f, err := os.OpenFile(path, flag|noFollow, fileMode)
	if err != nil {
		if info, lerr := os.Lstat(path); lerr == nil && info.Mode()&fs.ModeSymlink != 0 {
			return nil, symlinkError(path)
		}
		return nil, err
	}
	info, err := f.Stat()
	if err == nil {
		err = checkFile(path, info)
	}
	if err != nil {
		_ = f.Close() // the first error is the one to tell
		return nil, err
	}
	return f, nil
}

// checkReplaceable refuses to rename over a file that Read would refuse.
func checkReplaceable(path string) error {
	info, err := os.Lstat(path)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return err
	}
	return checkFile(path, info)
}

func checkFile(path string, info fs.FileInfo) error {
	switch {
	case info.Mode()&fs.ModeSymlink != 0:
		return symlinkError(path)
	case !info.Mode().IsRegular():
		return fmt.Errorf("%s is not a regular file", path)
	}
	if err := checkOwner(path, info); err != nil {
		return err
	}
	if perm := info.Mode().Perm(); modesMatter && perm&0o077 != 0 {
		return fmt.Errorf("%s is open to other users (mode %04o); run: chmod 600 %s", path, perm, path)
	}
	return nil
}

func symlinkError(path string) error {
	return fmt.Errorf("%s is a symbolic link; name the file itself", path)
}

// makeDir creates a directory for the owner alone. One that exists may be
// readable by others, since the files in it are not.
func makeDir(dir string) error {
	if err := os.MkdirAll(dir, dirMode); err != nil {
		return err
	}
	info, err := os.Stat(dir)
	if err != nil {
		return err
	}
	if err := checkOwner(dir, info); err != nil {
		return err
	}
	if perm := info.Mode().Perm(); modesMatter && perm&0o022 != 0 {
		return fmt.Errorf("directory %s can be written to by other users (mode %04o); run: chmod 700 %s", dir, perm, dir)
	}
	return nil
}
