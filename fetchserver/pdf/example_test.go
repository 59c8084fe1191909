// SPDX-License-Identifier: Apache-2.0

package pdf_test

import (
	"context"
	"errors"
	"fmt"
	"log"
	"os"
	"path/filepath"

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
