// SPDX-License-Identifier: Apache-2.0

package oauthdyn

import (
	"fmt"
	"io/fs"
	"os"
	"regexp"
	"strconv"
	"strings"
	"testing"
)

var (
	testFunction   = regexp.MustCompile(`(?m)^func (Test\w+)\(t \*testing\.T\)`)
	requirementRow = regexp.MustCompile(`(?m)^\| ([CS]\d+) \|.*\| ([^|]+) \|$`)
	testName       = regexp.MustCompile("`(Test\\w+)`")
	numberInName   = regexp.MustCompile(`([CS])(\d+)(?:to[CS](\d+))?`)
)

// TestRequirementsTable holds docs/requirements.md to the tests: all numbers are
// there, all tests that it names exist, and each number is in the name of one.
func TestRequirementsTable(t *testing.T) {
	page, err := os.ReadFile("docs/requirements.md")
	if err != nil {
		t.Fatal(err)
	}
	exists := testFunctions(t)
	for _, name := range testName.FindAllStringSubmatch(string(page), -1) {
		if !exists[name[1]] {
			t.Errorf("there is no %s", name[1])
		}
	}
	carried := map[string]bool{}
	for _, row := range requirementRow.FindAllStringSubmatch(string(page), -1) {
		number := row[1]
		if _, ok := carried[number]; ok {
			t.Errorf("%s stands there twice", number)
		}
		carried[number] = false
		for _, name := range testName.FindAllStringSubmatch(row[2], -1) {
			carried[number] = carried[number] || numbersIn(name[1])[number]
		}
	}
	for _, number := range append(numbers("C", 1, 27), numbers("S", 110, 121)...) {
		if named, ok := carried[number]; !ok {
			t.Errorf("%s is missing", number)
		} else if !named {
			t.Errorf("no test of %s carries the number", number)
		}
	}
}

// testFunctions lists the tests of this module.
func testFunctions(t *testing.T) map[string]bool {
	t.Helper()
	found := map[string]bool{}
	err := fs.WalkDir(os.DirFS("."), ".", func(name string, _ fs.DirEntry, err error) error {
		if err != nil || !strings.HasSuffix(name, "_test.go") {
			return err
		}
		source, err := os.ReadFile(name)
		for _, match := range testFunction.FindAllSubmatch(source, -1) {
			found[string(match[1])] = true
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return found
}

// numbersIn returns the numbers that the name of a test carries.
func numbersIn(name string) map[string]bool {
	carried := map[string]bool{}
	for _, match := range numberInName.FindAllStringSubmatch(name, -1) {
		first, _ := strconv.Atoi(match[2]) // digits
		last := first
		if match[3] != "" {
			last, _ = strconv.Atoi(match[3]) // digits
		}
		for _, number := range numbers(match[1], first, last) {
			carried[number] = true
		}
	}
	return carried
}

func numbers(letter string, first, last int) []string {
	var list []string
	for n := first; n <= last; n++ {
		list = append(list, fmt.Sprint(letter, n))
	}
	return list
}
