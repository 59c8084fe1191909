// SPDX-License-Identifier: Apache-2.0

package keyring_test

import (
	"fmt"
	"os"
	"path/filepath"

	"github.com/atrawog/mcp-oauth-gateway/oauthdyn"
	"github.com/atrawog/mcp-oauth-gateway/oauthdyn/keyring"
)

// A program that also runs where there is no keyring.
func ExampleOpen() {
	dir, err := os.MkdirTemp("", "example-") // os.UserConfigDir in a real program
	if err != nil {
		fmt.Println(err)
		return
	}
	defer os.RemoveAll(dir)
	store, err := keyring.Open(filepath.Join(dir, "credentials.json"), keyring.Options{Service: "Example", AllowPlain: true})
	if err != nil {
		fmt.Println(err)
		return
	}
	client, err := oauthdyn.New(oauthdyn.Config{Resource: "https://mcp.example.com/mcp", ClientName: "Example", Store: store})
	fmt.Println(client, err)
	// Output:
	// configuration of Example for https://mcp.example.com/mcp <nil>
}
