// SPDX-License-Identifier: Apache-2.0

package docs_test

import (
	"fmt"
	"os"
	"regexp"
	"slices"
	"strings"
	"testing"
)

var (
	authserverRow = regexp.MustCompile(`(?m)^\| ([AS]\d+|F\d+[a-z]?) \| .* \|$`)
	notCovered    = "not covered:"
)

// TestAuthserverRequirementsHaveTests wants a row for every number, and every
// test in a row to exist. A row without a test says why; in the others, the name
// of one carries the number, but for the faults of the original (F).
func TestAuthserverRequirementsHaveTests(t *testing.T) {
	page, err := os.ReadFile("authserver-requirements.md")
	if err != nil {
		t.Fatal(err)
	}
	rows := map[string]string{}
	for _, row := range authserverRow.FindAllStringSubmatch(string(page), -1) {
		if rows[row[1]] != "" {
			t.Errorf("%s has two rows", row[1])
		}
		rows[row[1]] = row[0]
	}
	tests := testFunctions(t)
	for number, row := range rows {
		carried := false
		names := namedTest.FindAllStringSubmatch(row, -1)
		for _, name := range names {
			if !tests[name[1]] {
				t.Errorf("%s: there is no %s", number, name[1])
			}
			carried = carried || carries(name[1], number)
		}
		switch {
		case len(names) == 0 && !strings.Contains(row, notCovered):
			t.Errorf("%s has no test, and does not say why", number)
		case len(names) > 0 && !carried && number[0] != 'F':
			t.Errorf("%s: no name carries the number: %v", number, names)
		}
	}
	for _, number := range authserverNumbers() {
		if rows[number] == "" {
			t.Errorf("%s has no row", number)
		}
	}
}

func authserverNumbers() (numbers []string) {
	for n := 1; n <= 16; n++ {
		numbers = append(numbers, fmt.Sprint("A", n))
	}
	for n := 1; n <= 78; n++ {
		if unused := slices.Contains([]int{17, 18, 19, 55, 56, 57, 58, 59, 69}, n) || n >= 32 && n <= 39; !unused {
			numbers = append(numbers, fmt.Sprint("S", n))
		}
	}
	return numbers
}
