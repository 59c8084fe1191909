// SPDX-License-Identifier: Apache-2.0

//go:build unix

package conformance_test

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"net/http"
	"os"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/modelcontextprotocol/go-sdk/mcp"

	"github.com/atrawog/mcp-oauth-gateway/oauthdyn"
)

// The suite runs this binary as the client that it judges.
func TestMain(m *testing.M) {
	if os.Getenv("MCP_CONFORMANCE_SCENARIO") == "" {
		os.Exit(m.Run())
	}
	ctx, cancel := context.WithTimeout(context.Background(), 25*time.Second)
	defer cancel()
	if err := judgedClient(ctx, os.Args[len(os.Args)-1]); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

// TestOAuthdyn lets the suite judge the OAuth of package oauthdyn, under the
// SDK's client.
func TestOAuthdyn(t *testing.T) {
	requireSuite(t)
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	for _, version := range []string{"2025-03-26", "2025-06-18", "2025-11-25", "2026-07-28"} {
		t.Run(version, func(t *testing.T) {
			known := knownFailures(t, "expected-failures-client-"+version+".yml")
			// No suite of the suite's own has all scenarios of OAuth at a
			// version, so all run and the others are left out.
			scenarios := slices.DeleteFunc(listScenarios(t, "--client", version), notOAuth)
			results := runSuite(t, "client", "--command", strconv.Quote(self), "--suite", "all", "--spec-version", version)
			maps.DeleteFunc(results, func(name string, _ []check) bool { return notOAuth(name) })
			compare(t, scenarios, results, known)
		})
	}
}

func notOAuth(scenario string) bool { return !strings.HasPrefix(scenario, "auth/") }

// judgedClient does what the suite's OAuth scenarios ask of a client: list the
// tools and call one, signing in when that is asked for.
func judgedClient(ctx context.Context, url string) error {
	config := oauthdyn.Config{Resource: url, ClientName: "conformance", OpenURL: follow}
	if text := os.Getenv("MCP_CONFORMANCE_CONTEXT"); text != "" {
		var given struct {
			ClientID     string `json:"client_id"`
			ClientSecret string `json:"client_secret"`
		}
		if err := json.Unmarshal([]byte(text), &given); err != nil {
			return err
		}
		config.ClientID, config.ClientSecret = given.ClientID, given.ClientSecret
	}
	oauth, err := oauthdyn.New(config)
	if err != nil {
		return err
	}
	client := mcp.NewClient(&mcp.Implementation{Name: "conformance", Version: "1.0.0"}, nil)
	session, err := client.Connect(ctx, &mcp.StreamableClientTransport{Endpoint: url, HTTPClient: oauth.HTTPClient()}, nil)
	if err != nil {
		return err
	}
	defer session.Close()
	if _, err := session.ListTools(ctx, nil); err != nil {
		return err
	}
	_, err = session.CallTool(ctx, &mcp.CallToolParams{Name: "test-tool", Arguments: map[string]any{}})
	return err
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
