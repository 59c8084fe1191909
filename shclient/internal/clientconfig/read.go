// SPDX-License-Identifier: Apache-2.0

package clientconfig

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"

	"github.com/tailscale/hujson"
)

// Bounds of a file. Claude Code keeps the history of its projects beside the
// servers. The parser of comments has no bound of its own on depth, so that a
// file with comments has a smaller one.
const (
	maxFileBytes     = 64 << 20
	maxCommentsBytes = 1 << 20
	maxServers       = 10_000
)

// document is a file, of which each part is read on its own so that one that is
// wrong does not hide the others.
type document map[string]json.RawMessage

// readFile reads a file. An empty one is an empty object. shared says that it
// may be that of another person.
func readFile(name string, comments, shared bool) (document, error) {
	text, err := readBytes(name, shared)
	if err != nil {
		return nil, err
	}
	text, err = standard(text, comments)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", name, err)
	}
	doc := document{}
	if len(bytes.TrimSpace(text)) == 0 {
		return doc, nil
	}
	if json.Unmarshal(text, &doc) != nil || doc == nil { // it parses: only its kind is wrong
		return nil, fmt.Errorf("%s: a JSON object is wanted", name)
	}
	return doc, nil
}

func readBytes(name string, shared bool) ([]byte, error) {
	f, err := os.Open(name)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	info, err := f.Stat()
	switch {
	case err != nil:
		return nil, err
	case !info.Mode().IsRegular():
		return nil, fmt.Errorf("%s is no file", name)
	case shared && foreign(info):
		return nil, fmt.Errorf("%s belongs to another user, and is not used", name)
	}
	text, err := io.ReadAll(io.LimitReader(f, maxFileBytes+1))
	if err == nil && len(text) > maxFileBytes {
		err = fmt.Errorf("%s has more than %d bytes", name, maxFileBytes)
	}
	return text, err
}

var byteOrderMark = []byte("\ufeff")

// standard makes JSON of JSON with comments, in the same place.
func standard(text []byte, comments bool) ([]byte, error) {
	text = bytes.TrimPrefix(text, byteOrderMark)
	if json.Valid(text) || len(bytes.TrimSpace(text)) == 0 {
		return text, nil
	}
	if !comments {
		return nil, syntaxError(text)
	}
	if len(text) > maxCommentsBytes {
		return nil, fmt.Errorf("it is no JSON, and for JSON with comments larger than %d bytes", maxCommentsBytes)
	}
	plain, err := hujson.Standardize(bytes.Clone(text))
	if err != nil {
		return nil, errors.New(strings.TrimPrefix(err.Error(), "hujson: "))
	}
	return plain, nil
}

// syntaxError says where text stops to be JSON.
func syntaxError(text []byte) error {
	err := json.Unmarshal(text, new(any))
	place := ""
	if syntax, ok := errors.AsType[*json.SyntaxError](err); ok {
		before := text[:min(int(syntax.Offset), len(text))]
		place = fmt.Sprintf("line %d: ", 1+bytes.Count(before, []byte("\n")))
	}
	if len(text) <= maxCommentsBytes {
		if _, withComments := hujson.Parse(text); withComments == nil {
			return errors.New(place + "this client reads neither comments nor trailing commas")
		}
	}
	return fmt.Errorf("%s%w", place, err)
}

type rawEntry json.RawMessage

// UnmarshalJSON takes anything.
func (r *rawEntry) UnmarshalJSON(text []byte) error {
	*r = bytes.Clone(text)
	return nil
}

// servers are the entries of the file itself.
func (d document) servers(client *Client) (map[string]rawEntry, error) {
	member := client.member
	if member == "" { // of the file that was named: whichever it has
		member = "mcpServers"
		if _, ok := d[member]; !ok && d["servers"] != nil {
			member = "servers"
		}
	}
	raw, ok := d[member]
	if !ok {
		return nil, nil
	}
	var servers map[string]rawEntry
	if json.Unmarshal(raw, &servers) != nil {
		return nil, fmt.Errorf("%q is no object of servers", member)
	}
	if len(servers) > maxServers {
		return nil, fmt.Errorf("more than %d servers", maxServers)
	}
	return servers, nil
}

// localServers are what Claude Code keeps for a project in the user's file.
type localServers struct {
	dir             string
	Servers         map[string]rawEntry `json:"mcpServers"`
	DisabledServers []string            `json:"disabledMcpServers"`
}

// project finds the nearest of the directories that the file has something for.
func (d document) project(dirs []string) localServers {
	raw, ok := d["projects"]
	if !ok || len(dirs) == 0 {
		return localServers{}
	}
	var all map[string]rawEntry
	_ = json.Unmarshal(raw, &all) // what is no object has no projects
	for _, dir := range dirs {
		for key, raw := range all {
			if filepath.Clean(filepath.FromSlash(key)) != dir {
				continue
			}
			p := localServers{dir: dir}
			_ = json.Unmarshal(raw, &p) // what is readable counts
			return p
		}
	}
	return localServers{}
}

// input is a value that VS Code asks its user for.
type input struct {
	Description string `json:"description"`
	Default     string `json:"default"`
}

func (d document) inputs() map[string]input {
	raw, ok := d["inputs"]
	if !ok {
		return nil
	}
	var list []rawEntry
	_ = json.Unmarshal(raw, &list) // without inputs, those who want one say so
	inputs := map[string]input{}
	for _, raw := range list {
		var in struct {
			ID string `json:"id"`
			input
		}
		if json.Unmarshal(raw, &in) == nil && in.ID != "" {
			inputs[in.ID] = in.input
		}
	}
	return inputs
}
