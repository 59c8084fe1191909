// SPDX-License-Identifier: Apache-2.0

package pdf_test

import (
	"context"
	"errors"
	"fmt"
	"log"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"os"
	"path/filepath"

	"github.com/atrawog/mcp-oauth-gateway/fetchserver"
	"github.com/atrawog/mcp-oauth-gateway/fetchserver/pdf"
)

const hello = `%PDF-1.4
1 0 obj <</Type/Catalog/Pages 2 0 R>> endobj
2 0 obj <</Type/Pages/Count 1/Kids[3 0 R]>> endobj
3 0 obj <</Type/Page/Parent 2 0 R/MediaBox[0 0 595 842]/Contents 4 0 R/Resources<</Font<</F1 5 0 R>>>>>> endobj
4 0 obj <</Length 44>> stream
BT /F1 12 Tf 72 700 Td (Hello, world) Tj ET
endstream endobj
5 0 obj <</Type/Font/Subtype/Type1/BaseFont/Helvetica>> endobj
trailer <</Root 1 0 R/Size 6>>
%%EOF
`

func ExampleNew() {
	dir, err := os.UserCacheDir()
	if err != nil {
		log.Fatal(err)
	}
	reader := pdf.New(&pdf.Options{CacheDir: filepath.Join(dir, "fetchserver-test-pdf")})
	defer reader.Close()

	document, err := reader.Text(context.Background(), []byte(hello))
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println(document.Pages, document.Text)

	_, err = reader.Text(context.Background(), []byte("no PDF at all"))
	fmt.Println(errors.Is(err, pdf.ErrBroken))
	// Output:
	// 1 Hello, world
	// true
}

// A server that reads PDF files.
func ExampleReader_Convert() {
	website := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "application/pdf")
		_, _ = w.Write([]byte(hello))
	}))
	defer website.Close()

	dir, err := os.UserCacheDir()
	if err != nil {
		log.Fatal(err)
	}
	reader := pdf.New(&pdf.Options{CacheDir: filepath.Join(dir, "fetchserver-test-pdf")})
	defer reader.Close()
	server, err := fetchserver.New(&fetchserver.Options{
		IgnoreRobots:   true,
		AllowAddresses: []netip.AddrPort{netip.MustParseAddrPort(website.Listener.Addr().String())}, // it is on loopback
		Converters:     map[string]fetchserver.Converter{"application/pdf": reader.Convert},
	})
	if err != nil {
		log.Fatal(err)
	}
	defer server.Close()
	page, err := server.Fetch(context.Background(), &fetchserver.Request{URL: website.URL})
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println(page.Text)
	// Output: Hello, world
}
