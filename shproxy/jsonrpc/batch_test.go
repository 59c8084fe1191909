// SPDX-License-Identifier: Apache-2.0

package jsonrpc

import (
	"errors"
	"slices"
	"strings"
	"testing"
)

func TestElements(t *testing.T) {
	deep := strings.Repeat("[", MaxDepth) + strings.Repeat("]", MaxDepth)
	tests := []struct {
		name, frame string
		want        []string
	}{
		{"one", `[{"jsonrpc":"2.0","id":1,"method":"x"}]`, []string{`{"jsonrpc":"2.0","id":1,"method":"x"}`}},
		{"white space", " \r\n[ {} \t,\n{ \"a\" : [ ] } ] \n", []string{`{}`, `{ "a" : [ ] }`}},
		{"other values", `[1,"a,]",null,[],[{}]]`, []string{`1`, `"a,]"`, `null`, `[]`, `[{}]`}},
		{"deep", `[` + deep + `]`, []string{deep}},
		{"most", `[1` + strings.Repeat(",1", MaxBatch-1) + `]`, slices.Repeat([]string{"1"}, MaxBatch)},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			spans, err := Elements([]byte(test.frame))
			if err != nil {
				t.Fatal(err)
			}
			var got []string
			for _, s := range spans {
				got = append(got, string(s.Of([]byte(test.frame))))
			}
			if !slices.Equal(got, test.want) {
				t.Errorf("got %q, want %q", got, test.want)
			}
		})
	}
}

func TestElementsRefuses(t *testing.T) {
	tests := []struct {
		name, frame string
		code        int
	}{
		{"nothing", "", ParseError},
		{"text", "[listening]", ParseError},
		{"empty", " [ ] ", InvalidRequest},
		{"empty and more", "[]]", ParseError},
		{"object", `{"jsonrpc":"2.0","id":1,"method":"x"}`, InvalidRequest},
		{"no JSON", `{"jsonrpc"}`, ParseError},
		{"cut off", `[{}`, ParseError},
		{"cut off after a comma", `[{},`, ParseError},
		{"comma at the end", `[{},]`, ParseError},
		{"comma at the start", `[,{}]`, ParseError},
		{"no comma", `[{}{}]`, ParseError},
		{"trailing bytes", `[{}] {}`, ParseError},
		{"second batch", `[{}][{}]`, ParseError},
		{"byte order mark", "\ufeff[{}]", ParseError},
		{"NUL between", "[{}\x00,{}]", ParseError},
		{"form feed between", "[{}\f,{}]", ParseError},
		{"no-break space between", "[{}\u00a0,{}]", ParseError},
		{"wrong closer", `[{}}`, ParseError},
		{"wrong closer inside", `[{"a":[}]]`, ParseError},
		{"invalid UTF-8", "[{\"a\":\"\xff\"}]", ParseError},
		{"too deep", `[` + strings.Repeat("[", MaxDepth+1) + strings.Repeat("]", MaxDepth+1) + `]`, ParseError},
		{"too many", `[1` + strings.Repeat(",1", MaxBatch) + `]`, InvalidRequest},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			spans, err := Elements([]byte(test.frame))
			var e *Error
			if !errors.As(err, &e) || e.Code != test.code || spans != nil {
				t.Errorf("Elements = %v, %v; want code %d", spans, err, test.code)
			}
		})
	}
}
