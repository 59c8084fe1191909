// SPDX-License-Identifier: Apache-2.0

package oauthdyn_test

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"fmt"
	"os"

	"github.com/atrawog/mcp-oauth-gateway/oauthdyn"
)

// The same program takes the way in that fits where it runs.
func ExampleFlow() {
	flow := func(cluster, screen bool) oauthdyn.Flow {
		switch {
		case cluster:
			return oauthdyn.JWTBearer{Assertion: func(context.Context, string) (string, error) {
				token, err := os.ReadFile("/var/run/secrets/tokens/mcp")
				return string(token), err
			}}
		case !screen:
			return oauthdyn.DeviceCode{Prompt: func(_ context.Context, a oauthdyn.DeviceAuthorization) error {
				_, err := fmt.Printf("Open %s and enter %s\n", a.VerificationURI, a.UserCode)
				return err
			}}
		}
		return nil // a person signs in with a browser on this machine
	}
	client, err := oauthdyn.New(oauthdyn.Config{
		Resource: "https://mcp.example.com/mcp",
		Flow:     flow(false, true),
	})
	fmt.Println(client, err)
	// Output:
	// configuration of MCP client for https://mcp.example.com/mcp <nil>
}

// A program that acts on its own behalf authenticates with a private key.
func ExampleClientCredentials() {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader) // read it from a file
	if err != nil {
		fmt.Println(err)
		return
	}
	client, err := oauthdyn.New(oauthdyn.Config{
		Resource:  "https://mcp.example.com/mcp",
		ClientID:  "nightly-report",
		ClientKey: key,
		Flow:      oauthdyn.ClientCredentials{},
	})
	fmt.Println(client, err)
	// Output:
	// configuration of nightly-report for https://mcp.example.com/mcp <nil>
}

// A person signs in with the browser of another machine.
func ExampleDeviceCode() {
	client, err := oauthdyn.New(oauthdyn.Config{
		Resource: "https://mcp.example.com/mcp",
		Flow: oauthdyn.DeviceCode{Prompt: func(_ context.Context, a oauthdyn.DeviceAuthorization) error {
			_, err := fmt.Printf("Open %s and enter %s\n", a.VerificationURI, a.UserCode)
			return err
		}},
	})
	fmt.Println(client, err)
	// Output:
	// configuration of MCP client for https://mcp.example.com/mcp <nil>
}

// A platform vouches for the program: here Kubernetes, with a token that it
// writes to a file and renews.
func ExampleJWTBearer() {
	client, err := oauthdyn.New(oauthdyn.Config{
		Resource: "https://mcp.example.com/mcp",
		ClientID: "nightly-report",
		Flow: oauthdyn.JWTBearer{Assertion: func(_ context.Context, issuer string) (string, error) {
			token, err := os.ReadFile("/var/run/secrets/tokens/mcp") // its audience is issuer
			return string(token), err
		}},
	})
	fmt.Println(client, err)
	// Output:
	// configuration of nightly-report for https://mcp.example.com/mcp <nil>
}

// The organization decides which servers its people's programs may use: no
// consent page opens.
func ExampleEnterpriseManaged() {
	flow := oauthdyn.EnterpriseManaged{
		IdentityProvider: "https://login.example.com",
		ClientID:         "assistant",
		ClientSecret:     "read it from a file",
		SubjectToken: func(context.Context) (string, error) {
			return "the ID token of the person's sign-in", nil
		},
	}
	client, err := oauthdyn.New(oauthdyn.Config{
		Resource:     "https://mcp.example.com/mcp",
		ClientID:     "assistant-at-mcp",
		ClientSecret: "read it from a file, too",
		Flow:         flow,
	})
	fmt.Println(flow)
	fmt.Println(client, err)
	// Output:
	// enterprise-managed by https://login.example.com
	// configuration of assistant-at-mcp for https://mcp.example.com/mcp <nil>
}

// The public half of a key goes into the registration of the client.
func ExamplePublicKeySet() {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader) // read it from a file
	if err != nil {
		fmt.Println(err)
		return
	}
	set, err := oauthdyn.PublicKeySet(key, "2026-11")
	if err != nil {
		fmt.Println(err)
		return
	}
	metadata := oauthdyn.ClientMetadata{
		ClientName:              "Nightly report",
		TokenEndpointAuthMethod: oauthdyn.AuthMethodPrivateKeyJWT,
		JWKS:                    set,
	}
	fmt.Println(metadata.TokenEndpointAuthMethod, len(metadata.JWKS) > 0)
	// Output:
	// private_key_jwt true
}
