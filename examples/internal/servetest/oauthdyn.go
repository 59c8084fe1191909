// SPDX-License-Identifier: Apache-2.0

package servetest

import (
	"bytes"
	"encoding/json"
	"net/http"
	"os/exec"
	"strings"
	"testing"

	"github.com/atrawog/mcp-oauth-gateway/oauthdyn"
	"github.com/atrawog/mcp-oauth-gateway/oauthdyn/oauthdyntest/browser"
)

// The person who can sign in.
const (
	Username = "alice"
	Password = "correct horse battery staple"
)

// Start runs "oauthdyn serve" on any free port until the test ends, and returns
// the issuer. Username can sign in there.
func Start(t testing.TB, program string, flags ...string) (issuer string) {
	t.Helper()
	data := t.TempDir()
	add := exec.CommandContext(t.Context(), program, "user", "add", Username, "--data", data)
	add.Stdin = strings.NewReader(Password + "\n")
	if out, err := add.CombinedOutput(); err != nil {
		t.Fatalf("user add: %v\n%s", err, out)
	}
	return Listen(t, program, append([]string{"serve", "--addr", "127.0.0.1:0", "--data", data}, flags...)...)
}

// Register registers a client: RFC 7591 section 3.
func Register(t testing.TB, issuer string, md oauthdyn.ClientMetadata) *oauthdyn.ClientInformation {
	t.Helper()
	body, err := json.Marshal(md)
	if err != nil {
		t.Fatal(err)
	}
	req, err := http.NewRequestWithContext(t.Context(), http.MethodPost, issuer+"/register", bytes.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	req.Header.Set("Content-Type", "application/json")
	res, err := http.DefaultClient.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close()
	info := &oauthdyn.ClientInformation{}
	if err := json.NewDecoder(res.Body).Decode(info); err != nil || res.StatusCode != http.StatusCreated {
		t.Fatalf("registration: %s, %v", res.Status, err)
	}
	return info
}

// Person is Username, with a browser that has no windows.
func Person() *browser.Browser { return &browser.Browser{Username: Username, Password: Password} }
