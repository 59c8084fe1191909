// SPDX-License-Identifier: Apache-2.0

package cli

import (
	"bytes"
	"encoding/json"
	"strings"
	"testing"

	"github.com/spf13/pflag"
)

// Whatever is taken is an object, whose members are at lines that exist.
func FuzzConfigMembers(f *testing.F) {
	f.Add([]byte("{\n\"issuer\": \"x\",\n\"resource\": [\"y\", null], \"verify\": true}"))
	f.Add([]byte(`{"a": 1} {`))
	f.Add([]byte(`{"a": {"b": [`))
	f.Fuzz(func(t *testing.T, data []byte) {
		members, err := configMembers(data)
		if err != nil {
			if strings.ContainsRune(err.Error(), '\n') {
				t.Errorf("more than one line: %v", err)
			}
			return
		}
		if !json.Valid(data) {
			t.Errorf("%q is no JSON", data)
		}
		for _, m := range members {
			if m.line < 1 || m.line > 1+bytes.Count(data, []byte("\n")) || !json.Valid(m.value) {
				t.Errorf("%+v", m)
			}
		}
	})
}

// A flag on the command line wins, repeatable ones too.
func TestFlagsWin(t *testing.T) {
	flags := pflag.NewFlagSet("test", pflag.ContinueOnError)
	list := flags.StringArray("some-list", []string{"default"}, "")
	other := flags.StringArray("other-list", []string{"default"}, "")
	if err := flags.Parse([]string{"--some-list", "a"}); err != nil {
		t.Fatal(err)
	}
	members, err := configMembers([]byte(`{"someList": ["b", "c"], "otherList": ["b", "c"]}`))
	if err != nil {
		t.Fatal(err)
	}
	for i, name := range []string{"some-list", "other-list"} {
		if err := members[i].apply(flags, flags.Lookup(name)); err != nil {
			t.Fatal(err)
		}
	}
	if got := strings.Join(*list, " ") + "; " + strings.Join(*other, " "); got != "a; b c" {
		t.Error(got)
	}
}
