// SPDX-License-Identifier: Apache-2.0

package gateway_test

import (
	"fmt"
	"go/ast"
	"go/doc"
	"go/importer"
	"go/parser"
	"go/token"
	"go/types"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// What a Go developer looks for in a package is not one example per name but
// the names at work together: how options, constructor, call and result make
// one program. So the rule is
//
//   - every exported type, and every exported function that is not a method, of
//     a released package does its job in an Example of that package: the example
//     bears its name, names it, calls it or its constructor, or uses a field, a
//     method or a constant of it;
//   - a file with examples compiles without the package's other test files, so
//     that what the documentation shows is all that a reader has to copy;
//   - an example has an Output comment, so that it runs with the tests, unless it
//     is listed here with the reason why it cannot.
var compiledOnly = map[string]string{
	"fetchserver/render.ExampleNew":                  "it needs a Chromium and the Internet",
	"oauthdyn/authserver/original.ExampleRead":       "it needs a Redis",
	"oauthdyn/authserver/store/redis.ExampleNew":     "it needs a Redis",
	"oauthdyn/authserver/store/redis.ExampleOpen":    "it needs a Redis",
	"oauthdyn/authserver/store/storetest.ExampleRun": "only go test makes a *testing.T",
	"oauthdyn/oauthdyntest/acmetest.ExampleStart":    "it needs pebble",
	"shproxy/replica/redis.ExampleNew":               "it needs a Redis",
	"shproxy/replica/replicatest.ExampleRun":         "only go test makes a *testing.T",
}

func TestEveryExportedNameHasAnExample(t *testing.T) {
	packages, exports := examplePackages(t)
	checker := newExampleChecker(t, exports)
	examples := map[string]bool{}
	for _, p := range packages {
		name := strings.TrimPrefix(p.ImportPath, prefix+"/")
		shown := map[string]bool{}
		for _, f := range append(slices.Clone(p.XTestGoFiles), p.TestGoFiles...) {
			for _, ex := range checker.file(p.ImportPath, filepath.Join(p.Dir, f), shown) {
				key := name + ".Example" + ex.Name
				_, listed := compiledOnly[key]
				examples[key] = true
				if runs := ex.Output != "" || ex.EmptyOutput; runs == listed {
					t.Errorf("%s: want an Output comment or a reason in compiledOnly, and not both", key)
				}
			}
		}
		for _, missing := range notShown(t, p, shown) {
			t.Errorf("%s.%s: no example of the package uses it", name, missing)
		}
	}
	for _, key := range sortedKeys(compiledOnly) {
		if !examples[key] {
			t.Errorf("%s is in compiledOnly, but does not exist", key)
		}
	}
}

// examplePackage is the part of a package in go list's output that the test needs.
type examplePackage struct {
	Dir, ImportPath, Name, Export      string
	GoFiles, TestGoFiles, XTestGoFiles []string
	TestImports, XTestImports          []string
}

// examplePackages lists the packages that others can import from the released
// modules, and where the compiler left what each of their imports exports.
func examplePackages(t *testing.T) (packages []examplePackage, exports map[string]string) {
	t.Helper()
	needed := []string{}
	for _, p := range goJSON[examplePackage](t, "list", "-json=Dir,ImportPath,Name,GoFiles,TestGoFiles,XTestGoFiles,TestImports,XTestImports", "work") {
		module, _, _ := strings.Cut(strings.TrimPrefix(p.ImportPath, prefix+"/"), "/")
		if p.Name == "main" || !slices.Contains(released, module) || strings.Contains(p.ImportPath+"/", "/internal/") {
			continue
		}
		packages = append(packages, p)
		needed = append(append(append(needed, p.ImportPath), p.TestImports...), p.XTestImports...)
	}
	slices.Sort(needed)
	needed = slices.DeleteFunc(slices.Compact(needed), func(path string) bool { return path == "C" })
	exports = map[string]string{}
	for _, p := range goJSON[examplePackage](t, append([]string{"list", "-export", "-deps", "-json=ImportPath,Export"}, needed...)...) {
		exports[p.ImportPath] = p.Export
	}
	return packages, exports
}

// An exampleChecker type-checks files with examples, each alone.
type exampleChecker struct {
	t    *testing.T
	fset *token.FileSet
	conf types.Config
}

func newExampleChecker(t *testing.T, exports map[string]string) *exampleChecker {
	fset := token.NewFileSet()
	lookup := func(path string) (io.ReadCloser, error) {
		if exports[path] == "" {
			return nil, fmt.Errorf("%s is not among the imports that go list knows", path)
		}
		return os.Open(exports[path])
	}
	return &exampleChecker{t: t, fset: fset, conf: types.Config{
		Importer: importer.ForCompiler(fset, "gc", lookup),
		Error: func(err error) {
			t.Errorf("a file with examples must compile alone, so that all of it can be shown: %v", err)
		},
	}}
}

// file returns the examples of a file, and adds to shown what they use of a
// package. Files without examples are none of its business.
func (c *exampleChecker) file(importPath, name string, shown map[string]bool) []*doc.Example {
	c.t.Helper()
	file, err := parser.ParseFile(c.fset, name, nil, parser.ParseComments)
	if err != nil {
		c.t.Fatal(err)
	}
	examples := doc.Examples(file)
	if len(examples) == 0 {
		return nil
	}
	for _, ex := range examples {
		subject, _, _ := strings.Cut(ex.Name, "_")
		shown[subject] = true
	}
	info := &types.Info{Uses: map[*ast.Ident]types.Object{}, Selections: map[*ast.SelectorExpr]*types.Selection{}}
	_, _ = c.conf.Check(file.Name.Name, c.fset, []*ast.File{file}, info) // conf.Error has reported it
	show := func(typ types.Type) {
		if p, ok := types.Unalias(typ).(*types.Pointer); ok {
			typ = p.Elem()
		}
		if named, ok := types.Unalias(typ).(*types.Named); ok && isFrom(named.Obj(), importPath) {
			shown[named.Obj().Name()] = true
		}
	}
	for _, obj := range info.Uses {
		if !isFrom(obj, importPath) {
			continue
		}
		if obj.Parent() == obj.Pkg().Scope() {
			shown[obj.Name()] = true
		}
		switch o := obj.(type) {
		case *types.Const:
			show(o.Type())
		case *types.Func: // of a constructor, what it makes
			if results := o.Signature().Results(); o.Signature().Recv() == nil && results.Len() > 0 {
				show(results.At(0).Type())
			}
		}
	}
	for _, sel := range info.Selections {
		for _, typ := range passed(sel) {
			show(typ)
		}
		if _, ok := sel.Type().Underlying().(*types.Basic); ok { // a code, a kind, a state that is read
			show(sel.Type())
		}
	}
	return examples
}

// passed lists the types on the way from the value to the field or method that
// a selection names: that of the value, and those that are embedded.
func passed(sel *types.Selection) []types.Type {
	typ := sel.Recv()
	all := []types.Type{typ}
	for _, i := range sel.Index()[:len(sel.Index())-1] {
		if p, ok := typ.Underlying().(*types.Pointer); ok {
			typ = p.Elem()
		}
		typ = typ.Underlying().(*types.Struct).Field(i).Type()
		all = append(all, typ)
	}
	return all
}

func isFrom(obj types.Object, importPath string) bool {
	return obj.Pkg() != nil && obj.Pkg().Path() == importPath
}

// notShown lists the types and functions that a package exports and that are
// not in shown.
func notShown(t *testing.T, p examplePackage, shown map[string]bool) (missing []string) {
	t.Helper()
	fset := token.NewFileSet()
	for _, name := range p.GoFiles {
		file, err := parser.ParseFile(fset, filepath.Join(p.Dir, name), nil, parser.SkipObjectResolution)
		if err != nil {
			t.Fatal(err)
		}
		for _, decl := range file.Decls {
			for _, id := range typesAndFunctions(decl) {
				if id.IsExported() && !shown[id.Name] {
					missing = append(missing, id.Name)
				}
			}
		}
	}
	slices.Sort(missing)
	return missing
}

func typesAndFunctions(decl ast.Decl) (names []*ast.Ident) {
	switch d := decl.(type) {
	case *ast.FuncDecl:
		if d.Recv == nil {
			names = append(names, d.Name)
		}
	case *ast.GenDecl:
		for _, spec := range d.Specs {
			if s, ok := spec.(*ast.TypeSpec); ok {
				names = append(names, s.Name)
			}
		}
	}
	return names
}
