// SPDX-License-Identifier: Apache-2.0

package mcpheader

import (
	"encoding/base64"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"unicode/utf8"
)

// The tables of the specification ("Value Encoding") and of SEP-2243
// ("Conformance Test Cases").
func TestEncode(t *testing.T) {
	tests := []struct{ text, want string }{
		{"us-west1", "us-west1"},
		{"Hello, 世界", "=?base64?SGVsbG8sIOS4lueVjA==?="},
		{" padded ", "=?base64?IHBhZGRlZCA=?="},
		{"line1\nline2", "=?base64?bGluZTEKbGluZTI=?="},
		{"=?base64?literal?=", "=?base64?PT9iYXNlNjQ/bGl0ZXJhbD89?="},
		{" us-west1", "=?base64?IHVzLXdlc3Qx?="},
		{"us-west1 ", "=?base64?dXMtd2VzdDEg?="},
		{" us-west1 ", "=?base64?IHVzLXdlc3QxIA==?="},
		{"us west 1", "us west 1"},
		{"日本語", "=?base64?5pel5pys6Kqe?="},
		{"line1\r\nline2", "=?base64?bGluZTENCmxpbmUy?="},
		{"\tindented", "=?base64?CWluZGVudGVk?="},
		{"a\tb", "=?base64?YQli?="},
		{"del\x7f", "=?base64?ZGVsfw==?="},
		{"\x00", "=?base64?AA==?="},
		{"my-tool_name", "my-tool_name"},
		{"file:///path/to/file%20name.txt", "file:///path/to/file%20name.txt"},
		{"https://example.com/resource?id=123", "https://example.com/resource?id=123"},
		{"=?base64?", "=?base64?"},
		{"=?base64?=", "=?base64?PT9iYXNlNjQ/PQ==?="}, // starts and ends like one
		{"=?BASE64?SGVsbG8=?=", "=?BASE64?SGVsbG8=?="},
		{"", "=?base64??="},
	}
	for _, test := range tests {
		got := Encode(test.text)
		if got != test.want {
			t.Errorf("Encode(%q) = %q, want %q", test.text, got, test.want)
		}
		if back, err := Decode(got); back != test.text || err != nil {
			t.Errorf("Decode(%q) = %q, %v; want %q", got, back, err, test.text)
		}
	}
}

func TestDecode(t *testing.T) {
	tests := []struct {
		value, want string
		ok          bool
	}{
		{"=?base64?SGVsbG8=?=", "Hello", true},
		{"  foo\t", "foo", true},
		{" =?base64?SGVsbG8=?= ", "Hello", true},
		{"a\tb", "a\tb", true},
		{"", "", true},
		{"SGVsbG8=", "SGVsbG8=", true},
		{"=?base64?SGVsbG8=", "=?base64?SGVsbG8=", true},
		{"SGVsbG8=?=", "SGVsbG8=?=", true},
		{"=?BASE64?SGVsbG8=?=", "=?BASE64?SGVsbG8=?=", true},
		{"=?base64?=", "=?base64?=", true},
		{"=?base64?SGVsbG8?=", "", false},
		{"=?base64?SGVs!!!bG8=?=", "", false},
		{"=?base64?SGVs bG8=?=", "", false},
		{"=?base64?SGVs\nbG8=?=", "", false},
		{"=?base64?SGVsbG9=?=", "", false}, // bits behind the text
		{"=?base64?SGVsbG8=?=?=", "", false},
		{"=?base64?_-8=?=", "", false},
		{"=?base64?/w==?=", "", false}, // no UTF-8
		{"caf\xc3\xa9", "", false},
		{"a\x7f", "", false},
		{"a\x00b", "", false},
		{"a\nb", "", false},
	}
	for _, test := range tests {
		got, err := Decode(test.value)
		if got != test.want || (err == nil) != test.ok {
			t.Errorf("Decode(%q) = %q, %v; want %q, %v", test.value, got, err, test.want, test.ok)
		}
	}
}

// What Encode returns passes through a real server and client unchanged.
func TestEncodeOnTheWire(t *testing.T) {
	got := make(chan []string, 1)
	server := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) { got <- r.Header[Name] }))
	defer server.Close()
	for _, text := range []string{"", " a ", "\t", "a  b", "\r\nX: y", "é", "a\x7f", "\"'\\,;"} {
		req, err := http.NewRequest(http.MethodPost, server.URL, nil)
		if err != nil {
			t.Fatal(err)
		}
		req.Header.Set(Name, Encode(text))
		resp, err := http.DefaultClient.Do(req)
		if err != nil {
			t.Fatal(err)
		}
		_ = resp.Body.Close()
		values := <-got
		if len(values) != 1 {
			t.Fatalf("%q arrived as %q", text, values)
		}
		if back, err := Decode(values[0]); back != text || err != nil {
			t.Errorf("%q came back as %q, %v", text, back, err)
		}
	}
}

func FuzzDecode(f *testing.F) {
	for _, seed := range []string{"", "a", " a ", "=?base64??=", "=?base64?SGVsbG8=?=", "=?base64?=", "é", "=?base64?/w==?=", "\xff", "a\tb"} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, text string) {
		if utf8.ValidString(text) {
			value := Encode(text)
			if back, err := Decode(" " + value + "\t"); back != text || err != nil {
				t.Errorf("%q as %q comes back as %q, %v", text, value, back, err)
			}
			if !visible(value) || trim(value) != value || value == "" {
				t.Errorf("Encode(%q) = %q", text, value)
			}
		}
		got, err := Decode(text)
		if err != nil {
			return
		}
		inner, begins := strings.CutPrefix(trim(text), prefix)
		inner, ends := strings.CutSuffix(inner, suffix)
		want := trim(text)
		if begins && ends {
			raw, err := base64.StdEncoding.DecodeString(inner)
			if want = string(raw); err != nil {
				t.Errorf("accepted %q: %v", text, err)
			}
		}
		if got != want || !utf8.ValidString(got) {
			t.Errorf("Decode(%q) = %q, want %q", text, got, want)
		}
	})
}
