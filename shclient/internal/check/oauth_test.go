// SPDX-License-Identifier: Apache-2.0

package check

import (
	"maps"
	"strings"
	"testing"
)

func TestBearer(t *testing.T) {
	for _, test := range []struct {
		headers []string
		want    map[string]string // nil: there is no such challenge
	}{
		{nil, nil},
		{[]string{"Basic realm=x"}, nil},
		{[]string{"Bearer"}, map[string]string{}},
		{[]string{`bearer Scope="a b", error=invalid_token`}, map[string]string{"scope": "a b", "error": "invalid_token"}},
		{[]string{`Bearer resource_metadata="https://x/y?a=b,c", scope="\"q\""`}, map[string]string{"resource_metadata": "https://x/y?a=b,c", "scope": `"q"`}},
		{[]string{`Basic realm="Bearer x=y", Bearer scope=a`}, map[string]string{"scope": "a"}},
		{[]string{"Negotiate abc==", "Bearer scope=a"}, map[string]string{"scope": "a"}},
		{[]string{`Bearer scope="unended`}, map[string]string{"scope": "unended"}},
	} {
		if got := bearer(test.headers); !maps.Equal(got, test.want) || (got == nil) != (test.want == nil) {
			t.Errorf("%q: %q", test.headers, got)
		}
	}
}

// FuzzBearer reads anything, and any value comes back that is quoted right.
func FuzzBearer(f *testing.F) {
	for _, text := range []string{"", "Bearer", `Basic a=b, Bearer scope="x\"`, "Bearer a=b c", ",,=", `a "=`} {
		f.Add(text)
	}
	f.Fuzz(func(t *testing.T, text string) {
		bearer([]string{text})
		quoted := strings.NewReplacer(`\`, `\\`, `"`, `\"`).Replace(text)
		if got := bearer([]string{`Basic realm=x, Bearer error=e, scope="` + quoted + `"`}); got["scope"] != text || got["error"] != "e" {
			t.Errorf("%q came back as %q", text, got)
		}
	})
}
