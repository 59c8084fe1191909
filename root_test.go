// SPDX-License-Identifier: Apache-2.0

// Package gateway_test holds the rules that span the modules: who may import
// whom, what every source file and every module carries. It uses nothing but
// the standard library and the go command.
package gateway_test

import (
	"bytes"
	"encoding/json"
	"errors"
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"os"
	"os/exec"
	"path"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// prefix is the import path of the repository.
const prefix = "github.com/atrawog/mcp-oauth-gateway"

// released are the modules that get versions; the others are for development.
var released = []string{"fetchserver", "oauthdyn", "shclient", "shproxy"}

// maxLines is the length at which a file holds more than one concept.
const maxLines = 600

func TestEverySourceFileIsMarkedAndShort(t *testing.T) {
	const spdx = "// SPDX-License-Identifier: Apache-2.0\n"
	for _, name := range filesEndingIn(t, ".go") {
		text := readFile(t, name)
		if !strings.HasPrefix(text, spdx) {
			t.Errorf("%s: first line is not %q", name, strings.TrimSpace(spdx))
		}
		if n := strings.Count(text, "\n"); n > maxLines {
			t.Errorf("%s: %d lines, more than %d: split it by concept", name, n, maxLines)
		}
	}
}

// processNames are the parts of the standard library through which a package
// would reach the process it runs in.
var processNames = map[string][]string{
	"os":        {"Args", "Exit", "Stdin", "Stdout", "Stderr", "Getenv", "LookupEnv", "Environ", "ExpandEnv", "Setenv"},
	"os/signal": {"Notify", "NotifyContext"},
	"log":       {"Fatal", "Fatalf", "Fatalln"},
}

func TestOnlyCommandsTouchTheProcess(t *testing.T) {
	for _, f := range sources(t) {
		if !f.released() || strings.Contains(f.dir+"/", "/cmd/") || strings.HasSuffix(f.dir, "/internal/cli") {
			continue
		}
		if strings.Contains(f.dir+"/", "/internal/testserver/") {
			continue // a peer for tests, in a process of its own
		}
		if strings.HasSuffix(f.dir, "/internal/redistest") {
			continue // starts servers for tests, where REQUIRE_ALL says that they must be there
		}
		for _, use := range f.uses(processNames) {
			t.Errorf("%s: only cmd/ and internal/cli may use %s: a library must work in any process, and several times in one", f.at(use), f.text(use))
		}
	}
}

// source is one parsed Go file that is not a test.
type source struct {
	name, dir string
	fset      *token.FileSet
	file      *ast.File
}

// sources parses all Go files of the repository but tests.
func sources(t *testing.T) []source {
	t.Helper()
	fset := token.NewFileSet()
	var all []source
	for _, name := range filesEndingIn(t, ".go") {
		if strings.HasSuffix(name, "_test.go") {
			continue
		}
		file, err := parser.ParseFile(fset, name, readFile(t, name), parser.ParseComments|parser.SkipObjectResolution)
		if err != nil {
			t.Fatal(err)
		}
		all = append(all, source{name: name, dir: path.Dir(name), fset: fset, file: file})
	}
	if len(all) == 0 {
		t.Fatal("no sources found")
	}
	return all
}

// released reports whether the file belongs to a module that gets versions.
func (s source) released() bool {
	module, _, _ := strings.Cut(s.name, "/")
	return slices.Contains(released, module)
}

// uses lists the selectors in the file that name one of names, a map from
// import path to exported names.
func (s source) uses(names map[string][]string) []*ast.SelectorExpr {
	banned := map[string]bool{}
	for _, spec := range s.file.Imports {
		imported := strings.Trim(spec.Path.Value, `"`)
		local := path.Base(imported)
		if spec.Name != nil {
			local = spec.Name.Name
		}
		for _, name := range names[imported] {
			banned[local+"."+name] = true
		}
	}
	var found []*ast.SelectorExpr
	ast.Inspect(s.file, func(n ast.Node) bool {
		if sel, ok := n.(*ast.SelectorExpr); ok && banned[s.text(sel)] {
			found = append(found, sel)
		}
		return true
	})
	return found
}

func (s source) at(n ast.Node) token.Position { return s.fset.Position(n.Pos()) }

// text is a selector on a plain identifier as it is written, else empty.
func (s source) text(sel *ast.SelectorExpr) string {
	if x, ok := sel.X.(*ast.Ident); ok {
		return x.Name + "." + sel.Sel.Name
	}
	return ""
}

// filesEndingIn lists the repository's files with the suffix, slash-separated,
// without testdata and what is not ours.
func filesEndingIn(t *testing.T, suffix string) []string {
	t.Helper()
	var names []string
	err := filepath.WalkDir(".", func(name string, d fs.DirEntry, err error) error {
		if err != nil {
			if errors.Is(err, fs.ErrNotExist) {
				return nil // an editor's or another test's temporary file
			}
			return err
		}
		if base := d.Name(); d.IsDir() && name != "." {
			if base == "testdata" || base == "node_modules" || base == ".git" || base == ".bin" || base == ".cache" {
				return filepath.SkipDir
			}
		}
		if !d.IsDir() && strings.HasSuffix(name, suffix) {
			names = append(names, filepath.ToSlash(name))
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return names
}

func readFile(t *testing.T, name string) string {
	t.Helper()
	text, err := os.ReadFile(filepath.FromSlash(name))
	if err != nil {
		t.Fatal(err)
	}
	return strings.ReplaceAll(string(text), "\r\n", "\n")
}

// goJSON runs the go command and decodes the stream of JSON values it prints.
func goJSON[T any](t *testing.T, args ...string) []T {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), "go", args...)
	var stderr bytes.Buffer
	cmd.Stderr = &stderr
	out, err := cmd.Output()
	if err != nil {
		t.Fatalf("go %s: %v\n%s", strings.Join(args, " "), err, stderr.String())
	}
	var values []T
	for dec := json.NewDecoder(bytes.NewReader(out)); dec.More(); {
		var v T
		if err := dec.Decode(&v); err != nil {
			t.Fatalf("go %s: %v", strings.Join(args, " "), err)
		}
		values = append(values, v)
	}
	return values
}
