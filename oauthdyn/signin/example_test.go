// SPDX-License-Identifier: Apache-2.0

package signin_test

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"encoding/pem"
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"github.com/spf13/pflag"

	"github.com/atrawog/mcp-oauth-gateway/oauthdyn"
	"github.com/atrawog/mcp-oauth-gateway/oauthdyn/signin"
)

// A command whose user signs in at a server.
func ExampleFlags() {
	var flags signin.Flags
	set := pflag.NewFlagSet("example", pflag.ContinueOnError)
	flags.Add(set)
	if err := set.Parse([]string{"--scope", "mcp", "--no-browser"}); err != nil {
		fmt.Println(err)
		return
	}
	cfg, err := flags.Config("https://mcp.example.com/mcp", signin.Process{
		LookupEnv: os.LookupEnv, Stderr: os.Stderr, Stdin: os.Stdin,
	})
	if err != nil {
		fmt.Println(err)
		return
	}
	client, err := oauthdyn.New(*cfg)
	fmt.Println(client, cfg.Scopes, err)
	// Output:
	// configuration of shclient for https://mcp.example.com/mcp [mcp] <nil>
}

// The organization decides what the program may use.
func ExampleEnterprise() {
	dir, err := os.MkdirTemp("", "example")
	if err != nil {
		fmt.Println(err)
		return
	}
	defer os.RemoveAll(dir)
	secret := filepath.Join(dir, "secret")
	if err := os.WriteFile(secret, []byte("the secret of the program\n"), 0o600); err != nil {
		fmt.Println(err)
		return
	}
	flags := signin.Flags{
		ClientID: "assistant-at-mcp", ClientSecretFile: secret,
		Enterprise: signin.Enterprise{
			Issuer: "https://login.example.com", ClientID: "assistant", ClientSecretFile: secret,
			IDTokenFile: filepath.Join(dir, "id-token"),
		},
	}
	cfg, err := flags.Config("https://mcp.example.com/mcp", signin.Process{LookupEnv: os.LookupEnv, Stderr: os.Stderr})
	if err != nil {
		fmt.Println(err)
		return
	}
	fmt.Println(cfg.Flow)
	// Output: enterprise-managed by https://login.example.com
}

// Secrets come from files or from the standard input.
func ExampleReadSecret() {
	fmt.Println(signin.ReadSecret("-", strings.NewReader("s3cret\n")))
	// Output: s3cret <nil>
}

// A key comes from a file, or from the standard input.
func ExampleParseKey() {
	made, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		fmt.Println(err)
		return
	}
	der, err := x509.MarshalPKCS8PrivateKey(made)
	if err != nil {
		fmt.Println(err)
		return
	}
	stdin := strings.NewReader(string(pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: der})))

	text, err := signin.ReadSecretFile("-", stdin)
	if err != nil {
		fmt.Println(err)
		return
	}
	key, err := signin.ParseKey(text)
	fmt.Println(made.PublicKey.Equal(key.Public()), err)
	// Output: true <nil>
}
