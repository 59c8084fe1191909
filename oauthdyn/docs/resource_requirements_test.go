// SPDX-License-Identifier: Apache-2.0

package docs_test

import (
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

var (
	requirementRow = regexp.MustCompile(`(?m)^\| ([RS]\d+) \| .* \|$`)
	namedTest      = regexp.MustCompile("`([a-z]+\\.(?:Test|Fuzz)[A-Za-z0-9]+)`")
)

// TestResourceRequirementsHaveTests wants a row for every number, and every test
// in a row to exist; the name of one of them carries the number.
func TestResourceRequirementsHaveTests(t *testing.T) {
	page, err := os.ReadFile("resource-requirements.md")
	if err != nil {
		t.Fatal(err)
	}
	rows := map[string][]string{}
	for _, row := range requirementRow.FindAllStringSubmatch(string(page), -1) {
		for _, name := range namedTest.FindAllStringSubmatch(row[0], -1) {
			rows[row[1]] = append(rows[row[1]], name[1])
		}
	}
	var numbers []string
	for n := 1; n <= 9; n++ {
		numbers = append(numbers, fmt.Sprint("R", n))
	}
	for n := 80; n <= 98; n++ {
		numbers = append(numbers, fmt.Sprint("S", n))
	}
	tests := testFunctions(t)
	for _, number := range numbers {
		if len(rows[number]) == 0 {
			t.Errorf("%s has no test", number)
		}
		carried := false
		for _, name := range rows[number] {
			if !tests[name] {
				t.Errorf("%s: there is no %s", number, name)
			}
			carried = carried || carries(name, number)
		}
		if !carried {
			t.Errorf("%s: no name carries the number: %v", number, rows[number])
		}
	}
}

var rangeOfNumbers = regexp.MustCompile(`S(\d+)toS(\d+)`)

// carries reports whether the name of a test has a number, be it in a range such
// as S80toS87.
func carries(name, number string) bool {
	if regexp.MustCompile(number + `(\D|$)`).MatchString(name) {
		return true
	}
	r := rangeOfNumbers.FindStringSubmatch(name)
	return r != nil && r[1] <= number[1:] && number[1:] <= r[2]
}

// testFunctions lists the tests of this module and those of examples/deploy, as
// package.Name. Outside of the repository, where there are no examples, those
// count as there.
func testFunctions(t *testing.T) map[string]bool {
	t.Helper()
	found := map[string]bool{}
	const deploy = "../../examples/deploy"
	if _, err := os.Stat(deploy); err != nil {
		found["deploy.TestProxies"] = true
	}
	for _, root := range []string{"..", deploy} {
		err := filepath.WalkDir(root, func(path string, d fs.DirEntry, err error) error {
			if os.IsNotExist(err) {
				return nil
			}
			if err != nil || d.IsDir() || !strings.HasSuffix(path, "_test.go") {
				return err
			}
			file, err := parser.ParseFile(token.NewFileSet(), path, nil, parser.SkipObjectResolution)
			if err != nil {
				return err
			}
			pack := strings.TrimSuffix(file.Name.Name, "_test")
			for _, decl := range file.Decls {
				if f, ok := decl.(*ast.FuncDecl); ok && f.Recv == nil {
					found[pack+"."+f.Name.Name] = true
				}
			}
			return nil
		})
		if err != nil {
			t.Fatal(err)
		}
	}
	return found
}
