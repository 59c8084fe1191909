// SPDX-License-Identifier: Apache-2.0

package oauthdyn

import (
	"maps"
	"net/http"
	"slices"
	"strings"
	"testing"
)

func TestParseChallenges(t *testing.T) {
	type c = Challenge
	p := func(kv ...string) map[string]string {
		m := map[string]string{}
		for i := 0; i < len(kv); i += 2 {
			m[kv[i]] = kv[i+1]
		}
		return m
	}
	tests := []struct {
		name    string
		headers []string
		want    []Challenge
	}{
		{"none", nil, nil},
		{"empty", []string{"", " , ,"}, nil},
		{"scheme alone", []string{"Bearer"}, []c{{"bearer", p()}}},
		{"scheme and comma", []string{"Bearer,"}, []c{{"bearer", p()}}},
		{"quoted", []string{`Bearer realm="a, b=\"c\"", scope="x y"`}, []c{{"bearer", p("realm", `a, b="c"`, "scope", "x y")}}},
		{"token values", []string{`BEARER error=invalid_token,scope=x`}, []c{{"bearer", p("error", "invalid_token", "scope", "x")}}},
		{"blanks around =", []string{`Bearer error = "invalid_token" , scope	=	x`}, []c{{"bearer", p("error", "invalid_token", "scope", "x")}}},
		{"name in capitals", []string{`Bearer Resource_Metadata="https://a/b"`}, []c{{"bearer", p("resource_metadata", "https://a/b")}}},
		{"first of two", []string{`Bearer error="a", error="b"`}, []c{{"bearer", p("error", "a")}}},
		{"first of two, empty", []string{`Bearer scope="", scope="admin"`}, []c{{"bearer", p("scope", "")}}},
		{"several in one", []string{`Basic realm="x", Bearer scope="y", Negotiate`},
			[]c{{"basic", p("realm", "x")}, {"bearer", p("scope", "y")}, {"negotiate", p()}}},
		{"several headers", []string{`Basic realm="x"`, `Bearer scope="y"`},
			[]c{{"basic", p("realm", "x")}, {"bearer", p("scope", "y")}}},
		{"token68", []string{`Negotiate YWJj/+==, Bearer scope="y"`}, []c{{"negotiate", p()}, {"bearer", p("scope", "y")}}},
		{"token68 without padding", []string{`Negotiate YWJjZGVm, Bearer scope="y"`}, []c{{"negotiate", p()}, {"bearer", p("scope", "y")}}},
		{"two schemes in a row", []string{`Negotiate, Bearer`}, []c{{"negotiate", p()}, {"bearer", p()}}},
		{"empty value", []string{`Bearer realm="", scope=x`}, []c{{"bearer", p("realm", "", "scope", "x")}}},
		{"quote left open", []string{`Bearer error="a", scope="x`}, []c{{"bearer", p("error", "a")}}},
		{"backslash at the end", []string{`Bearer error="a", scope="x\`}, []c{{"bearer", p("error", "a")}}},
		{"value missing", []string{`Bearer error=, scope=x`}, []c{{"bearer", p("scope", "x")}}},
		{"value missing in the middle", []string{`Bearer a=b, error=, scope=x`}, []c{{"bearer", p("a", "b")}}},
		{"parameter without scheme", []string{`="x"`, `error="x"`}, []c{{"error", p()}}},
		{"bytes outside ASCII", []string{"Bearer error=\"\xff\xfe\", scope=x"}, []c{{"bearer", p("error", "\xff\xfe", "scope", "x")}}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			got := ParseChallenges(http.Header{"Www-Authenticate": tt.headers})
			if !slices.EqualFunc(got, tt.want, func(a, b Challenge) bool {
				return a.Scheme == b.Scheme && maps.Equal(a.Params, b.Params)
			}) {
				t.Errorf("got %q, want %q", got, tt.want)
			}
		})
	}
}

func TestBearerChallenge(t *testing.T) {
	h := http.Header{"Www-Authenticate": {`Basic realm="x", bearer error="insufficient_scope", scope=" a  b ", resource_metadata="https://a/b"`, `Bearer scope="c"`}}
	c, ok := BearerChallenge(h)
	if !ok || c.Code() != CodeInsufficientScope || !slices.Equal(c.Scopes(), []string{"a", "b"}) || c.ResourceMetadata() != "https://a/b" {
		t.Errorf("%+v, %v", c, ok)
	}
	if _, ok := BearerChallenge(http.Header{"Www-Authenticate": {`Basic realm="Bearer"`}}); ok {
		t.Error("found in a quoted string")
	}
}

func TestChallengeString(t *testing.T) {
	c := Challenge{Scheme: "bearer", Params: map[string]string{
		"resource_metadata": "https://a/b", "error": "invalid_token", "error_description": "a \"quoted\" \\ line\r\nbreak é",
	}}
	const want = `Bearer error="invalid_token", error_description="a \"quoted\" \\ linebreak ", resource_metadata="https://a/b"`
	if got := c.String(); got != want {
		t.Errorf("got  %s\nwant %s", got, want)
	}
	if got := (Challenge{Scheme: "bearer"}).String(); got != "Bearer" {
		t.Errorf("got %q", got)
	}
}

func FuzzParseChallenges(f *testing.F) {
	for _, s := range []string{
		`Bearer`, `Bearer realm="a", error="invalid_token"`, `Basic realm="x", Bearer scope="y"`, `Negotiate YWJj/+==`,
		`Bearer a="\"", b=c,, d`, `,,=`, `Bearer x="`, "Bearer\t a = \"b\" ,c", `A B=C D E="F"`, `Digest a=b, Negotiate x==, Bearer`,
	} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		all := parseChallenges(s)
		if len(all) > len(s) {
			t.Fatalf("%d challenges in %d bytes", len(all), len(s))
		}
		for _, c := range all {
			if c.Scheme == "" || c.Scheme != strings.ToLower(c.Scheme) {
				t.Errorf("scheme %q", c.Scheme)
			}
			text := c.String()
			if strings.ContainsAny(text, "\r\n\x00") {
				t.Errorf("%q is not fit for a header", text)
			}
			// What is written is read back, but for bytes that a header cannot hold.
			again := parseChallenges(text)
			if len(again) != 1 || again[0].Scheme != c.Scheme {
				t.Fatalf("%q is read back as %q", text, again)
			}
			for _, name := range []string{"realm", "error", "scope", "resource_metadata"} {
				v, ok := c.Params[name]
				if ok && !strings.ContainsFunc(v, func(r rune) bool { return r < 0x20 || r > 0x7e }) && again[0].Params[name] != v {
					t.Errorf("%s %q is read back as %q", name, v, again[0].Params[name])
				}
			}
		}
	})
}
