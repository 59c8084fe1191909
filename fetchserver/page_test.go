// SPDX-License-Identifier: Apache-2.0

package fetchserver

import (
	"net/http"
	"net/url"
	"testing"
	"unsafe"

	"github.com/atrawog/mcp-oauth-gateway/fetchserver/extract"
	"github.com/atrawog/mcp-oauth-gateway/fetchserver/fetch"
)

// TestDocumentKeepsNoPage: a document that is kept must not hold on to the page
// that its title is a part of.
func TestDocumentKeepsNoPage(t *testing.T) {
	title := "<title>Bridges</title> and the rest of a large page"[7:14]
	d := newDocument(&fetch.Response{URL: &url.URL{}, Header: http.Header{}}, &Content{Metadata: extract.Metadata{Title: title}})
	if d.Title != "Bridges" || unsafe.StringData(d.Title) == unsafe.StringData(title) {
		t.Errorf("title %q is a part of the page", d.Title)
	}
}
