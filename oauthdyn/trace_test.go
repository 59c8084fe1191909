// SPDX-License-Identifier: Apache-2.0

package oauthdyn

import (
	"fmt"
	"net/http"
	"slices"
	"strings"
	"testing"
)

func TestTrace(t *testing.T) {
	tests := []struct {
		name  string
		setup func(*fake)
		want  []string // kind, path, status, whether it led to nothing
	}{
		{"all is well", func(*fake) {}, []string{
			"challenge /mcp 401 ok", "resource metadata " + WellKnownResource + "/mcp 200 ok",
			"server metadata " + WellKnownServer + " 200 ok", "server ok",
		}},
		{"another resource", func(f *fake) { f.resourceMetadata["resource"] = "https://other.example/mcp" }, []string{
			"challenge /mcp 401 ok", "resource metadata " + WellKnownResource + "/mcp 200 failed",
		}},
		{"another issuer", func(f *fake) { f.serverMetadata["issuer"] = f.URL + "/" }, []string{
			"challenge /mcp 401 ok", "resource metadata " + WellKnownResource + "/mcp 200 ok",
			"server metadata " + WellKnownServer + " 200 failed", "server failed",
		}},
		{"no S256", func(f *fake) { delete(f.serverMetadata, "code_challenge_methods_supported") }, []string{
			"challenge /mcp 401 ok", "resource metadata " + WellKnownResource + "/mcp 200 ok",
			"server metadata " + WellKnownServer + " 200 ok", "server failed",
		}},
		{"no metadata at all", func(f *fake) { f.noChallenge, f.resourceMetadata, f.serverMetadata = true, nil, nil }, []string{
			"challenge /mcp 401 ok", "resource metadata " + WellKnownResource + "/mcp 404 failed",
			"resource metadata " + WellKnownResource + " 404 failed", "server metadata " + WellKnownServer + " 404 failed", "server ok",
		}},
		{"redirect", func(f *fake) {
			f.noChallenge = true
			f.replace(WellKnownResource+"/mcp", func(w http.ResponseWriter, r *http.Request) {
				http.Redirect(w, r, "/moved", http.StatusFound)
			})
			f.json("/moved", f.resourceMetadata)
		}, []string{
			"challenge /mcp 401 ok", "resource metadata " + WellKnownResource + "/mcp -> /moved 200 ok",
			"server metadata " + WellKnownServer + " 200 ok", "server ok",
		}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			f := newFake(t)
			tt.setup(f)
			var got []string
			c := f.client(func(c *Config) {
				c.Trace = func(s DiscoveryStep) { got = append(got, told(f, s)) }
			})
			_, err := c.Discover(t.Context())
			if !slices.Equal(got, tt.want) {
				t.Errorf("steps\n%s\nwant\n%s", strings.Join(got, "\n"), strings.Join(tt.want, "\n"))
			}
			if failed := strings.HasSuffix(got[len(got)-1], "failed"); failed != (err != nil) {
				t.Errorf("last step %q, and the error %v", got[len(got)-1], err)
			}
		})
	}
}

func told(f *fake, s DiscoveryStep) string {
	text := string(s.Kind)
	if s.URL != "" {
		text += " " + strings.TrimPrefix(s.URL, f.URL)
	}
	if s.Response != nil {
		if at := s.Response.Request.URL.String(); at != s.URL {
			text += " -> " + strings.TrimPrefix(at, f.URL)
		}
		text += fmt.Sprint(" ", s.Response.StatusCode)
	}
	if s.Err != nil {
		return text + " failed"
	}
	return text + " ok"
}
