// SPDX-License-Identifier: Apache-2.0

package allow

import (
	"slices"
	"strings"
	"testing"
)

func TestAllows(t *testing.T) {
	alice := Person{ID: "1", Login: "Alice", Groups: []string{"Staff", "id:9"}, Emails: []string{"Alice@Example.com"}}
	emails := func(addresses ...string) Person { return Person{ID: "1", Emails: addresses} }
	for _, test := range []struct {
		name   string
		list   List
		person Person
		want   bool
	}{
		{"nobody by default", List{}, alice, false},
		{"anybody", List{Users: []string{"*"}}, alice, true},
		{"* must be said", List{Users: []string{""}, Groups: []string{""}, Domains: []string{""}}, Person{ID: "1", Emails: []string{"a@"}}, false},
		{"login in any case", List{Users: []string{"aLICE"}}, alice, true},
		{"part of a login", List{Users: []string{"alic", "alice2"}}, alice, false},
		{"a login that becomes ASCII when made small", List{Users: []string{"kim"}}, Person{ID: "1", Login: "\u212aim"}, false}, // Kelvin sign
		{"no login", List{Users: []string{"id:"}}, Person{}, false},
		{"id", List{Users: []string{"id:1"}}, alice, true},
		{"id in another case", List{Users: []string{"id:A"}}, Person{ID: "a"}, false},
		{"login that looks like an id", List{Users: []string{"id:2"}}, Person{ID: "1", Login: "id:2"}, false},
		{"group", List{Groups: []string{"x", "Staff"}}, alice, true},
		{"group by id", List{Groups: []string{"id:9"}}, alice, true},
		{"group in another case", List{Groups: []string{"staff"}}, alice, false},
		{"group is no user", List{Users: []string{"Staff"}}, alice, false},
		{"user is no group", List{Groups: []string{"Alice", "1"}}, alice, false},
		{"address", List{Users: []string{"alice@example.com"}}, alice, true},
		{"another address", List{Users: []string{"alice@example.org"}}, alice, false},
		{"domain", List{Domains: []string{"EXAMPLE.com"}}, alice, true},
		{"any address counts", List{Domains: []string{"example.com"}}, emails("a@other.example", "b@example.com"), true},
		{"no address", List{Domains: []string{"example.com"}}, emails(), false},
		{"subdomain", List{Domains: []string{"example.com"}}, emails("a@mail.example.com"), false},
		{"parent domain", List{Domains: []string{"mail.example.com"}}, emails("a@example.com"), false},
		{"domain at the end of another", List{Domains: []string{"example.com"}}, emails("a@notexample.com"), false},
		{"two @", List{Domains: []string{"example.com"}}, emails("a@evil.example@example.com", "a@example.com@evil.example"), false},
		{"quoted", List{Domains: []string{"example.com"}}, emails(`"a@example.com"@evil.example`, `"a"@example.com`), false},
		{"comment, list, route", List{Domains: []string{"example.com"}}, emails("a(@evil.example)@example.com", "evil.example,a@example.com", "<a@example.com"), false},
		{"line break", List{Domains: []string{"example.com"}}, emails("evil.example\na@example.com", "a@example.com\n"), false},
		{"no user", List{Domains: []string{"example.com"}}, emails("@example.com"), false},
		{"letters that look alike", List{Domains: []string{"example.com"}}, emails("a@ex\u0430mple.com", "a@example.c\u043em"), false},
		{"letters that become ASCII", List{Domains: []string{"kite.example"}}, emails("a@\u212aite.example"), false},
	} {
		if got := test.list.Allows(test.person); got != test.want {
			t.Errorf("%s: %v", test.name, got)
		}
	}
}

func TestCheck(t *testing.T) {
	for want, list := range map[string]List{
		"":                            {Users: []string{"*", "id:1", "a@example.com"}, Groups: []string{"a b", "id:9"}, Domains: []string{"xn--bcher-kva.example", "Example.COM"}},
		"is empty or has spaces":      {Users: []string{""}},
		"spaces around it":            {Groups: []string{" staff"}},
		"* is for users only":         {Domains: []string{"*"}},
		"is not the domain of":        {Domains: []string{"@example.com"}},
		"as in example.com":           {Domains: []string{"*.example.com"}},
		"write other scripts as xn--": {Domains: []string{"bücher.example"}},
		"of an e-mail address":        {Domains: []string{".example.com"}},
	} {
		err := list.Check()
		if (err == nil) != (want == "") || err != nil && !strings.Contains(err.Error(), want) {
			t.Errorf("%+v: %v, want %q", list, err, want)
		}
	}
}

func TestTrim(t *testing.T) {
	list := List{Groups: []string{"staff"}, Domains: []string{"example.com"}, Users: []string{"id:1"}}
	p := Person{ID: "1", Groups: []string{"a", "staff", "b"}, Emails: []string{"x@other.example", "x@example.com"}}
	if got := list.Trim(p, 1000); len(got.Groups) != 3 || len(got.Emails) != 2 {
		t.Errorf("trimmed what fits: %+v", got)
	}
	got := list.Trim(p, 10)
	if !slices.Equal(got.Groups, []string{"staff"}) || !slices.Equal(got.Emails, []string{"x@example.com"}) || got.ID != "1" {
		t.Errorf("%+v", got)
	}
	if len(p.Groups) != 3 || p.Groups[0] != "a" {
		t.Error("the argument was changed")
	}
}

// However addresses are written, a domain lets in only what ends in it, after one @.
func FuzzDomains(f *testing.F) {
	f.Add("a@example.com")
	f.Add("a@example.com@evil.example")
	f.Add("\u212a@example.com ")
	f.Fuzz(func(t *testing.T, email string) {
		got := List{Domains: []string{"example.com"}}.Allows(Person{ID: "1", Emails: []string{email}})
		plain := strings.Count(email, "@") == 1 && strings.HasSuffix(strings.ToLower(email), "@example.com")
		if got && !plain {
			t.Errorf("%q was let in", email)
		}
	})
}
