// SPDX-License-Identifier: Apache-2.0

package render_test

import (
	"context"
	"fmt"
	"log"

	"github.com/atrawog/mcp-oauth-gateway/fetchserver/fetch"
	"github.com/atrawog/mcp-oauth-gateway/fetchserver/render"
)

// It needs a Chromium and the Internet, so it is not run as a test.
func ExampleNew() {
	chromium, err := render.Find("") // when the program starts: the error says how to install one
	if err != nil {
		log.Fatal(err)
	}
	client := fetch.New(nil)
	defer client.Close()
	browser, err := render.New(render.Options{Client: client, Path: chromium})
	if err != nil {
		log.Fatal(err)
	}
	defer browser.Close()
	page, err := browser.Render(context.Background(), &fetch.Request{URL: "https://example.com/app"})
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println(page.URL, page.Notes)
	fmt.Println(string(page.Body))
}
