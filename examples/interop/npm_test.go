// SPDX-License-Identifier: Apache-2.0

//go:build unix

package interop_test

import (
	"bytes"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// filesystem is @modelcontextprotocol/server-filesystem. Which directories it
// serves, it asks the client.
func filesystem(t *testing.T) stage {
	dir, other := t.TempDir(), t.TempDir()
	big := strings.Repeat("All work and no play makes Jack a dull boy.\n", 1<<11*24) // 2 MiB
	picture := bytes.Repeat([]byte{0x89, 'P', 'N', 'G', 0, 0xff, '\n'}, 40_000)
	writeFile(t, filepath.Join(dir, "big.txt"), big)
	writeFile(t, filepath.Join(dir, "picture.png"), string(picture))
	writeFile(t, filepath.Join(other, "secret.txt"), "secret")
	return stage{
		command: []string{npmCommand("mcp-server-filesystem"), other},
		roots:   []root{{"file://" + dir, "the workspace"}},
		play: func(c *conn) {
			c.wantAll("tools", c.list().Tools, []string{"read_text_file", "write_file", "edit_file", "list_directory"})
			await(c.ctx, c.T, func() string {
				if got := c.text("list_allowed_directories", map[string]any{}); !strings.Contains(got, dir) {
					return fmt.Sprintf("%s among the allowed directories, which are %q", dir, got)
				}
				return ""
			})
			c.wantToolError("read_text_file", map[string]any{"path": filepath.Join(other, "secret.txt")}, "Access denied")
			if got := c.text("read_text_file", map[string]any{"path": filepath.Join(dir, "big.txt")}); !strings.HasPrefix(got, big) {
				c.Errorf("a file of %d bytes came as %d, %.60q", len(big), len(got), got)
			}
			media := c.call("read_media_file", map[string]any{"path": filepath.Join(dir, "picture.png")})
			if want := base64.StdEncoding.EncodeToString(picture); len(media.Content) == 0 || media.Content[0].Data != want {
				c.Errorf("the picture came as %.200v", media)
			}
			path := filepath.Join(dir, "new.txt")
			written := strings.Repeat("ünïcödé\n", 1<<17) // 1.4 MiB
			c.wantText("write_file", map[string]any{"path": path, "content": written}, path)
			if got := readFile(c.T, path); got != written {
				c.Errorf("%d bytes were written, want %d", len(got), len(written))
			}
			writeFile(c.T, path, "one\ntwo\nthree\n")
			c.wantText("edit_file", map[string]any{"path": path, "edits": []any{map[string]any{"oldText": "two", "newText": "2"}}}, "+2")
			if got := readFile(c.T, path); got != "one\n2\nthree\n" {
				c.Errorf("edited to %q", got)
			}
			c.wantText("list_directory", map[string]any{"path": dir}, "[FILE] big.txt", "[FILE] new.txt")
		},
	}
}

// filesystemByArguments is the same server for a client that has no roots:
// what it serves, its command line says.
func filesystemByArguments(t *testing.T) stage {
	dir, other := t.TempDir(), t.TempDir()
	writeFile(t, filepath.Join(dir, "note.txt"), "a note")
	writeFile(t, filepath.Join(other, "secret.txt"), "secret")
	return stage{
		command: []string{npmCommand("mcp-server-filesystem"), dir},
		plain:   true,
		play: func(c *conn) {
			c.wantText("list_allowed_directories", map[string]any{}, dir)
			c.wantText("read_text_file", map[string]any{"path": filepath.Join(dir, "note.txt")}, "a note")
			c.wantToolError("read_text_file", map[string]any{"path": filepath.Join(other, "secret.txt")}, "Access denied")
			calls := make([]callParams, 8)
			for i := range calls {
				path := filepath.Join(dir, fmt.Sprint(i))
				writeFile(c.T, path, fmt.Sprint("file ", i))
				calls[i] = callParams{Name: "read_text_file", Arguments: map[string]any{"path": path}}
			}
			for i, got := range c.together(calls) {
				if want := fmt.Sprint("file ", i); !strings.Contains(got, want) {
					c.Errorf("%q instead of %q", got, want)
				}
			}
			c.none("roots/list", "")
		},
	}
}

// memory is @modelcontextprotocol/server-memory.
func memory(t *testing.T) stage {
	file := filepath.Join(t.TempDir(), "memory.jsonl")
	big := strings.Repeat("She wrote the first program. ", 20_000)
	return stage{
		env:     []string{"MEMORY_FILE_PATH=" + file},
		command: []string{npmCommand("mcp-server-memory")},
		play: func(c *conn) {
			c.wantAll("tools", c.list().Tools, []string{"create_entities", "create_relations", "read_graph", "search_nodes"})
			entity := func(name, kind string, observations ...string) map[string]any {
				return map[string]any{"name": name, "entityType": kind, "observations": observations}
			}
			c.wantText("create_entities", map[string]any{"entities": []any{
				entity("Ada Lovelace", "person", "was born in 1815", big),
				entity("Analytical Engine", "machine", "was never built"),
			}}, "Analytical Engine")
			c.wantText("create_relations", map[string]any{"relations": []any{
				map[string]any{"from": "Ada Lovelace", "to": "Analytical Engine", "relationType": "programmed"},
			}}, "programmed")
			graph := c.call("read_graph", map[string]any{})
			var got struct {
				Entities  []struct{ Name string }
				Relations []struct{ RelationType string }
			}
			if err := json.Unmarshal(graph.StructuredContent, &got); err != nil || len(got.Entities) != 2 || len(got.Relations) != 1 {
				c.Errorf("graph %.300s: %v", graph.StructuredContent, err)
			}
			if text := graph.text(); !strings.Contains(text, big) {
				c.Errorf("the long observation is not in %d bytes", len(text))
			}
			if found := c.text("search_nodes", map[string]any{"query": "never built"}); !strings.Contains(found, "Analytical Engine") || strings.Contains(found, "1815") {
				c.Errorf("search found %.300s", found)
			}
			if stored := readFile(c.T, file); strings.Count(stored, "\n") != 2 || !strings.Contains(stored, "1815") {
				c.Errorf("stored %.300s", stored)
			}
		},
	}
}

// sequentialThinking is @modelcontextprotocol/server-sequential-thinking. What
// it thinks, it also prints to its standard error, in long lines.
func sequentialThinking(*testing.T) stage {
	return stage{
		command: []string{npmCommand("mcp-server-sequential-thinking")},
		play: func(c *conn) {
			c.wantAll("tools", c.list().Tools, []string{"sequentialthinking"})
			think := func(n int, text string, more map[string]any) {
				c.Helper()
				args := map[string]any{"thought": text, "thoughtNumber": n, "totalThoughts": 4, "nextThoughtNeeded": n < 4}
				maps.Copy(args, more)
				c.wantText("sequentialthinking", args, fmt.Sprintf(`"thoughtHistoryLength": %d`, n))
			}
			think(1, "A bridge forwards bytes.", nil) // the first of this session
			think(2, strings.Repeat("It is long. ", 20_000), nil)
			think(3, "It forwards them in order.", map[string]any{"isRevision": true, "revisesThought": 1})
			think(4, "In both directions.", map[string]any{"branchFromThought": 2, "branchId": "both"})
			c.wantToolErrorOrRefusal("sequentialthinking", map[string]any{"thought": "without a number"})
		},
	}
}

// wantToolErrorOrRefusal is for arguments that do not fit the tool's schema:
// server versions differ in how they say so.
func (c *conn) wantToolErrorOrRefusal(name string, arguments any) {
	c.Helper()
	raw, err := c.try("call", callParams{Name: name, Arguments: arguments})
	if err == nil && !decode[toolResult](c, name, raw).IsError {
		c.Errorf("%s took bad arguments: %.300s", name, raw)
	}
}

func writeFile(t *testing.T, path, text string) {
	t.Helper()
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
}

func readFile(t *testing.T, path string) string {
	t.Helper()
	text, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}
