// SPDX-License-Identifier: Apache-2.0

// Package schemacache keeps the tools of servers for shell completion, which
// must not connect with a server. It is bounded in size and age, holds no
// secrets, and what goes wrong with it costs completions and nothing else.
package schemacache

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"
	"unicode"

	"github.com/modelcontextprotocol/go-sdk/mcp"
)

// Bounds.
const (
	MaxAge   = 30 * 24 * time.Hour // of what is believed
	MaxBytes = 1 << 20             // of one server; larger schemas are left out
	MaxFiles = 64                  // servers; the oldest go

	refresh     = 24 * time.Hour // after which even the same is written again
	maxText     = 200            // bytes of a description
	fileVersion = 1
)

// A Cache is a directory of this user. It is safe for use by several processes.
type Cache struct{ Dir string }

// A Tool is what completion needs to know of one.
type Tool struct {
	Name        string          `json:"name"`
	Description string          `json:"description,omitempty"` // one line
	InputSchema json.RawMessage `json:"inputSchema,omitempty"` // none if it is too large
}

type file struct {
	Version int       `json:"version"`
	Target  string    `json:"target"`
	Written time.Time `json:"written"`
	Tools   []Tool    `json:"tools"`
}

func (c Cache) path(target string) string {
	sum := sha256.Sum256([]byte(target))
	return filepath.Join(c.Dir, hex.EncodeToString(sum[:16])+".json")
}

// Put remembers the tools of a target, which is its name or its URL without
// secrets.
func (c Cache) Put(target string, tools []*mcp.Tool, now time.Time) error {
	f := file{Version: fileVersion, Target: target, Written: now.UTC().Truncate(time.Second), Tools: []Tool{}}
	left := MaxBytes / 2
	for _, tool := range tools {
		if tool.Name == "" || strings.ContainsFunc(tool.Name, func(r rune) bool { return unicode.IsSpace(r) || !unicode.IsPrint(r) }) {
			continue // no shell could complete that
		}
		t := Tool{Name: tool.Name, Description: firstLine(tool.Description)}
		if schema, err := json.Marshal(tool.InputSchema); err == nil && len(schema) <= left {
			t.InputSchema = schema
		}
		left -= len(t.Name) + len(t.Description) + len(t.InputSchema) + 64
		if left < 0 {
			break
		}
		f.Tools = append(f.Tools, t)
	}
	if old, ok := c.read(c.path(target)); ok && now.Sub(old.Written) < refresh && now.After(old.Written) && same(old, &f) {
		return nil
	}
	text, err := json.Marshal(f)
	if err != nil {
		return err
	}
	if err := os.MkdirAll(c.Dir, 0o700); err != nil {
		return err
	}
	if err := c.write(c.path(target), text); err != nil {
		return err
	}
	return c.trim(now)
}

func same(old, f *file) bool {
	a, errA := json.Marshal(old.Tools)
	b, errB := json.Marshal(f.Tools)
	return errA == nil && errB == nil && old.Target == f.Target && bytes.Equal(a, b)
}

// Tools are those of a target, as they were.
func (c Cache) Tools(target string, now time.Time) []Tool {
	f, ok := c.read(c.path(target))
	if !ok || f.Target != target || now.Sub(f.Written) > MaxAge {
		return nil
	}
	return f.Tools
}

// Targets are those that something is known of.
func (c Cache) Targets(now time.Time) []string {
	var list []string
	for _, name := range c.files() {
		if f, ok := c.read(name); ok && now.Sub(f.Written) <= MaxAge {
			list = append(list, f.Target)
		}
	}
	slices.Sort(list)
	return list
}

// files are at most some more than there should be.
func (c Cache) files() []string {
	dir, err := os.Open(c.Dir)
	if err != nil {
		return nil
	}
	defer dir.Close()
	names, err := dir.Readdirnames(8 * MaxFiles)
	if err != nil && !errors.Is(err, io.EOF) {
		return nil
	}
	var files []string
	for _, name := range names {
		if strings.HasSuffix(name, ".json") {
			files = append(files, filepath.Join(c.Dir, name))
		}
	}
	return files
}

func (c Cache) read(name string) (*file, bool) {
	r, err := os.Open(name)
	if err != nil {
		return nil, false
	}
	defer r.Close()
	if info, err := r.Stat(); err != nil || !info.Mode().IsRegular() {
		return nil, false
	}
	text, err := io.ReadAll(io.LimitReader(r, MaxBytes+1))
	var f file
	if err != nil || len(text) > MaxBytes || json.Unmarshal(text, &f) != nil || f.Version != fileVersion {
		return nil, false
	}
	return &f, true
}

// write replaces a file in one step. It need not survive a crash.
func (c Cache) write(name string, text []byte) (err error) {
	f, err := os.CreateTemp(c.Dir, ".*.tmp") // mode 0600
	if err != nil {
		return err
	}
	_, err = f.Write(text)
	if closeErr := f.Close(); err == nil {
		err = closeErr
	}
	if err == nil {
		err = os.Rename(f.Name(), name)
	}
	if err != nil {
		_ = os.Remove(f.Name()) // the first error is the one to tell
	}
	return err
}

// trim removes what is too old, and the oldest of too many.
func (c Cache) trim(now time.Time) error {
	type aged struct {
		name    string
		written time.Time
	}
	var kept []aged
	for _, name := range c.files() {
		info, err := os.Lstat(name)
		if err != nil {
			continue // another process was first
		}
		if now.Sub(info.ModTime()) > MaxAge {
			_ = os.Remove(name) // as before
			continue
		}
		kept = append(kept, aged{name, info.ModTime()})
	}
	slices.SortFunc(kept, func(a, b aged) int { return b.written.Compare(a.written) })
	for _, old := range kept[min(len(kept), MaxFiles):] {
		if err := os.Remove(old.name); err != nil && !errors.Is(err, fs.ErrNotExist) {
			return err
		}
	}
	return nil
}

// firstLine cuts a description to what fits beside a name.
func firstLine(text string) string {
	text, _, _ = strings.Cut(strings.TrimSpace(text), "\n")
	text = strings.Map(func(r rune) rune {
		if !unicode.IsPrint(r) {
			return -1
		}
		return r
	}, text)
	if len(text) > maxText {
		text = strings.ToValidUTF8(text[:maxText], "") + "…"
	}
	return text
}
