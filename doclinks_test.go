// SPDX-License-Identifier: Apache-2.0

package gateway_test

import (
	"go/ast"
	"go/doc"
	"go/doc/comment"
	"go/token"
	"path"
	"regexp"
	"slices"
	"strings"
	"testing"
)

// leftInBrackets is what was meant as a link and is shown as it is written, since
// nothing has that name or the file does not import the package.
var leftInBrackets = regexp.MustCompile(`\[\*?[A-Za-z_]\w*(\.\w+)*\]`)

func TestLinksInDocumentationLeadSomewhere(t *testing.T) {
	packages := publicPackages(t)
	for importPath, p := range packages {
		parser := p.Parser()
		for at, text := range documentation(p) {
			for _, block := range parser.Parse(text).Content {
				for _, link := range linksIn(block) {
					if link.text != "" && leftInBrackets.MatchString(link.text) {
						t.Errorf("%s: %s: no link: %s", importPath, at, leftInBrackets.FindString(link.text))
					}
					if target := packages[link.importPath]; target != nil && !has(target, link) {
						t.Errorf("%s: %s: package %s has no %s", importPath, at, path.Base(link.importPath), path.Join(link.recv, link.name))
					}
				}
			}
		}
	}
}

var (
	goFence    = regexp.MustCompile("(?ms)^```go\n(.*?)^```$")
	dottedName = regexp.MustCompile(`(?:^|[^\w.])([a-z]\w*)\.([A-Z]\w*)`)
)

// Code in documentation is too short to be compiled; what it names of our
// packages has to be there.
func TestCodeInDocumentationNamesWhatExists(t *testing.T) {
	packages := publicPackages(t)
	named := map[string][]*doc.Package{}
	for _, p := range packages {
		named[p.Name] = append(named[p.Name], p)
	}
	check := func(where, code string) {
		for _, m := range dottedName.FindAllStringSubmatch(code, -1) {
			ours := named[m[1]]
			if len(ours) > 0 && !slices.ContainsFunc(ours, func(p *doc.Package) bool { return has(p, docLink{name: m[2]}) }) {
				t.Errorf("%s: there is no %s.%s", where, m[1], m[2])
			}
		}
	}
	for _, page := range filesEndingIn(t, ".md") {
		for _, fence := range goFence.FindAllStringSubmatch(readFile(t, page), -1) {
			check(page, fence[1])
		}
	}
	for importPath, p := range packages {
		parser := p.Parser()
		for at, text := range documentation(p) {
			for _, block := range parser.Parse(text).Content {
				if code, ok := block.(*comment.Code); ok {
					check(importPath+": "+at, code.Text)
				}
			}
		}
	}
}

// publicPackages returns what others can import from the released modules, by
// import path.
func publicPackages(t *testing.T) map[string]*doc.Package {
	t.Helper()
	fset, files := token.NewFileSet(), map[string][]*ast.File{}
	for _, f := range sources(t) {
		if f.released() && f.file.Name.Name != "main" && !strings.Contains(f.dir+"/", "/internal/") {
			files[f.dir], fset = append(files[f.dir], f.file), f.fset
		}
	}
	packages := map[string]*doc.Package{}
	for dir, parsed := range files {
		p, err := doc.NewFromFiles(fset, parsed, prefix+"/"+dir, doc.PreserveAST)
		if err != nil {
			t.Fatal(err)
		}
		packages[p.ImportPath] = p
	}
	return packages
}

// documentation returns the doc comments that go doc shows, by what they are about.
func documentation(p *doc.Package) map[string]string {
	texts := map[string]string{"the package": p.Doc}
	values := func(all []*doc.Value) {
		for _, v := range all {
			texts[v.Names[0]] = v.Doc
		}
	}
	funcs := func(prefix string, all []*doc.Func) {
		for _, f := range all {
			texts[prefix+f.Name] = f.Doc
		}
	}
	values(p.Consts)
	values(p.Vars)
	funcs("", p.Funcs)
	for _, typ := range p.Types {
		texts[typ.Name] = typ.Doc
		values(typ.Consts)
		values(typ.Vars)
		funcs("", typ.Funcs)
		funcs(typ.Name+".", typ.Methods)
	}
	return texts
}

// docLink is a link to a name, or text that is none.
type docLink struct{ text, importPath, recv, name string }

func linksIn(b comment.Block) (all []docLink) {
	switch b := b.(type) {
	case *comment.Heading:
		return linksOf(b.Text)
	case *comment.Paragraph:
		return linksOf(b.Text)
	case *comment.List:
		for _, item := range b.Items {
			for _, inner := range item.Content {
				all = append(all, linksIn(inner)...)
			}
		}
	}
	return all
}

func linksOf(texts []comment.Text) (all []docLink) {
	var plain strings.Builder
	for _, text := range texts {
		switch x := text.(type) {
		case comment.Plain:
			plain.WriteString(string(x))
		case *comment.DocLink:
			all = append(all, docLink{importPath: x.ImportPath, recv: x.Recv, name: x.Name})
		}
	}
	return append(all, docLink{text: plain.String()})
}

// has reports whether a package exports what a link names. A link to the package
// itself names nothing.
func has(p *doc.Package, link docLink) bool {
	named := func(v *doc.Value) bool { return slices.Contains(v.Names, link.name) }
	fn := func(f *doc.Func) bool { return f.Name == link.name }
	for _, typ := range p.Types {
		if link.recv == typ.Name {
			return slices.ContainsFunc(typ.Methods, fn) || hasMember(typ.Decl, link.name)
		}
		if link.recv == "" && (link.name == typ.Name || slices.ContainsFunc(typ.Funcs, fn) ||
			slices.ContainsFunc(typ.Consts, named) || slices.ContainsFunc(typ.Vars, named)) {
			return true
		}
	}
	return link.recv == "" && (link.name == "" || slices.ContainsFunc(p.Funcs, fn) ||
		slices.ContainsFunc(p.Consts, named) || slices.ContainsFunc(p.Vars, named))
}

// hasMember reports whether a type has the field, or an interface the method.
func hasMember(decl *ast.GenDecl, name string) (found bool) {
	ast.Inspect(decl, func(n ast.Node) bool {
		if f, ok := n.(*ast.Field); ok {
			found = found || slices.ContainsFunc(f.Names, func(id *ast.Ident) bool { return id.Name == name })
		}
		return true
	})
	return found
}
