// SPDX-License-Identifier: Apache-2.0

package fetch

import (
	"net/http"
	"strings"
	"testing"

	"golang.org/x/net/html/charset"
)

func encode(t *testing.T, label, text string) string {
	t.Helper()
	enc, _ := charset.Lookup(label)
	out, err := enc.NewEncoder().String(text)
	if err != nil {
		t.Fatal(err)
	}
	return out
}

func TestText(t *testing.T) {
	filler := strings.Repeat("<!-- filler -->\n", 200) // 3.2 KB: beyond the 1024 bytes browsers look at
	for _, test := range []struct {
		name, contentType, body, want, charset string
	}{
		{"plain ASCII", "text/html", "abc", "abc", "utf-8"},
		{"UTF-8 undeclared", "text/html", "Grüße", "Grüße", "utf-8"},
		{"UTF-8 declared as something else", "text/html; charset=iso-8859-1", "Grüße", "Grüße", "utf-8"},
		{"byte order mark", "text/html; charset=iso-8859-1", "\xEF\xBB\xBFGrüße", "Grüße", "utf-8"},
		{"UTF-16 LE mark", "text/html", "\xFF\xFEa\x00\xFC\x00", "aü", "utf-16le"},
		{"UTF-16 BE mark", "text/html", "\xFE\xFF\x00a\x00\xFC", "aü", "utf-16be"},
		{"UTF-16 by header", "text/html; charset=utf-16le", "a\x00\xFC\x00", "aü", "utf-16le"},
		{"header", "text/html; charset=windows-1251", encode(t, "windows-1251", "Привет"), "Привет", "windows-1251"},
		{"quoted header", `text/html; charset="EUC-KR"`, encode(t, "euc-kr", "안녕하세요"), "안녕하세요", "euc-kr"},
		{"late meta", "text/html", filler + `<meta charset=gbk>` + encode(t, "gbk", "你好世界"), filler + "<meta charset=gbk>你好世界", "gbk"},
		{"http-equiv", "text/html", `<meta http-equiv=Content-Type content="text/html;charset=shift_jis">` + encode(t, "shift_jis", "日本語"),
			`<meta http-equiv=Content-Type content="text/html;charset=shift_jis">日本語`, "shift_jis"},
		{"seven-bit by header", "text/html; charset=iso-2022-jp", encode(t, "iso-2022-jp", "日本語"), "日本語", "iso-2022-jp"},
		{"seven-bit by meta", "text/html", "<meta charset=iso-2022-jp>" + encode(t, "iso-2022-jp", "日本語"), "<meta charset=iso-2022-jp>日本語", "iso-2022-jp"},
		{"meta that cannot be true", "text/html", "<meta charset=utf-16>caf\xE9", "<meta charset=utf-16>café", "windows-1252"},
		{"undeclared", "text/html", "caf\xE9 \x93quoted\x94", "café “quoted”", "windows-1252"},
		{"UTF-8 broken in one place", "text/html", "Grüße, Käse, Öl, Straße, Müll \xC3", "Grüße, Käse, Öl, Straße, Müll \uFFFD", "utf-8"},
		{"unknown label", "text/html; charset=klingon", "caf\xE9", "café", "windows-1252"},
		{"empty", "", "", "", "utf-8"},
	} {
		t.Run(test.name, func(t *testing.T) {
			r := &Response{Header: http.Header{"Content-Type": {test.contentType}}, Body: []byte(test.body)}
			got, name := r.Text()
			if got != test.want || name != test.charset {
				t.Errorf("Text() = %q, %q; want %q, %q", got, name, test.want, test.charset)
			}
		})
	}
}

func TestMediaType(t *testing.T) {
	for _, test := range []struct{ contentType, body, want string }{
		{"Text/HTML; charset=utf-8", "", "text/html"},
		{"", "<!-- hi --><!DOCTYPE html><p>x", "text/html"},
		{"", "<?xml version='1.0'?><html xmlns='http://www.w3.org/1999/xhtml'>", "text/html"},
		{"nonsense", "\x89PNG\r\n\x1a\n", "image/png"},
		{"", "plain words", "text/plain"},
		{"text/html;;;=", "x", "text/html"},
	} {
		r := &Response{Header: http.Header{"Content-Type": {test.contentType}}, Body: []byte(test.body)}
		if got := r.MediaType(); got != test.want {
			t.Errorf("MediaType of %q and %q = %q, want %q", test.contentType, test.body, got, test.want)
		}
	}
}

func TestLooksBinary(t *testing.T) {
	for body, want := range map[string]bool{
		"": false, "text\r\n\tmore\f": false, "\x1b[1mansi": false, "a\x00b": true, "%PDF-1.7\n%\xE2\x00": true, "\xFF\xFEa\x00": false,
	} {
		if got := LooksBinary([]byte(body)); got != want {
			t.Errorf("LooksBinary(%q) = %v", body, got)
		}
	}
}

func FuzzText(f *testing.F) {
	f.Add("text/html; charset=gbk", []byte("<meta charset=big5>\xA4\xA4"))
	f.Add("", []byte("<meta http-equiv=content-type content='x charset = \"utf-8'>\xFF"))
	f.Add("text/plain; charset=utf-16", []byte{0xD8})
	f.Fuzz(func(t *testing.T, contentType string, body []byte) {
		r := &Response{Header: http.Header{"Content-Type": {contentType}}, Body: body}
		text, name := r.Text()
		if text != strings.ToValidUTF8(text, "?") || name == "" {
			t.Errorf("Text() is not UTF-8, or of charset %q", name)
		}
	})
}
