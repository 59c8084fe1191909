// SPDX-License-Identifier: Apache-2.0

package pdf_test

import (
	"bytes"
	"crypto/md5"
	"crypto/rc4"
	"fmt"
	"strings"
)

// pdfFile builds a PDF file (ISO 32000-1 section 7.5) from objects, the first
// of which has the number 1 and is the catalog.
type pdfFile struct {
	objects []string
	trailer string // further entries of the trailer
}

// add appends an object and returns its number.
func (f *pdfFile) add(format string, args ...any) int {
	f.objects = append(f.objects, fmt.Sprintf(format, args...))
	return len(f.objects)
}

func (f *pdfFile) stream(entries, content string) int {
	return f.add("<<%s/Length %d>>stream\n%s\nendstream", entries, len(content), content)
}

func (f *pdfFile) bytes() []byte {
	var b bytes.Buffer
	b.WriteString("%PDF-1.7\n")
	offsets := make([]int, len(f.objects))
	for i, o := range f.objects {
		offsets[i] = b.Len()
		fmt.Fprintf(&b, "%d 0 obj\n%s\nendobj\n", i+1, o)
	}
	table := b.Len()
	fmt.Fprintf(&b, "xref\n0 %d\n0000000000 65535 f \n", len(f.objects)+1)
	for _, offset := range offsets {
		fmt.Fprintf(&b, "%010d 00000 n \n", offset)
	}
	fmt.Fprintf(&b, "trailer<</Size %d/Root 1 0 R%s>>\nstartxref\n%d\n%%%%EOF\n", len(f.objects)+1, f.trailer, table)
	return b.Bytes()
}

// winAnsi is a font as most simple files have it.
const winAnsi = "/Type/Font/Subtype/Type1/BaseFont/Helvetica/Encoding/WinAnsiEncoding"

// newFile makes a file whose pages have these contents. Their fonts are F1,
// and those of fonts from F2 on.
func newFile(contents []string, fonts ...string) *pdfFile {
	f := &pdfFile{}
	f.add("<</Type/Catalog/Pages 2 0 R>>")
	f.add("") // the pages, known later
	resources := []string{"/F1 3 0 R"}
	f.add("<<%s>>", winAnsi)
	for i, font := range fonts {
		resources = append(resources, fmt.Sprintf("/F%d %d 0 R", i+2, f.add("<<%s>>", font)))
	}
	var kids []string
	for _, content := range contents {
		text := f.stream("", content)
		page := f.add("<</Type/Page/Parent 2 0 R/MediaBox[0 0 612 792]/Contents %d 0 R/Resources<</Font<<%s>>>>>>", text, strings.Join(resources, " "))
		kids = append(kids, fmt.Sprintf("%d 0 R", page))
	}
	f.objects[1] = fmt.Sprintf("<</Type/Pages/Kids[%s]/Count %d>>", strings.Join(kids, " "), len(kids))
	return f
}

// show writes lines in a font of a size, the first at x and y.
func show(font string, size, x, y, leading float64, lines ...string) string {
	var b strings.Builder
	fmt.Fprintf(&b, "BT /%s %g Tf %g TL %g %g Td\n", font, size, leading, x, y)
	for i, l := range lines {
		if i > 0 {
			b.WriteString("T* ")
		}
		fmt.Fprintf(&b, "(%s) Tj\n", strings.NewReplacer(`\`, `\\`, "(", `\(`, ")", `\)`).Replace(l))
	}
	b.WriteString("ET\n")
	return b.String()
}

// encrypt adds the dictionary of a file that a password opens (ISO 32000-1
// section 7.6.3, revision 2). Its content stays as it is: nobody gets there.
func (f *pdfFile) encrypt(user, owner string) {
	pad := "\x28\xBF\x4E\x5E\x4E\x75\x8A\x41\x64\x00\x4E\x56\xFF\xFA\x01\x08\x2E\x2E\x00\xB6\xD0\x68\x3E\x80\x2F\x0C\xA9\xFE\x64\x53\x69\x7A"
	padded := func(password string) []byte { return []byte((password + pad)[:32]) }
	crypt := func(key, text []byte) []byte {
		c, err := rc4.NewCipher(key)
		if err != nil {
			panic(err)
		}
		out := make([]byte, len(text))
		c.XORKeyStream(out, text)
		return out
	}
	ownerKey := md5.Sum(padded(owner))
	o := crypt(ownerKey[:5], padded(user))
	const id = "0123456789abcdef"
	fileKey := md5.Sum(append(append(append(padded(user), o...), 0xFC, 0xFF, 0xFF, 0xFF), id...))
	u := crypt(fileKey[:5], []byte(pad))
	dictionary := f.add("<</Filter/Standard/V 1/R 2/O<%x>/U<%x>/P -4>>", o, u)
	f.trailer += fmt.Sprintf("/Encrypt %d 0 R/ID[<%x><%x>]", dictionary, id, id)
}
