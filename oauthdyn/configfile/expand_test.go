// SPDX-License-Identifier: Apache-2.0

package configfile_test

import (
	"testing"

	"github.com/atrawog/mcp-oauth-gateway/oauthdyn/configfile"
)

func TestExpand(t *testing.T) {
	lookup := func(name string) (string, bool) {
		value, ok := map[string]string{"A": "x", "B": "${A}", "EMPTY": ""}[name]
		return value, ok
	}
	for _, test := range []struct{ in, want, err string }{
		{"plain $A", "plain $A", ""},
		{"Bearer ${A}, ${A}${EMPTY}", "Bearer x, x", ""},
		{"${B}", "${A}", ""}, // values are not read again
		{"${NONE}", "", "the environment has no variable NONE"},
		{"x${A", "", "${ without }"},
	} {
		got, err := configfile.Expand(test.in, lookup)
		if got != test.want || (err == nil) != (test.err == "") || err != nil && err.Error() != test.err {
			t.Errorf("%s: %q, %v", test.in, got, err)
		}
	}
}
