// SPDX-License-Identifier: Apache-2.0

package gateway_test

import (
	"go/ast"
	"go/token"
	"os"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"testing"
)

func TestEveryPackageIsDocumented(t *testing.T) {
	documented := map[string]bool{}
	for _, f := range sources(t) {
		doc, name := f.file.Doc.Text(), f.file.Name.Name
		ok := strings.HasPrefix(doc, "Package "+name+" ") || name == "main" && doc != ""
		if strings.HasPrefix(doc, "SPDX") {
			t.Errorf("%s: an empty line must part the licence from the package clause, or it becomes documentation", f.name)
			ok = false
		}
		documented[f.dir] = documented[f.dir] || ok
	}
	for dir, ok := range documented {
		if !ok {
			t.Errorf("%s: no file has a comment that starts with Package and its name", dir)
		}
	}
}

func TestEveryExportedNameIsDocumented(t *testing.T) {
	for _, f := range sources(t) {
		if !f.released() || f.file.Name.Name == "main" || strings.Contains(f.dir+"/", "/internal/") {
			continue
		}
		for _, decl := range f.file.Decls {
			for _, name := range undocumented(decl) {
				t.Errorf("%s: %s has no doc comment", f.at(name), name.Name)
			}
		}
	}
}

// undocumented lists the exported names that a declaration introduces without
// a comment. The comment of a group covers its constants and variables.
func undocumented(decl ast.Decl) []*ast.Ident {
	switch d := decl.(type) {
	case *ast.FuncDecl:
		if d.Name.IsExported() && d.Doc.Text() == "" && exportedReceiver(d) {
			return []*ast.Ident{d.Name}
		}
	case *ast.GenDecl:
		var missing []*ast.Ident
		for _, spec := range d.Specs {
			missing = append(missing, undocumentedSpec(d, spec)...)
		}
		return missing
	}
	return nil
}

func undocumentedSpec(d *ast.GenDecl, spec ast.Spec) (missing []*ast.Ident) {
	switch s := spec.(type) {
	case *ast.TypeSpec:
		if s.Name.IsExported() && s.Doc.Text() == "" && (d.Lparen.IsValid() || d.Doc.Text() == "") {
			missing = append(missing, s.Name)
		}
		if it, ok := s.Type.(*ast.InterfaceType); ok && s.Name.IsExported() {
			missing = append(missing, undocumentedMethods(it)...)
		}
	case *ast.ValueSpec:
		if d.Tok == token.IMPORT || d.Doc.Text() != "" || s.Doc.Text() != "" || s.Comment.Text() != "" {
			return nil
		}
		for _, name := range s.Names {
			if name.IsExported() {
				missing = append(missing, name)
			}
		}
	}
	return missing
}

func undocumentedMethods(it *ast.InterfaceType) (missing []*ast.Ident) {
	for _, m := range it.Methods.List {
		if len(m.Names) == 1 && m.Names[0].IsExported() && m.Doc.Text() == "" && m.Comment.Text() == "" {
			missing = append(missing, m.Names[0])
		}
	}
	return missing
}

// exportedReceiver is true for functions, and for methods that go doc shows.
func exportedReceiver(d *ast.FuncDecl) bool {
	if d.Recv == nil {
		return true
	}
	x := d.Recv.List[0].Type
	for {
		switch t := x.(type) {
		case *ast.StarExpr:
			x = t.X
		case *ast.IndexExpr:
			x = t.X
		case *ast.IndexListExpr:
			x = t.X
		case *ast.Ident:
			return t.IsExported()
		default:
			return true
		}
	}
}

var markdownLink = regexp.MustCompile(`\]\(([^)\s]+)\)`)

func TestLinksBetweenPagesLeadSomewhere(t *testing.T) {
	for _, page := range filesEndingIn(t, ".md") {
		for _, link := range markdownLink.FindAllStringSubmatch(withoutCode(readFile(t, page)), -1) {
			target, section, _ := strings.Cut(link[1], "#")
			if strings.Contains(target, ":") {
				continue
			}
			file := page
			if target != "" {
				file = filepath.Join(filepath.Dir(page), filepath.FromSlash(target))
			}
			if _, err := os.Stat(file); err != nil {
				t.Errorf("%s: link to %s: %v", page, target, err)
			} else if section != "" && !sectionsOf(t, file)[section] {
				t.Errorf("%s: link to %s: %s has no such section", page, link[1], file)
			}
		}
	}
}

// withoutCode leaves out fenced blocks, where brackets are no links and number
// signs no headings.
func withoutCode(page string) string {
	var text strings.Builder
	inside := false
	for line := range strings.Lines(page) {
		if strings.HasPrefix(strings.TrimSpace(line), "```") {
			inside = !inside
		} else if !inside {
			text.WriteString(line)
		}
	}
	return text.String()
}

var (
	heading    = regexp.MustCompile(`(?m)^#{1,6} +(.+?) *$`)
	notInSlugs = regexp.MustCompile(`[^\p{L}\p{N}_\- ]`)
)

// sectionsOf returns the fragments of a page's headings, as GitHub makes them.
func sectionsOf(t *testing.T, page string) map[string]bool {
	sections := map[string]bool{}
	for _, h := range heading.FindAllStringSubmatch(withoutCode(readFile(t, page)), -1) {
		slug := strings.ReplaceAll(notInSlugs.ReplaceAllString(strings.ToLower(h[1]), ""), " ", "-")
		for n, base := 1, slug; sections[slug]; n++ {
			slug = base + "-" + strconv.Itoa(n)
		}
		sections[slug] = true
	}
	return sections
}
