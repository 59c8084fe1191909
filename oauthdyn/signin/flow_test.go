// SPDX-License-Identifier: Apache-2.0

package signin_test

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/atrawog/mcp-oauth-gateway/oauthdyn"
)

// TestFlow chooses the way to sign in.
func TestFlow(t *testing.T) {
	p, _ := process(t, map[string]string{"XDG_CONFIG_HOME": t.TempDir()})
	const idp = "--idp https://idp.example --idp-client-id at-idp --id-token-file token"
	for _, test := range []struct{ args, want, err string }{
		{"", "<nil>", ""},
		{"--device", "oauthdyn.DeviceCode", ""},
		{"--client-credentials", "oauthdyn.ClientCredentials", ""},
		{"--assertion-file jwt", "oauthdyn.JWTBearer", ""},
		{idp, "oauthdyn.EnterpriseManaged", ""},
		{"--device --client-credentials", "", "--device and --client-credentials are two ways to sign in: want one"},
		{"--client-credentials --assertion-file jwt", "", "--client-credentials and --assertion-file are two ways to sign in: want one"},
		{idp + " --device", "", "--device and --idp are two ways to sign in: want one"},
		{"--idp https://idp.example --idp-client-id at-idp", "", "--idp needs --idp-client-id and --id-token-file"},
		{"--idp https://idp.example --id-token-file token", "", "--idp needs --idp-client-id and --id-token-file"},
		{"--id-token-file token", "", "--idp-client-id, --idp-client-secret-file and --id-token-file go with --idp"},
		{idp + " --idp-client-secret-file /no/such/file", "", "--idp-client-secret-file: open /no/such/file: no such file or directory"},
	} {
		cfg, err := flags(t, strings.Fields(test.args)...).Config("https://mcp.example.com/mcp", p)
		switch {
		case err != nil:
			if err.Error() != test.err {
				t.Errorf("%q: error %v, want %q", test.args, err, test.err)
			}
		case test.err != "" || fmt.Sprintf("%T", cfg.Flow) != test.want:
			t.Errorf("%q: %T, want %q %q", test.args, cfg.Flow, test.want, test.err)
		}
	}
}

// TestEnterprise reads the ID token each time, since it changes.
func TestEnterprise(t *testing.T) {
	dir := t.TempDir()
	secret, token := filepath.Join(dir, "secret"), filepath.Join(dir, "token")
	write(t, secret, "hush\n")
	p, _ := process(t, map[string]string{"XDG_CONFIG_HOME": dir})
	cfg, err := flags(t, "--idp", "https://idp.example", "--idp-client-id", "at-idp", "--idp-client-secret-file", secret,
		"--id-token-file", token, "--client-id", "app", "--dpop").Config("https://mcp.example.com/mcp", p)
	if err != nil {
		t.Fatal(err)
	}
	flow, ok := cfg.Flow.(oauthdyn.EnterpriseManaged)
	if !ok || flow.IdentityProvider != "https://idp.example" || flow.ClientID != "at-idp" || flow.ClientSecret != "hush" || cfg.ClientID != "app" || !cfg.DPoP {
		t.Errorf("%v of %T, client %q, DPoP %v", flow, cfg.Flow, cfg.ClientID, cfg.DPoP)
	}
	for _, now := range []string{"first", "second"} {
		write(t, token, now+"\n")
		if got, err := flow.SubjectToken(t.Context()); err != nil || got != now {
			t.Errorf("%q, %v, want %q", got, err, now)
		}
	}
	if _, err := oauthdyn.New(*cfg); err != nil {
		t.Error(err)
	}
}

func write(t *testing.T, file, text string) {
	t.Helper()
	if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
}
