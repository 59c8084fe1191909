// SPDX-License-Identifier: Apache-2.0

package clientconfig

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
)

// A Place is a file to write to, in the form of a client.
type Place struct {
	Client *Client
	File   string
}

// ForFile is the place of a file that the user names: in the form of VS Code if
// it has "servers" or is called .vscode/mcp.json, else in that of all others.
func ForFile(name string) Place {
	form := *fileClient
	form.member, form.remote = "mcpServers", false
	for _, c := range Clients {
		if c.project != "" && filepath.Base(name) == filepath.Base(c.project) && filepath.Base(filepath.Dir(name)) == filepath.Dir(c.project) ||
			c.project == filepath.Base(name) {
			return Place{c, name}
		}
	}
	if doc, err := readFile(name, true, false); err == nil && doc["mcpServers"] == nil && doc["servers"] != nil {
		form.member = "servers"
	}
	return Place{&form, name}
}

// A Change is what Add did.
type Change struct {
	File    string `json:"file"`
	Backup  string `json:"backup,omitempty"` // of what was there before
	Created bool   `json:"created"`
}

// Add writes an entry into the file, in one step: whoever reads it meanwhile
// gets the old or the new content. What the file had is kept beside it, in a
// file that ends in ".bak". The error is ErrExists if the name is taken and
// force is not set.
func (p Place) Add(name string, entry json.RawMessage, force bool) (*Change, error) {
	file := p.File
	if real, err := filepath.EvalSymlinks(file); err == nil {
		file = real // a link into a directory that is kept elsewhere stays one
	}
	before, err := readBytes(file, false)
	missing := errors.Is(err, fs.ErrNotExist)
	if err != nil && !missing {
		return nil, err
	}
	after, err := Insert(before, p.Client.member, name, entry, p.Client.comments, force)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", p.File, err)
	}
	change := &Change{File: p.File, Created: missing}
	mode := fs.FileMode(0o600) // an entry may hold secrets
	if missing {
		if err := os.MkdirAll(filepath.Dir(file), 0o755); err != nil {
			return nil, err
		}
	} else {
		info, err := os.Stat(file)
		if err != nil {
			return nil, err
		}
		mode = info.Mode().Perm()
		change.Backup = file + ".bak"
		if err := replaceFile(change.Backup, before, mode); err != nil {
			return nil, fmt.Errorf("no backup, so nothing was changed: %w", err)
		}
	}
	if now, err := readBytes(file, false); missing != errors.Is(err, fs.ErrNotExist) || !bytes.Equal(now, before) {
		return nil, fmt.Errorf("%s was changed by another program meanwhile; try again", p.File)
	}
	if err := replaceFile(file, after, mode); err != nil {
		return nil, err
	}
	return change, nil
}

// replaceFile writes a file in one step.
func replaceFile(name string, content []byte, mode fs.FileMode) (err error) {
	f, err := os.CreateTemp(filepath.Dir(name), "."+filepath.Base(name)+".*")
	if err != nil {
		return err
	}
	defer func() {
		if err != nil {
			_ = os.Remove(f.Name()) // the first error is the one to tell
		}
	}()
	_, err = f.Write(content)
	if err == nil {
		err = f.Chmod(mode)
	}
	if err == nil {
		err = f.Sync()
	}
	if closeErr := f.Close(); err == nil {
		err = closeErr
	}
	if err == nil {
		err = os.Rename(f.Name(), name)
	}
	return err
}
