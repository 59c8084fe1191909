// SPDX-License-Identifier: Apache-2.0

package main

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestParseConfig(t *testing.T) {
	for _, tt := range []struct {
		name, in, wantErr string
		want              []wrapped
	}{
		{
			name: "two servers, sorted, with environment and folder",
			in: `{"mcpServers": {
				"time": {"type": "stdio", "command": "uvx", "args": ["mcp-server-time"]},
				"memory": {"command": "npx", "args": ["-y", "m"], "env": {"B": "2", "A": "1"}, "cwd": "/srv"}}}`,
			want: []wrapped{
				{name: "memory", command: "npx", args: []string{"-y", "m"}, env: []string{"A=1", "B=2"}, dir: "/srv"},
				{name: "time", command: "uvx", args: []string{"mcp-server-time"}},
			},
		},
		{name: "not JSON", in: `mcpServers:`, wantErr: "not the JSON of a client configuration"},
		{name: "another file", in: `{"servers": {}}`, wantErr: `want {"mcpServers"`},
		{name: "remote", in: `{"mcpServers": {"a": {"url": "https://x/mcp"}}}`, wantErr: `server "a": it has a url`},
		{name: "no command", in: `{"mcpServers": {"a": {"args": ["x"]}}}`, wantErr: `server "a": it has no command`},
		{name: "name with slash", in: `{"mcpServers": {"a/b": {"command": "x"}}}`, wantErr: "becomes part of a URL"},
		{name: "reserved name", in: `{"mcpServers": {"token": {"command": "x"}}}`, wantErr: "choose another name"},
		{name: "wrong type", in: `{"mcpServers": {"a": {"command": "x", "args": "y"}}}`, wantErr: `server "a": json`},
	} {
		t.Run(tt.name, func(t *testing.T) {
			got, err := parseConfig([]byte(tt.in))
			if tt.wantErr != "" {
				if err == nil || !strings.Contains(err.Error(), tt.wantErr) {
					t.Fatalf("error %v; want one with %q", err, tt.wantErr)
				}
				return
			}
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(tt.want, got, cmp.AllowUnexported(wrapped{})); diff != "" {
				t.Error(diff)
			}
		})
	}
}
