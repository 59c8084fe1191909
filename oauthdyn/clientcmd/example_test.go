// SPDX-License-Identifier: Apache-2.0

package clientcmd_test

import (
	"context"
	"errors"
	"fmt"
	"os"

	"github.com/spf13/pflag"

	"github.com/atrawog/mcp-oauth-gateway/oauthdyn"
	"github.com/atrawog/mcp-oauth-gateway/oauthdyn/clientcmd"
)

// What the command "token" of a program does.
func ExampleOutput() {
	client, err := oauthdyn.New(oauthdyn.Config{Resource: "https://mcp.example.com/mcp"})
	if err != nil {
		fmt.Println(err)
		return
	}
	out := clientcmd.Output{Stdout: os.Stdout, Stderr: os.Stderr, JSON: true}
	err = out.Token(context.Background(), client, false)
	if errors.Is(err, oauthdyn.ErrNotSignedIn) {
		_ = out.Print(map[string]bool{"signed_in": false}, "Nobody is signed in.\n")
	}
	// Output:
	// {
	//   "signed_in": false
	// }
}

// The flags of a command that registers a client.
func ExampleMetadataFlags() {
	set := pflag.NewFlagSet("register", pflag.ContinueOnError)
	var flags clientcmd.MetadataFlags
	flags.Add(set)
	if err := set.Parse([]string{"--contact", "ops@example.com", "--auth-method", "password"}); err != nil {
		fmt.Println(err)
		return
	}
	_, err := flags.Change()
	if wrong := (*clientcmd.FlagError)(nil); errors.As(err, &wrong) {
		fmt.Println(wrong)
	}

	if err := set.Set("auth-method", "none"); err != nil {
		fmt.Println(err)
		return
	}
	change, err := flags.Change() // for Client.RegisterAnew or UpdateRegistration
	if err != nil {
		fmt.Println(err)
		return
	}
	var metadata oauthdyn.ClientMetadata
	change(&metadata)
	fmt.Println(metadata.Contacts, metadata.TokenEndpointAuthMethod)
	// Output:
	// --auth-method "password" is not one of none, client_secret_basic, client_secret_post, private_key_jwt
	// [ops@example.com] none
}
