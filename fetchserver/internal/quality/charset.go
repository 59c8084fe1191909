// SPDX-License-Identifier: Apache-2.0

package quality

import (
	"bytes"
	"cmp"
	"context"
	"fmt"
	"iter"
	"maps"
	"net/http"
	"regexp"
	"slices"
	"strings"
	"unicode"
	"unicode/utf8"

	"golang.org/x/net/html/charset"
	"golang.org/x/text/encoding"

	"github.com/atrawog/mcp-oauth-gateway/fetchserver/fetch"
	"github.com/atrawog/mcp-oauth-gateway/fetchserver/internal/quality/dataset"
)

// charsetSet looks at how pages are decoded.
type charsetSet struct{}

func (charsetSet) Name() string { return "charset" }

func (charsetSet) Source() string {
	return `Character encodings: the pages of aeb and wcxb, decoded as they are; and those of them that are UTF-8 once more in the older
encodings of their script, without any declaration: is the encoding recognised, is nothing (so that the page is taken for
windows-1252, as browsers do), or another one, which is wrong?`
}

// legacy has the encodings that a page of a script may be in.
var legacy = map[string][]string{
	"Japanese":            {"shift_jis", "euc-jp"},
	"Korean":              {"euc-kr"},
	"Chinese":             {"gbk"},
	"Chinese traditional": {"big5"},
	"Cyrillic":            {"windows-1251", "koi8-r", "iso-8859-5"},
	"Greek":               {"windows-1253"},
	"Hebrew":              {"windows-1255"},
	"Arabic":              {"windows-1256"},
	"Latin":               {"windows-1252"},
}

// minLetters is how many letters of its script a page must have to be a test.
const minLetters = 50

func (charsetSet) Run(ctx context.Context, dir string, o *Options) (*Report, error) {
	pages, damaged := 0, 0
	recognised, unsure, wrong := map[string]int{}, map[string]int{}, map[string]int{}
	for _, set := range []iter.Seq2[dataset.Page, error]{dataset.AEB(dir), dataset.WCXB(dir)} {
		for p, err := range set {
			if err = cmp.Or(err, ctx.Err()); err != nil {
				return nil, err
			}
			if pages++; o.Every > 1 && pages%o.Every != o.Offset {
				continue
			}
			page, name := (&fetch.Response{Header: http.Header{}, Body: p.HTML}).Text()
			if strings.Count(page, "\uFFFD") > bytes.Count(p.HTML, []byte("\uFFFD")) {
				damaged++
			}
			if name != "utf-8" || !utf8.Valid(p.HTML) {
				continue
			}
			script := scriptOf(page)
			for _, name := range legacy[script] {
				switch got := recode(page, name); got {
				case "":
				case name:
					recognised[script+" "+name]++
				case "windows-1252":
					unsure[script+" "+name]++
				default:
					wrong[script+" "+name+" as "+got]++
				}
			}
		}
	}
	r := &Report{Values: map[string]float64{"pages": float64(pages), "damaged": float64(damaged)}}
	r.Table = append(r.Table, []string{"", "pages"}, []string{"in all", fmt.Sprint(pages)}, []string{"with a broken place that is not in the page", fmt.Sprint(damaged)}, nil)
	for _, part := range []struct {
		name   string
		counts map[string]int
	}{{"recognised", recognised}, {"taken for windows-1252", unsure}, {"wrong", wrong}} {
		total := 0
		for _, key := range slices.Sorted(maps.Keys(part.counts)) {
			r.Table = append(r.Table, []string{part.name + ": " + key, fmt.Sprint(part.counts[key])})
			total += part.counts[key]
		}
		r.Values[part.name] = float64(total)
		r.Table = append(r.Table, []string{part.name + " in all", fmt.Sprint(total)}, nil)
	}
	return r, nil
}

// declarations are what an encoding may be told from, apart from the text.
var declarations = regexp.MustCompile(`(?i)charset|encoding|lang`)

// recode returns which encoding a page is taken for that is written in
// another one without saying so; "" if that makes no difference.
func recode(page, name string) string {
	page = declarations.ReplaceAllString(page, "x")
	enc, _ := charset.Lookup(name)
	body, err := encoding.HTMLEscapeUnsupported(enc.NewEncoder()).Bytes([]byte(page))
	if err != nil || utf8.Valid(body) {
		return ""
	}
	_, got := (&fetch.Response{Header: http.Header{"Content-Type": {"text/html"}}, Body: body}).Text()
	return got
}

// scriptOf names the script that more than half of the letters outside ASCII
// are of; Latin needs four in five.
func scriptOf(page string) string {
	all, simple := 0, 0
	count := map[string]int{}
	for _, r := range page {
		if r < utf8.RuneSelf || !unicode.IsLetter(r) {
			continue
		}
		all++
		switch {
		case unicode.In(r, unicode.Hiragana, unicode.Katakana):
			count["Japanese"] += 3 // between Chinese characters
		case unicode.Is(unicode.Han, r):
			count["Chinese"]++
			if strings.ContainsRune("这个们来为国说时会", r) {
				simple++
			}
		case unicode.Is(unicode.Hangul, r):
			count["Korean"]++
		case unicode.Is(unicode.Cyrillic, r):
			count["Cyrillic"]++
		case unicode.Is(unicode.Greek, r):
			count["Greek"]++
		case unicode.Is(unicode.Hebrew, r):
			count["Hebrew"]++
		case unicode.Is(unicode.Arabic, r):
			count["Arabic"]++
		case unicode.Is(unicode.Latin, r):
			count["Latin"]++
		}
	}
	for _, script := range slices.Sorted(maps.Keys(count)) {
		n := count[script]
		switch {
		case n < minLetters || n*2 <= all || script == "Latin" && n*5 < all*4:
		case script == "Chinese" && count["Japanese"] > 0:
			return "Japanese"
		case script == "Chinese" && simple == 0:
			return "Chinese traditional"
		default:
			return script
		}
	}
	return ""
}
