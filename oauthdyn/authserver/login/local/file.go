// SPDX-License-Identifier: Apache-2.0

package local

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"time"

	"github.com/atrawog/mcp-oauth-gateway/oauthdyn/internal/safefile"
)

const (
	// maxFile bounds the file of users.
	maxFile = 16 << 20

	// lockTimeout is how long a change waits for those of other processes.
	lockTimeout = 10 * time.Second
)

// A line is one user in the file, as JSON.
type line struct {
	Name string `json:"name"`
	Hash string `json:"hash"`
}

// fileState tells whether the file has changed.
type fileState struct {
	modified time.Time
	size     int64
}

// reload reads the file again if it has changed. The caller holds u.mu.
func (u *Users) reload() error {
	if u.path == "" {
		return nil
	}
	info, err := os.Stat(u.path)
	if errors.Is(err, fs.ErrNotExist) {
		u.hashes, u.read = map[string]hash{}, fileState{}
		return nil
	}
	if err != nil {
		return fmt.Errorf("local: %w", err)
	}
	state := fileState{info.ModTime(), info.Size()}
	if state == u.read {
		return nil
	}
	// The group may read it: so do Kubernetes and systemd hand secrets over.
	if runtime.GOOS != "windows" && info.Mode().Perm()&0o037 != 0 {
		return fmt.Errorf("local: %s can be read by other users of this machine; run: chmod 600 %s", u.path, u.path)
	}
	hashes, err := readFile(u.path)
	if err != nil {
		return err
	}
	u.hashes, u.read = hashes, state
	return nil
}

func readFile(path string) (map[string]hash, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, fmt.Errorf("local: %w", err)
	}
	defer f.Close()
	hashes := map[string]hash{}
	lines := bufio.NewScanner(io.LimitReader(f, maxFile))
	for n := 1; lines.Scan(); n++ {
		if len(bytes.TrimSpace(lines.Bytes())) == 0 {
			continue
		}
		var l line
		if err := json.Unmarshal(lines.Bytes(), &l); err != nil {
			return nil, fmt.Errorf("local: %s line %d is not a user", path, n)
		}
		name, err := cleanName(l.Name)
		if err != nil {
			return nil, fmt.Errorf("local: %s line %d: the name is not valid", path, n)
		}
		if hashes[name], err = parseHash(l.Hash); err != nil {
			return nil, fmt.Errorf("local: %s line %d: %w", path, n, err)
		}
	}
	if err := lines.Err(); err != nil {
		return nil, fmt.Errorf("local: %s: %w", path, err)
	}
	return hashes, nil
}

// change applies an edit to the users as the file has them now, and writes them
// back before another process does the same. The caller holds u.mu.
func (u *Users) change(edit func()) error {
	if u.path == "" {
		edit()
		return nil
	}
	ctx, cancel := context.WithTimeout(context.Background(), lockTimeout)
	defer cancel()
	unlock, err := safefile.Lock(ctx, filepath.Join(u.path+".locks", "file"))
	if err != nil {
		return fmt.Errorf("local: %w", err)
	}
	defer unlock()
	if err := u.reload(); err != nil {
		return err
	}
	edit()
	if err := writeFile(u.path, u.hashes); err != nil {
		u.read = fileState{} // what is in memory is not in the file: read again
		return err
	}
	info, err := os.Stat(u.path)
	if err != nil {
		return fmt.Errorf("local: %w", err)
	}
	u.read = fileState{info.ModTime(), info.Size()}
	return nil
}

// writeFile replaces the file in one step, readable by its owner only.
func writeFile(path string, hashes map[string]hash) (err error) {
	var names []string
	for name := range hashes {
		names = append(names, name)
	}
	slices.Sort(names)
	var content bytes.Buffer
	for _, name := range names {
		data, err := json.Marshal(line{name, hashes[name].encode()})
		if err != nil {
			return fmt.Errorf("local: %w", err)
		}
		content.Write(append(data, '\n'))
	}
	f, err := os.CreateTemp(filepath.Dir(path), ".users-*") // mode 0600
	if err != nil {
		return fmt.Errorf("local: %w", err)
	}
	defer func() {
		if err != nil {
			err = fmt.Errorf("local: %w", errors.Join(err, os.Remove(f.Name())))
		}
	}()
	if _, err = f.Write(content.Bytes()); err == nil {
		err = f.Sync()
	}
	if err = errors.Join(err, f.Close()); err != nil {
		return err
	}
	return os.Rename(f.Name(), path)
}
