// SPDX-License-Identifier: Apache-2.0

package fetch

import (
	"net/http"
	"strings"
	"testing"

	"golang.org/x/net/html/charset"
	"golang.org/x/text/encoding"
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
		{"two charsets in the header", "text/html; charset=windows-1251; charset=utf-8", encode(t, "windows-1251", "Привет"), "Привет", "windows-1251"},
		{"header in apostrophes", "text/html;x;charset = 'cp1251'", encode(t, "windows-1251", "Привет"), "Привет", "windows-1251"},
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

// paragraphs are pages without a declaration, in our own words.
var paragraphs = map[string]string{
	"ja":      "<p>このページは文字コードを宣言していませんが、読める文章として表示されなければなりません。カタカナも少しあります。",
	"ko":      "<p>이 페이지는 문자 인코딩을 선언하지 않지만 사람이 읽을 수 있는 글로 나타나야 한다. 그리고 서버는 아무 말도 하지 않는다.",
	"zh-Hans": "<p>这个页面没有说明它用的是什么编码，但是我们还是要能看到里面的文字。如果不能，那么读的人就会得到错的内容，对他们来说没有用。",
	"zh-Hant": "<p>這個頁面沒有說明它用的是什麼編碼，但是我們還是要能看到裡面的文字。如果不能，那麼讀的人就會得到錯的內容，對他們來說沒有用。",
	"ru":      "<p>Эта страница не говорит, в какой кодировке она написана, но её всё равно надо уметь прочитать, иначе читателю достанется каша.",
	"el":      "<p>Αυτή η σελίδα δεν λέει σε ποια κωδικοποίηση είναι γραμμένη, αλλά πρέπει και πάλι να μπορεί κανείς να τη διαβάσει.",
	"he":      "<p>הדף הזה לא אומר באיזה קידוד הוא נכתב, אבל בכל זאת צריך לדעת לקרוא אותו כדי שיהיה ממנו תועלת.",
	"ar":      "<p>هذه الصفحة لا تقول بأي ترميز كتبت، ولكن يجب مع ذلك أن تكون مقروءة لمن يريد أن يستفيد منها.",
	"fr":      "<p>Cette page où l'été a été gâché par une forêt brûlée coûte cher à l'hôtel du château, naïf et déçu. «Ça va?» À bientôt.",
	"de":      "<p>Größere Übungen für schöne Füße: Äpfel, Öl und Süßes über Straßen führen, müßige Köche möchten Käse.",
	"pl":      "<p>Zażółć gęślą jaźń, świeży śnieg, źdźbło i ćwierć miąższu; żółw śpi.",
	"tr":      "<p>Güneş doğdu, çiçekler açtı, ığdır dağında şafak söktü; öğretmen güldü.",
	"th":      "<p>หน้านี้ไม่ได้บอกว่าเขียนด้วยรหัสอักขระใด แต่ก็ต้องอ่านได้",
	"lt":      "<p>Šis puslapis nepasako, kokia koduote jis parašytas, bet jį vis tiek reikia perskaityti; ąžuolų ūksmė.",
}

func TestGuess(t *testing.T) {
	for _, test := range []struct{ lang, charset, name string }{
		{"ja", "shift_jis", ""}, {"ja", "euc-jp", ""}, {"ja", "iso-2022-jp", ""}, {"ja", "utf-16le", ""}, {"ja", "utf-8", ""},
		{"ko", "euc-kr", ""}, {"zh-Hans", "gbk", ""}, {"zh-Hans", "gb18030", "gbk"}, {"zh-Hant", "big5", ""},
		{"ru", "windows-1251", ""}, {"ru", "koi8-r", ""}, {"ru", "iso-8859-5", ""}, {"ru", "utf-16be", ""},
		{"el", "windows-1253", ""}, {"el", "iso-8859-7", ""}, {"he", "windows-1255", ""}, {"ar", "windows-1256", ""},
		{"fr", "windows-1252", ""}, {"fr", "utf-16le", ""}, {"de", "windows-1252", ""}, {"de", "iso-8859-1", "windows-1252"},
		{"pl", "windows-1250", "lang"}, {"pl", "iso-8859-2", "lang"}, {"tr", "windows-1254", "lang"}, {"th", "windows-874", "lang"}, {"lt", "windows-1257", "lang"},
	} {
		t.Run(test.lang+" "+test.charset, func(t *testing.T) {
			page, want := paragraphs[test.lang], test.charset
			if test.name == "lang" {
				page = "<html lang=" + test.lang + ">" + page
			} else if test.name != "" {
				want = test.name
			}
			r := &Response{Header: http.Header{"Content-Type": {"text/html"}}, Body: []byte(encode(t, test.charset, page))}
			got, name := r.Text()
			if name != want && !(want == "iso-8859-7" && name == "windows-1253") {
				t.Errorf("charset %q, want %q", name, want)
			}
			// The two Greek encodings differ in one accented capital letter.
			if got != page && strings.ReplaceAll(got, "Ά", "") != strings.ReplaceAll(page, "Ά", "") {
				t.Errorf("Text() = %q, want %q", got, page)
			}
			if LooksBinary(r.Body) {
				t.Error("it looks binary")
			}
		})
	}
}

// What is too little to be certain is taken as browsers take it.
func TestGuessIsCautious(t *testing.T) {
	for lang, words := range map[string]string{
		"windows-1251": "Привет", "shift_jis": "日本語", "gbk": "你好", "euc-kr": "안녕",
		"windows-1252": "naïve café — “déjà vu” £5 ½ · Ångström, Øresund, Þórr, Ærø, Łódź"[:60],
	} {
		enc, _ := charset.Lookup(lang)
		body, err := encoding.HTMLEscapeUnsupported(enc.NewEncoder()).String(strings.ToValidUTF8(words, ""))
		if err != nil {
			t.Fatal(err)
		}
		if name, _ := guess([]byte(body), ""); name != "windows-1252" {
			t.Errorf("%q was guessed to be %s", words, name)
		}
	}
}

func TestDeclarations(t *testing.T) {
	text := encode(t, "windows-1251", "Привет")
	for _, test := range []struct{ head, want string }{
		{"<meta charset=windows-1251>", "windows-1251"},
		{"<META CHARSET='CP1251'>", "windows-1251"},
		{"<meta charset = \"x-cp1251\" />", "windows-1251"},
		{"<meta content='text/html; charset = \"windows-1251\"' http-equiv=Content-Type>", "windows-1251"},
		{"<meta name=x content='charset=windows-1251'>", "windows-1252"}, // no http-equiv
		{"<!-- <meta charset=windows-1251> -->", "windows-1252"},
		{"<script>var a='<meta charset=windows-1251>'</script>", "windows-1252"},
		{"<meta charset=nonsense><meta charset=windows-1251>", "windows-1251"},
		{"<?xml version='1.0' encoding='windows-1251'?><rss>", "windows-1251"},
		{"<?xml version=\"1.0\" encoding=\"WINDOWS-1251\" ?><html>", "windows-1251"},
		{"<?xml version='1.0'?><html>", "windows-1252"},
		{"<html lang=ru>", "windows-1251"},
		{"<html lang=ru-RU>", "windows-1251"},
		{"<html lang=xx>", "windows-1252"},
		{"<meta charset=hz-gb-2312>", "replacement"},
	} {
		r := &Response{Header: http.Header{"Content-Type": {"text/html"}}, Body: []byte(test.head + text)}
		if _, name := r.Text(); name != test.want {
			t.Errorf("%s: %s, want %s", test.head, name, test.want)
		}
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
		{"text/html; charset=a; charset=b", "x", "text/html"},
		{" TEXT/HTML ;x", "x", "text/html"},
		{"text/", "x", "text/plain"},
		{"text/html, text/plain", "<html>", "text/html"},
		{"a b/c", "x", "text/plain"},
		{"application/octet-stream", "%PDF-1.7\n", "application/pdf"},
		{"application/octet-stream", "<html><p>x", "text/html"},
		{"application/octet-stream", "just words", "text/plain"},
		{"binary/octet-stream", "\x00\x01\x02", "application/octet-stream"},
		{"*/*", "<!doctype html>", "text/html"},
		{"text/plain", "<!DOCTYPE html><p>x", "text/html"},
		{"text/plain", "  \n<html>", "text/html"},
		{"text/plain", "use <html> for pages", "text/plain"},
		{"text/plain", "<htmlx>", "text/plain"},
		{"text/plain", "%PDF-1.4\n%\xE2\xE3", "application/pdf"},
		{"text/plain", "BMW is a car", "text/plain"},
		{"text/plain", "GIF89a is a format", "text/plain"},
		{"text/plain", "\x89PNG\r\n\x1a\n\x00\x00", "image/png"},
		{"text/html", "%PDF-1.4\n", "application/pdf"},
		{"text/html", "<?xml version='1.0'?><!-- x --><rss version='2.0'>", "application/rss+xml"},
		{"text/html", "<feed xmlns=\"http://www.w3.org/2005/Atom\">", "application/atom+xml"},
		{"text/html", "<feed>is a word</feed>", "text/html"},
		{"text/xml", "<?xml version='1.0'?><rss>", "application/rss+xml"},
		{"application/xml", "<?xml version='1.0'?><html xmlns='http://www.w3.org/1999/xhtml'>", "application/xhtml+xml"},
		{"application/xml", "<?xml version='1.0'?><data>", "application/xml"},
		{"application/json", "<html>", "application/json"},
		{"text/markdown", "<html>", "text/markdown"},
		{"image/png", "<html>", "image/png"},
		{"text/csv", "%PDF-1.4\n", "application/pdf"},
		{"text/html", "", "text/html"},
		{"", "", "text/plain"},
		{"", "<\x00h\x00t\x00m\x00l\x00>\x00", "text/plain"},
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

func FuzzCharset(f *testing.F) {
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
