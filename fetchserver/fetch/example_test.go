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
