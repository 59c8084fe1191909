// SPDX-License-Identifier: Apache-2.0

//go:build unix

package conformance_test

import (
	"context"
	"encoding/json"
	"io"
	"net/http"
	"os"
	"strings"
)

// metadataURL is the client id that the suite's authorization servers know.
const metadataURL = "https://conformance-test.local/client-metadata.json"

func isOAuth(scenario string) bool { return strings.HasPrefix(scenario, "auth/") }

// given is what the suite gives a client in its context.
type given struct {
	ClientID     string `json:"client_id"`
	ClientSecret string `json:"client_secret"`
	Issuer       string `json:"issuer"`
	PrivateKey   string `json:"private_key_pem"`
	IdPClientID  string `json:"idp_client_id"`
	IdPIDToken   string `json:"idp_id_token"`
	IdPIssuer    string `json:"idp_issuer"`
	JWT          string `json:"valid_jwt"`

	ToolCalls []toolCall `json:"toolCalls"`
}

func readGiven() (g given, err error) {
	if text := os.Getenv("MCP_CONFORMANCE_CONTEXT"); text != "" {
		err = json.Unmarshal([]byte(text), &g)
	}
	return g, err
}

// follow is a browser for the suite's authorization server, which asks nothing
// and redirects.
func follow(ctx context.Context, page string) error {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, page, nil)
	if err != nil {
		return err
	}
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	_, err = io.Copy(io.Discard, io.LimitReader(resp.Body, 1<<20))
	return err
}
