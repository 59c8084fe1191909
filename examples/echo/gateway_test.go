// SPDX-License-Identifier: Apache-2.0

package main

import (
	"bytes"
	"encoding/json"
	"math/rand/v2"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"

	"github.com/modelcontextprotocol/go-sdk/mcp"

	"github.com/atrawog/mcp-oauth-gateway/examples/internal/servetest"
	"github.com/atrawog/mcp-oauth-gateway/oauthdyn"
)

// serverArg makes this program the server.
const serverArg = "echo-server"

func TestMain(m *testing.M) {
	if len(os.Args) > 1 && os.Args[1] == serverArg {
		os.Args = append(os.Args[:1], os.Args[2:]...)
		main()
	}
	os.Exit(m.Run())
}

// program is the path of this one.
func program(t *testing.T) string {
	t.Helper()
	path, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	return path
}

// freePort is a port that nobody listens on. It is below those that systems
// give to whoever asks for any, so that nobody gets it before the program that
// is told of it.
func freePort(t *testing.T) string {
	t.Helper()
	for range 100 {
		port := strconv.Itoa(20_000 + rand.IntN(12_000))
		if listener, err := net.Listen("tcp", "127.0.0.1:"+port); err == nil {
			_ = listener.Close()
			return port
		}
	}
	t.Fatal("no port is free")
	return ""
}

// command builds another one.
func command(t *testing.T, name string) string {
	t.Helper()
	path, err := servetest.Build(t.Context(), t.TempDir(), name)
	if err != nil {
		t.Fatal(err)
	}
	return path
}

// No MUST of the specification is broken, in either form.
func TestCheck(t *testing.T) {
	if testing.Short() {
		t.Skip("checks servers for seconds; run without -short")
	}
	t.Parallel()
	echo, shclient := program(t), command(t, "shclient")
	for _, form := range []string{"-stateful=false", "-stateful"} {
		t.Run(form, func(t *testing.T) {
			t.Parallel()
			url := servetest.Listen(t, echo, serverArg, "-port", "0", form)
			out, err := exec.CommandContext(t.Context(), shclient, "check", "--protocol", legacyVersion+","+modernVersion, url).CombinedOutput()
			if err != nil || !bytes.Contains(out, []byte("\n0 MUST broken")) {
				t.Errorf("%v\n%s", err, out)
			}
		})
	}
}

// Behind shproxy, which demands a token of oauthdyn, the tools show what has
// got through and what has not: over HTTP and on stdio.
func TestBehindGateway(t *testing.T) {
	if testing.Short() {
		t.Skip("starts servers; run without -short")
	}
	t.Parallel()
	echo, shproxy, serve := program(t), command(t, "shproxy"), command(t, "oauthdyn")
	direct := servetest.Listen(t, echo, serverArg, "-port", "0", "-stateful")
	// The issuer has to know the servers, and they the issuer.
	port := freePort(t)
	public := "http://127.0.0.1:" + port
	issuer := servetest.Start(t, serve, "--resource", public+"/http/mcp", "--resource", public+"/stdio/mcp")
	config := filepath.Join(t.TempDir(), "mcp.json")
	data, err := json.Marshal(map[string]any{"mcpServers": map[string]any{
		"http": map[string]any{"url": direct},
		"stdio": map[string]any{"command": echo, "args": []string{serverArg, "-stdio", "-stateful", "-show-env", "CALLER"}, "env": map[string]string{"MCP_API_KEY": "hunter2"},
			"shproxy": map[string]any{"claimEnv": map[string]string{"CALLER": "sub"}}},
	}})
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(config, data, 0o600); err != nil {
		t.Fatal(err)
	}
	servetest.Listen(t, shproxy, "--port", port, "--config", config, "--auth-issuer", issuer)

	for _, server := range []string{"http", "stdio"} {
		client, err := oauthdyn.New(oauthdyn.Config{Resource: public + "/" + server + "/mcp", OpenURL: servetest.Person().Open})
		if err != nil {
			t.Fatal(err)
		}
		token, err := client.Authenticate(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		for _, version := range []string{legacyVersion, modernVersion} {
			t.Run(server+" "+version, func(t *testing.T) {
				session := connect(t, public+"/"+server+"/mcp", version, fields{"Authorization": "Bearer " + token.AccessToken}, &mcp.ClientOptions{})
				want(t, session, "echo", map[string]any{"message": "through the gateway"}, []string{"through the gateway"}, nil)
				if version == legacyVersion {
					want(t, session, "replayLastEcho", nil, []string{"[REPLAY - Session ", "from tester] through the gateway"}, nil)
				}
				want(t, session, "largeOutput", map[string]any{"bytes": 1 << 20}, []string{"line 0000001 of 1048576"}, nil)
				if server == "http" {
					want(t, session, "printHeader", nil, []string{"Host: 127.0.0.1:"}, []string{"Authorization", token.AccessToken})
					want(t, session, "bearerDecode", nil, []string{"the proxy in front keeps it"}, nil)
					return
				}
				want(t, session, "printHeader", nil, []string{onStdio}, nil)
				want(t, session, "environmentDump", nil, []string{"CALLER: local:" + servetest.Username, "MCP_API_KEY: ***"}, []string{"hunter2"})
			})
		}
		// A token of this kind is one that can be decoded.
		bearing := connect(t, direct, modernVersion, fields{"Authorization": "Bearer " + token.AccessToken}, nil)
		want(t, bearing, "bearerDecode", nil, []string{
			"Type: at+jwt", "Issuer: " + issuer, "Subject: local:" + servetest.Username, "Audience: ", public + "/" + server + "/mcp", "Expires: ",
		}, []string{token.AccessToken, token.AccessToken[strings.LastIndexByte(token.AccessToken, '.')+1:]})
	}
}

// On stdio the session is that of the process.
func TestStdio(t *testing.T) {
	if testing.Short() {
		t.Skip("builds the program; run without -short")
	}
	t.Parallel()
	client := mcp.NewClient(&mcp.Implementation{Name: "tester", Version: "1"}, nil)
	session, err := client.Connect(t.Context(), &mcp.CommandTransport{Command: exec.Command(program(t), serverArg, "-stdio", "-stateful")},
		&mcp.ClientSessionOptions{ProtocolVersion: legacyVersion})
	if err != nil {
		t.Fatal(err)
	}
	want(t, session, "echo", map[string]any{"message": "m"}, []string{"[Session of this process from tester] m"}, nil)
	want(t, session, "replayLastEcho", nil, []string{"from tester] m"}, nil)
	want(t, session, "requestTiming", nil, []string{onStdio}, nil)
	want(t, session, "corsAnalysis", nil, []string{onStdio}, nil)
	want(t, session, "bearerDecode", nil, []string{onStdio}, nil)
	if err := session.Close(); err != nil {
		t.Errorf("it does not end with its stdin: %v", err)
	}
}
