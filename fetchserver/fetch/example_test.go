// SPDX-License-Identifier: Apache-2.0

package fetch_test

import (
	"context"
	"errors"
	"fmt"

	"github.com/atrawog/mcp-oauth-gateway/fetchserver/fetch"
)

func ExampleClient() {
	client := fetch.New(nil)
	defer client.Close()
	_, err := client.Get(context.Background(), "http://169.254.169.254/latest/meta-data/")
	if e, ok := errors.AsType[*fetch.Error](err); ok {
		fmt.Println(e.Code)
	}
	fmt.Println(err)
	// Output:
	// address_refused
	// fetch: the host leads to 169.254.169.254, which is not an address of the public Internet
}

func ExampleParseDomain() {
	below, err := fetch.ParseDomain("*.Bücher.example")
	if err != nil {
		fmt.Println(err)
		return
	}
	fmt.Println(below, below.Matches("www.bücher.example"), below.Matches("bücher.example"))
	// Output: *.xn--bcher-kva.example true false
}

func ExampleWithTrace() {
	client := fetch.New(nil)
	defer client.Close()
	ctx := fetch.WithTrace(context.Background(), func(e fetch.Event) {
		fmt.Println(e.Stage+":", e.Err)
	})
	_, _ = client.Get(ctx, "http://2130706433/admin")
	// Output: url: fetch: the host leads to 127.0.0.1, which is not an address of the public Internet
}

func ExampleProxyURL() {
	proxy, err := fetch.ProxyURL("http://proxy.example:3128")
	if err != nil {
		fmt.Println(err)
		return
	}
	client := fetch.New(&fetch.Options{Proxy: proxy, ProxyTarget: fetch.ProxyAddress})
	defer client.Close()
	fmt.Println(client.CheckURL("http://169.254.169.254/")) // judged before the proxy hears of it
	// Output: fetch: the host leads to 169.254.169.254, which is not an address of the public Internet
}
