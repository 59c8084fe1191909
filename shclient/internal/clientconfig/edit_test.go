// SPDX-License-Identifier: Apache-2.0

package clientconfig_test

import (
	"encoding/json"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/atrawog/mcp-oauth-gateway/shclient/internal/clientconfig"
)

func TestInsert(t *testing.T) {
	const entry = `{"command":"x","args":["1"]}`
	for _, tt := range []struct{ name, in, want string }{
		{"nothing", "", "{\n  \"mcpServers\": {\n    \"n\": {\n      \"command\": \"x\",\n      \"args\": [\n        \"1\"\n      ]\n    }\n  }\n}\n"},
		{"no servers", "{\n\t\"a\": 1.0 // one\n}", "{\n\t\"a\": 1.0, // one\n\t\"mcpServers\": {\n\t\t\"n\": {\n\t\t\t\"command\": \"x\",\n\t\t\t\"args\": [\n\t\t\t\t\"1\"\n\t\t\t]\n\t\t}\n\t}\n}"},
		{"empty", "{\"mcpServers\": {}, \"z\" : 1}\n", "{\"mcpServers\": {\n    \"n\": {\n      \"command\": \"x\",\n      \"args\": [\n        \"1\"\n      ]\n    }\n  }, \"z\" : 1}\n"},
		{"comments", "{ // head\n  \"mcpServers\": {\n    // of a\n    \"a\": {\"command\":   \"a\"} // behind a\n    /* last */\n  },\n  \"b\": [1,2]\n}\n", "{ // head\n  \"mcpServers\": {\n    // of a\n    \"a\": {\"command\":   \"a\"}, // behind a\n    /* last */\n    \"n\": {\n      \"command\": \"x\",\n      \"args\": [\n        \"1\"\n      ]\n    }\n  },\n  \"b\": [1,2]\n}\n"},
		{"trailing comma", "{\n  \"mcpServers\": {\n    \"a\": {},\n  },\n}\n", "{\n  \"mcpServers\": {\n    \"a\": {},\n    \"n\": {\n      \"command\": \"x\",\n      \"args\": [\n        \"1\"\n      ]\n    },\n  },\n}\n"},
		{"Windows", "{\r\n  \"mcpServers\": {\r\n    \"a\": {}\r\n  }\r\n}\r\n", "{\r\n  \"mcpServers\": {\r\n    \"a\": {},\r\n    \"n\": {\r\n      \"command\": \"x\",\r\n      \"args\": [\r\n        \"1\"\r\n      ]\r\n    }\r\n  }\r\n}\r\n"},
		{"byte order mark", "\ufeff{}", "\ufeff{\n  \"mcpServers\": {\n    \"n\": {\n      \"command\": \"x\",\n      \"args\": [\n        \"1\"\n      ]\n    }\n  }\n}"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			got, err := clientconfig.Insert([]byte(tt.in), "mcpServers", "n", json.RawMessage(entry), true, false)
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(tt.want, string(got)); diff != "" {
				t.Error(diff)
			}
		})
	}
}

func TestInsertReplaces(t *testing.T) {
	in := "{\n  \"mcpServers\": {\n    \"a\": {\"command\": \"a\"}, // a\n    \"n\": {\"command\": \"old\"}, // n\n    \"z\": {} // z\n  }\n}\n"
	if _, err := clientconfig.Insert([]byte(in), "mcpServers", "n", json.RawMessage(`{}`), true, false); !errors.Is(err, clientconfig.ErrExists) {
		t.Errorf("without force: %v", err)
	}
	got, err := clientconfig.Insert([]byte(in), "mcpServers", "n", json.RawMessage(`{"command":"new"}`), true, true)
	if err != nil {
		t.Fatal(err)
	}
	want := strings.Replace(in, `{"command": "old"}`, "{\n      \"command\": \"new\"\n    }", 1)
	if diff := cmp.Diff(want, string(got)); diff != "" {
		t.Error(diff)
	}
}

func TestInsertRefuses(t *testing.T) {
	for in, want := range map[string]string{
		"[]":                   "a JSON object is wanted",
		`{"mcpServers": 5}`:    `"mcpServers" is no object`,
		`{"a": 1,}`:            "neither comments nor trailing commas",
		`{"a"`:                 "unexpected end",
		`{"mcpServers": null}`: "no object",
	} {
		if _, err := clientconfig.Insert([]byte(in), "mcpServers", "n", json.RawMessage(`{}`), false, true); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v; want %s", in, err, want)
		}
	}
}

func FuzzInsert(f *testing.F) {
	for _, in := range []string{"", "{}", "{\"mcpServers\":{\"a\":{}}}", "{\n // c\n \"mcpServers\": {\"a\":1,/*c*/},\r\n}", "{\"mcpServers\":{\"n\":{\"command\":\"old\"}},\"mcpServers\":{}}", "[{", "{\"mcpServers\"//\n:{//\n}}"} {
		f.Add(in, "n")
	}
	f.Fuzz(func(t *testing.T, in, name string) {
		if len(in) > 1<<16 {
			return
		}
		got, err := clientconfig.Insert([]byte(in), "mcpServers", name, json.RawMessage(`{"command":"ours"}`), true, true)
		if err != nil {
			return
		}
		file := filepath.Join(t.TempDir(), "f")
		if err := os.WriteFile(file, got, 0o600); err != nil {
			t.Fatal(err)
		}
		c, err := clientconfig.LoadFile(file)
		if err != nil {
			t.Fatalf("%q became %q: %v", in, got, err)
		}
		for _, s := range c.Servers {
			if s.Summary() == "ours" {
				return
			}
		}
		t.Errorf("%q became %q without the entry", in, got)
	})
}

func TestAdd(t *testing.T) {
	dir := t.TempDir()
	real := filepath.Join(dir, "dotfiles.json")
	const before = "{\"mcpServers\": {\"a\": {\"command\": \"a\"}}}\n"
	if err := os.WriteFile(real, []byte(before), 0o640); err != nil {
		t.Fatal(err)
	}
	link := filepath.Join(dir, "link.json")
	if err := os.Symlink(real, link); err != nil {
		t.Skip(err)
	}
	change, err := clientconfig.ForFile(link).Add("n", json.RawMessage(`{"command":"n"}`), false)
	if err != nil {
		t.Fatal(err)
	}
	if backup, err := os.ReadFile(change.Backup); err != nil || string(backup) != before {
		t.Errorf("backup %q, %v", backup, err)
	}
	if info, err := os.Lstat(link); err != nil || info.Mode()&os.ModeSymlink == 0 {
		t.Errorf("the link is gone: %v, %v", info, err)
	}
	if info, err := os.Stat(real); err != nil || info.Mode().Perm() != 0o640 {
		t.Errorf("the mode changed: %v, %v", info, err)
	}
	fresh := filepath.Join(dir, "new", ".vscode", "mcp.json")
	if change, err = clientconfig.ForFile(fresh).Add("n", json.RawMessage(`{"command":"n"}`), false); err != nil || !change.Created || change.Backup != "" {
		t.Fatalf("%+v, %v", change, err)
	}
	text, err := os.ReadFile(fresh)
	if err != nil || !strings.Contains(string(text), `"servers"`) {
		t.Errorf("not in the form of VS Code: %s, %v", text, err)
	}
	if left, _ := filepath.Glob(filepath.Join(dir, ".*")); len(left) > 0 {
		t.Errorf("left behind: %v", left)
	}
}
