// SPDX-License-Identifier: Apache-2.0

package pdf

import (
	"bytes"
	"errors"
	"strings"
	"time"
	"unicode"

	"github.com/klippa-app/go-pdfium"
	pdfium_errors "github.com/klippa-app/go-pdfium/errors"
	"github.com/klippa-app/go-pdfium/references"
	"github.com/klippa-app/go-pdfium/requests"
)

// headerWindow is where the header of a file must begin (Adobe's
// implementation notes to ISO 32000).
const headerWindow = 1024

// maxProperty bounds the title and the author of a document, in code points.
const maxProperty = 300

// maxAnnotations bounds the annotations of a page whose text is read.
const maxAnnotations = 1000

// read reads a file with an instance of the parser.
func (r *Reader) read(p pdfium.Pdfium, body []byte) (*Document, error) {
	if !bytes.Contains(body[:min(len(body), headerWindow)], []byte("%PDF-")) {
		return nil, ErrBroken
	}
	opened, err := p.OpenDocument(&requests.OpenDocument{File: &body})
	switch {
	case errors.Is(err, pdfium_errors.ErrPassword), errors.Is(err, pdfium_errors.ErrSecurity):
		return nil, ErrEncrypted
	case errors.Is(err, pdfium_errors.ErrFormat), errors.Is(err, pdfium_errors.ErrFile), errors.Is(err, pdfium_errors.ErrPage):
		return nil, ErrBroken
	case err != nil:
		return nil, err
	}
	file := opened.Document
	count, err := p.FPDF_GetPageCount(&requests.FPDF_GetPageCount{Document: file})
	if err != nil {
		return nil, err
	}
	d := &Document{Pages: count.PageCount}
	d.Title = property(p, file, "Title")
	d.Author = property(p, file, "Author")
	d.Created = parseDate(property(p, file, "CreationDate"))

	var pages [][]line
	left := r.opts.MaxText
	for i := range d.Pages {
		if i == r.opts.MaxPages || left <= 0 {
			d.Truncated = true
			break
		}
		lines, err := readPage(p, file, i, left)
		if err != nil {
			return nil, err
		}
		if len(lines) == 0 {
			d.Empty++
		}
		for _, l := range lines {
			left -= len(l.text) + 1
		}
		pages = append(pages, lines)
	}
	d.Text = layout(pages)
	if len(d.Text) > r.opts.MaxText {
		d.Truncated = true
		d.Text = strings.ToValidUTF8(d.Text[:r.opts.MaxText], "")
	}
	return d, nil
}

// readPage returns the lines of a page, in about max bytes. A damaged page has
// none.
func readPage(p pdfium.Pdfium, file references.FPDF_DOCUMENT, index, max int) ([]line, error) {
	number := requests.Page{ByIndex: &requests.PageByIndex{Document: file, Index: index}}
	flatten(p, number)
	loaded, err := p.FPDFText_LoadPage(&requests.FPDFText_LoadPage{Page: number})
	if errors.Is(err, pdfium_errors.ErrPage) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	page := loaded.TextPage
	count, err := p.FPDFText_CountChars(&requests.FPDFText_CountChars{TextPage: page})
	if err != nil {
		return nil, err
	}
	chars, err := readChars(p, page, min(count.Count, max))
	if err != nil {
		return nil, err
	}
	lines, err := splitLines(chars, func(i int) (box, error) {
		loose, err := p.FPDFText_GetLooseCharBox(&requests.FPDFText_GetLooseCharBox{TextPage: page, Index: i})
		if err != nil {
			return box{}, err
		}
		b := loose.Rect
		return box{left: b.Left, right: b.Right, top: b.Top, bottom: b.Bottom}, nil
	})
	if err != nil {
		return nil, err
	}
	_, err = p.FPDFText_ClosePage(&requests.FPDFText_ClosePage{TextPage: page})
	return lines, err
}

// flatten makes the notes and the filled fields of a page part of its text.
func flatten(p pdfium.Pdfium, page requests.Page) {
	annotations, err := p.FPDFPage_GetAnnotCount(&requests.FPDFPage_GetAnnotCount{Page: page})
	if err == nil && annotations.Count > 0 && annotations.Count <= maxAnnotations {
		_, _ = p.FPDFPage_Flatten(&requests.FPDFPage_Flatten{Page: page, Usage: requests.FPDFPage_FlattenUsageNormalDisplay})
	}
}

// readChars returns the first n characters of a page, one for each index that
// the parser counts.
func readChars(p pdfium.Pdfium, page references.FPDF_TEXTPAGE, n int) ([]rune, error) {
	if n <= 0 {
		return nil, nil
	}
	// All at once is much faster, but leaves characters out that have no
	// meaning in Unicode, and with them the indexes of those that follow.
	text, err := p.FPDFText_GetText(&requests.FPDFText_GetText{TextPage: page, StartIndex: 0, Count: n})
	if err != nil {
		return nil, err
	}
	if chars := []rune(strings.TrimSuffix(text.Text, "\x00")); len(chars) == n {
		return chars, nil
	}
	chars := make([]rune, n)
	for i := range chars {
		char, err := p.FPDFText_GetUnicode(&requests.FPDFText_GetUnicode{TextPage: page, Index: i})
		if err != nil {
			return nil, err
		}
		chars[i] = rune(char.Unicode)
	}
	return chars, nil
}

// property returns an entry of the document information dictionary (ISO
// 32000-1 section 14.3.3), or "".
func property(p pdfium.Pdfium, file references.FPDF_DOCUMENT, name string) string {
	found, err := p.FPDF_GetMetaText(&requests.FPDF_GetMetaText{Document: file, Tag: name})
	if err != nil {
		return ""
	}
	text := strings.Join(strings.FieldsFunc(strings.ToValidUTF8(found.Value, "\uFFFD"), func(r rune) bool {
		return unicode.IsSpace(r) || unicode.IsControl(r)
	}), " ")
	if runes := []rune(text); len(runes) > maxProperty {
		text = string(runes[:maxProperty])
	}
	return text
}

// parseDate reads a date such as D:20260131120000+01'00' (ISO 32000-1 section
// 7.9.4), of which all but the year may be missing.
func parseDate(text string) time.Time {
	text = strings.ReplaceAll(strings.TrimPrefix(strings.TrimSpace(text), "D:"), "'", "")
	zone := ""
	if at := strings.IndexAny(text, "+-Zz"); at >= 0 {
		text, zone = text[:at], text[at:]
	}
	if zone == "Z" || zone == "z" || strings.HasPrefix(zone, "Z0") {
		zone = ""
	}
	const digits = "20060102150405"
	if len(text) > len(digits) || len(text) < 4 || len(text)%2 != 0 {
		return time.Time{}
	}
	form := digits[:len(text)]
	for _, zoneForm := range []string{"-0700", "-07", ""} {
		z := zone
		if zoneForm == "" {
			z = ""
		}
		if t, err := time.Parse(form+zoneForm, text+z); err == nil {
			return t
		}
	}
	return time.Time{}
}
