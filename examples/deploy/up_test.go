// SPDX-License-Identifier: Apache-2.0

//go:build unix

package deploy_test

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

// TestUpRefuses tells what is missing, and starts nothing.
func TestUpRefuses(t *testing.T) {
	programs := t.TempDir()
	for _, name := range []string{"oauthdyn", "shproxy", "fetchserver", "nginx", "caddy"} {
		if err := os.WriteFile(filepath.Join(programs, name), []byte("#!/bin/sh\nexit 3\n"), 0o755); err != nil {
			t.Fatal(err)
		}
	}
	for _, test := range []struct {
		name      string
		variables []string
		args      []string
		want      string
	}{
		{"nothing", nil, nil, "up: usage: "},
		{"no command", []string{"BASE_DOMAIN=example.com"}, []string{"nginx", "--"}, "up: usage: "},
		{"no domain", nil, []string{"nginx", "--", "server"}, "up: name the domain"},
		{"a URL", []string{"BASE_DOMAIN=https://example.com", "ACME_EMAIL=a@example.com"}, []string{"caddy", "--", "server"}, "up: name the domain, for example BASE_DOMAIN=example.com, and not 'https://example.com'"},
		{"another proxy", []string{"BASE_DOMAIN=example.com", "ACME_EMAIL=a@example.com"}, []string{"squid", "--", "server"}, "up: squid: there are "},
		{"no certificate", []string{"BASE_DOMAIN=example.com"}, []string{"caddy", "--", "server"}, "hint: let the proxy order them"},
		{"no orders", []string{"BASE_DOMAIN=example.com", "ACME_EMAIL=a@example.com"}, []string{"nginx", "--", "server"}, "up: nginx orders no certificates"},
		{"no such file", []string{"BASE_DOMAIN=example.com", "TLS_CERT=absent", "TLS_KEY=absent"}, []string{"nginx", "--", "server"}, "cannot both be read"},
		{"any origin", []string{"BASE_DOMAIN=example.com", "ACME_EMAIL=a@example.com", "MCP_CORS_ORIGINS=*"}, []string{"caddy", "--", "server"}, "up: MCP_CORS_ORIGINS: "},
		{"no traefik", []string{"BASE_DOMAIN=example.com", "ACME_EMAIL=a@example.com"}, []string{"traefik", "--", "server"}, "up: there is no traefik in PATH"},
		{"a program that ends", []string{"BASE_DOMAIN=gateway.test", "ACME_EMAIL=a@example.com", "HTTPS_PORT=1", "GATEWAY_BIND=127.0.0.1"}, []string{"caddy", "--", "server"}, "has ended; the end of "},
	} {
		t.Run(test.name, func(t *testing.T) {
			if test.name == "no traefik" {
				if _, err := exec.LookPath("traefik"); err == nil {
					t.Skip("it is there")
				}
			}
			data := filepath.Join(t.TempDir(), "data")
			cmd := exec.CommandContext(t.Context(), "./up", test.args...)
			cmd.Env = append([]string{"PATH=" + programs + ":" + os.Getenv("PATH"), "GATEWAY_DATA=" + data}, test.variables...)
			out, err := cmd.CombinedOutput()
			if err == nil || !strings.Contains(string(out), test.want) {
				t.Errorf("%v, want %q:\n%s", err, test.want, out)
			}
			if _, err := os.Stat(data); err == nil && test.name != "a program that ends" {
				t.Error("it has begun")
			}
		})
	}
}
