// SPDX-License-Identifier: Apache-2.0

package configfile

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"os"
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
		if err := members[i].apply(flags.Lookup(name)); err != nil {
			t.Fatal(err)
		}
	}
	if got := strings.Join(*list, " ") + "; " + strings.Join(*other, " "); got != "a; b c" {
		t.Error(got)
	}
}

type size struct{ text string }

func (s *size) Set(text string) error { s.text = text; return nil }
func (s *size) String() string        { return s.text }
func (s *size) Type() string          { return "SIZE" }

// Members are taken as the flags would take them; what is no value of theirs is
// told with its place.
func TestRead(t *testing.T) {
	for _, test := range []struct{ file, want string }{
		{`{"someSize": 12, "someList": ["a"], "on": true, "n": 3, "wait": "2s"}`, "12 [a] true 3 2s"},
		{`{"someSize": "1MiB"}`, "1MiB [] false 0 0s"},
		{"\ufeff{}", " [] false 0 0s"},
		{`{"someSize": null}`, `FILE: line 1: someSize: want a number of bytes like 1048576 or "1MiB"`},
		{`{"someSize": -1}`, `FILE: line 1: someSize: want a number of bytes like 1048576 or "1MiB"`},
		{"{\n\"n\": \"3\"}", "FILE: line 2: n: want a number"},
		{`{"wait": 2}`, `FILE: line 1: wait: want a duration like "30s"`},
		{`{"secret": "sesame"}`, "FILE: line 1: secret: there is no such member"},
		{`{"config": "x"}`, "FILE: line 1: config: there is no such member"},
		{`["sesame"]`, "FILE: want a JSON object"},
	} {
		path := t.TempDir() + "/file.json"
		if err := os.WriteFile(path, []byte(test.file), 0o600); err != nil {
			t.Fatal(err)
		}
		flags := pflag.NewFlagSet("test", pflag.ContinueOnError)
		bytes := &size{}
		flags.Var(bytes, "some-size", "")
		list := flags.StringArray("some-list", nil, "")
		on, n, wait := flags.Bool("on", false, ""), flags.Int64("n", 0, ""), flags.Duration("wait", 0, "")
		flags.String("config", "", "")
		err := Read(path, flags, "config")
		got := fmt.Sprint(bytes.text, " ", *list, " ", *on, " ", *n, " ", *wait)
		if err != nil {
			got = strings.Replace(err.Error(), path, "FILE", 1)
		}
		if got != test.want {
			t.Errorf("%s: %s, want %s", test.file, got, test.want)
		}
		if errors.Is(err, ErrFormat) != strings.HasPrefix(test.file, "[") {
			t.Errorf("%s: ErrFormat: %v", test.file, err)
		}
	}
}
