// SPDX-License-Identifier: Apache-2.0

package pdf_test

import (
	"errors"
	"strings"
	"testing"

	"github.com/atrawog/mcp-oauth-gateway/fetchserver/fetch"
	"github.com/atrawog/mcp-oauth-gateway/fetchserver/pdf"
)

// A PDF file with a title, an author and a date, and a page with or without
// text.
const (
	pdfStart = "%PDF-1.4\n1 0 obj<</Type/Catalog/Pages 2 0 R>>endobj 2 0 obj<</Type/Pages/Kids[3 0 R]/Count 1>>endobj " +
		"3 0 obj<</Type/Page/Parent 2 0 R/MediaBox[0 0 612 792]/Contents 4 0 R/Resources<</Font<</F1 5 0 R>>>>>>endobj " +
		"5 0 obj<</Type/Font/Subtype/Type1/BaseFont/Helvetica>>endobj " +
		"6 0 obj<</Title(A report)/Author(Ada)/CreationDate(D:20240102030405Z)>>endobj "
	pdfText  = "4 0 obj<</Length 42>>stream\nBT /F1 12 Tf 72 700 Td (Hello there) Tj ET\nendstream endobj "
	pdfEmpty = "4 0 obj<</Length 17>>stream\n0 0 m 9 9 l S    \nendstream endobj "
	pdfEnd   = "trailer<</Root 1 0 R/Info 6 0 R>>\n"
)

func TestConvert(t *testing.T) {
	r := newReader(t, pdf.Options{})
	c, err := r.Convert(t.Context(), &fetch.Response{Body: []byte(pdfStart + pdfText + pdfEnd)})
	if err != nil {
		t.Fatal(err)
	}
	if c.Text != "Hello there" || c.Metadata.Title != "A report" || c.Metadata.Byline != "Ada" || c.Metadata.Published != "2024-01-02T03:04:05Z" || len(c.Notes) != 0 {
		t.Errorf("content = %+v", c)
	}
	c, err = r.Convert(t.Context(), &fetch.Response{Body: []byte(pdfStart + pdfEmpty + pdfEnd)})
	if err != nil || c.Text != "" || len(c.Notes) != 1 || !strings.Contains(c.Notes[0], "scanned") {
		t.Errorf("without text: content %+v, error %v", c, err)
	}
	if _, err = r.Convert(t.Context(), &fetch.Response{Body: []byte("%PDF-1.4 and nothing more")}); !errors.Is(err, pdf.ErrBroken) || !strings.Contains(err.Error(), "another version") {
		t.Errorf("broken: error %v", err)
	}
}
