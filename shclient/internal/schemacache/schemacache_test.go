// SPDX-License-Identifier: Apache-2.0

package schemacache_test

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/modelcontextprotocol/go-sdk/mcp"

	"github.com/atrawog/mcp-oauth-gateway/shclient/internal/schemacache"
)

var now = time.Now()

func tools(names ...string) []*mcp.Tool {
	var list []*mcp.Tool
	for _, name := range names {
		list = append(list, &mcp.Tool{Name: name, Description: "First.\nSecond.", InputSchema: map[string]any{"type": "object"}})
	}
	return list
}

func names(list []schemacache.Tool) []string {
	var got []string
	for _, t := range list {
		got = append(got, t.Name)
	}
	return got
}

func TestCache(t *testing.T) {
	c := schemacache.Cache{Dir: filepath.Join(t.TempDir(), "a", "b")}
	if got := c.Tools("x", now); got != nil {
		t.Errorf("an empty cache has %v", got)
	}
	if err := c.Put("x", tools("echo", "with blank", "esc\x1b", "add"), now); err != nil {
		t.Fatal(err)
	}
	got := c.Tools("x", now.Add(schemacache.MaxAge-time.Hour))
	if !slices.Equal(names(got), []string{"echo", "add"}) || got[0].Description != "First." || string(got[0].InputSchema) != `{"type":"object"}` {
		t.Errorf("%+v", got)
	}
	if got := c.Tools("x", now.Add(schemacache.MaxAge+time.Hour)); got != nil {
		t.Errorf("too old, and still there: %v", got)
	}
	if got := c.Targets(now); !slices.Equal(got, []string{"x"}) {
		t.Errorf("targets %v", got)
	}
	files, err := os.ReadDir(c.Dir)
	if err != nil || len(files) != 1 {
		t.Fatalf("%v, %v", files, err)
	}
	info, err := files[0].Info()
	if err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("mode %v, %v", info.Mode(), err)
	}
	name := filepath.Join(c.Dir, files[0].Name())
	for _, damaged := range []string{"", "nonsense", `{"version":99}`, `{"version":1,"target":"y","written":"` + now.UTC().Format(time.RFC3339) + `","tools":[{"name":"z"}]}`, strings.Repeat(" ", schemacache.MaxBytes+1)} {
		if err := os.WriteFile(name, []byte(damaged), 0o600); err != nil {
			t.Fatal(err)
		}
		if got := c.Tools("x", now); got != nil {
			t.Errorf("%.20q: %v", damaged, got)
		}
	}
	if err := c.Put("x", tools("new"), now); err != nil || len(c.Tools("x", now)) != 1 {
		t.Errorf("a damaged file stays: %v", err)
	}
}

func TestBounds(t *testing.T) {
	c := schemacache.Cache{Dir: t.TempDir()}
	var big []*mcp.Tool
	for i := range 6000 {
		big = append(big, &mcp.Tool{Name: fmt.Sprint("t", i), Description: strings.Repeat("x", 5000), InputSchema: map[string]any{"description": strings.Repeat("y", 3000)}})
	}
	if err := c.Put("big", big, now); err != nil {
		t.Fatal(err)
	}
	files, _ := os.ReadDir(c.Dir)
	if info, err := files[0].Info(); err != nil || info.Size() > schemacache.MaxBytes {
		t.Errorf("%v, %v", info, err)
	}
	if len(c.Tools("big", now)) < 100 {
		t.Error("hardly anything is left of many tools")
	}
	for i := range schemacache.MaxFiles + 10 {
		if err := c.Put(fmt.Sprint("target ", i), tools("x"), now); err != nil {
			t.Fatal(err)
		}
	}
	if files, _ := os.ReadDir(c.Dir); len(files) > schemacache.MaxFiles {
		t.Errorf("%d files", len(files))
	}
	files, _ = os.ReadDir(c.Dir)
	old := filepath.Join(c.Dir, files[0].Name())
	long := now.Add(-schemacache.MaxAge - time.Hour)
	if err := os.Chtimes(old, long, long); err != nil {
		t.Fatal(err)
	}
	if err := c.Put("last", tools("x"), now); err != nil {
		t.Fatal(err)
	}
	if _, err := os.Stat(old); !os.IsNotExist(err) {
		t.Errorf("the old file is still there: %v", err)
	}
}

func TestSameIsNotWrittenAgain(t *testing.T) {
	c := schemacache.Cache{Dir: t.TempDir()}
	put := func(at time.Time, list []*mcp.Tool) os.FileInfo {
		t.Helper()
		if err := c.Put("x", list, at); err != nil {
			t.Fatal(err)
		}
		files, err := filepath.Glob(filepath.Join(c.Dir, "*.json"))
		if err != nil || len(files) != 1 {
			t.Fatalf("%v, %v", files, err)
		}
		info, err := os.Stat(files[0])
		if err != nil {
			t.Fatal(err)
		}
		return info
	}
	first := put(now, tools("x"))
	if !os.SameFile(first, put(now.Add(time.Hour), tools("x"))) {
		t.Error("the same was written again")
	}
	if os.SameFile(first, put(now.Add(time.Hour), tools("y"))) {
		t.Error("a change was not written")
	}
	if got := names(c.Tools("x", now)); !slices.Equal(got, []string{"y"}) {
		t.Error(got)
	}
}
