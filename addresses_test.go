// SPDX-License-Identifier: Apache-2.0

package gateway_test

import (
	"os"
	"regexp"
	"slices"
	"testing"
)

// TestSpecialAddresses compares what the two guarded clients take for addresses
// that no public server has. fetchserver cannot import oauthdyn's list.
func TestSpecialAddresses(t *testing.T) {
	prefix := regexp.MustCompile(`(?m)^\t"([0-9a-f:.]+/[0-9]+)",`)
	var lists [2][]string
	for i, file := range []string{"oauthdyn/internal/safedial/safedial.go", "fetchserver/fetch/address.go"} {
		source, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		for _, found := range prefix.FindAllStringSubmatch(string(source), -1) {
			lists[i] = append(lists[i], found[1])
		}
		if len(lists[i]) < 20 {
			t.Errorf("%s: found %d prefixes", file, len(lists[i]))
		}
	}
	if !slices.Equal(lists[0], lists[1]) {
		t.Errorf("the lists differ:\n%v\n%v", lists[0], lists[1])
	}
}
