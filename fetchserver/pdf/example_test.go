// SPDX-License-Identifier: Apache-2.0

package pdf_test

import (
	"context"
	"fmt"
	"log"
	"os"
	"path/filepath"

	"github.com/atrawog/mcp-oauth-gateway/fetchserver/pdf"
)

func ExampleNew() {
	dir, err := os.UserCacheDir()
	if err != nil {
		log.Fatal(err)
	}
	reader := pdf.New(&pdf.Options{CacheDir: filepath.Join(dir, "fetchserver-test-pdf")})
	defer reader.Close()

	body := newFile([]string{show("F1", 12, 72, 700, 14, "Hello, world")}).bytes()
	document, err := reader.Text(context.Background(), body)
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println(document.Pages, document.Text)
	// Output: 1 Hello, world
}
