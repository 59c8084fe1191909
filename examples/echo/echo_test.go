// SPDX-License-Identifier: Apache-2.0

//lint:file-ignore SA1019 sampling and logging are deprecated since 2026-07-28, and still have to pass

package main

import (
	"bytes"
	"context"
	"encoding/base64"
	"fmt"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/modelcontextprotocol/go-sdk/mcp"
)

const legacyVersion = "2025-11-25"

// start serves one of the forms for the test, and returns its URL.
func start(t *testing.T, environ []string, args ...string) string {
	t.Helper()
	var said bytes.Buffer
	o, err := parse(args, environ, &said)
	if err != nil {
		t.Fatalf("%v\n%s", err, said.String())
	}
	s := newServer(o)
	web := httptest.NewServer(s.handler(slog.New(slog.DiscardHandler)))
	t.Cleanup(func() {
		s.endSessions()
		web.Close()
	})
	return web.URL + endpoint
}

// fields sends header fields with each request.
type fields map[string]string

func (f fields) RoundTrip(r *http.Request) (*http.Response, error) {
	r = r.Clone(r.Context())
	for name, value := range f {
		r.Header.Set(name, value)
	}
	return http.DefaultTransport.RoundTrip(r)
}

// connect connects the SDK's client. The version decides which era it speaks.
func connect(t *testing.T, url, version string, header fields, o *mcp.ClientOptions) *mcp.ClientSession {
	t.Helper()
	client := mcp.NewClient(&mcp.Implementation{Name: "tester", Version: "1"}, o)
	session, err := client.Connect(t.Context(), &mcp.StreamableClientTransport{Endpoint: url, HTTPClient: &http.Client{Transport: header}},
		&mcp.ClientSessionOptions{ProtocolVersion: version})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = session.Close() }) // the server may be gone
	return session
}

// use calls a tool, and returns its text and whether it failed.
func use(t *testing.T, session *mcp.ClientSession, name string, arguments map[string]any) (said string, failed bool) {
	t.Helper()
	result, err := session.CallTool(t.Context(), &mcp.CallToolParams{Name: name, Arguments: arguments})
	if err != nil {
		t.Fatalf("%s: %v", name, err)
	}
	for _, content := range result.Content {
		if text, ok := content.(*mcp.TextContent); ok {
			said += text.Text
		}
	}
	return said, result.IsError
}

// want calls a tool, whose text has to have some parts and not others.
func want(t *testing.T, session *mcp.ClientSession, name string, arguments map[string]any, with, without []string) {
	t.Helper()
	said, failed := use(t, session, name, arguments)
	if failed {
		t.Errorf("%s failed: %s", name, said)
	}
	for _, part := range with {
		if !strings.Contains(said, part) {
			t.Errorf("%s does not say %q:\n%s", name, part, said)
		}
	}
	for _, part := range without {
		if strings.Contains(said, part) {
			t.Errorf("%s says %q:\n%s", name, part, said)
		}
	}
}

// The tools of the original are all there, in the form in which they were.
func TestTools(t *testing.T) {
	both := []string{"echo", "printHeader", "bearerDecode", "authContext", "requestTiming", "corsAnalysis", "environmentDump", "healthProbe", "whoIStheGOAT"}
	stateful := []string{"replayLastEcho", "sessionInfo"}
	for form, wanted := range map[string][]string{"": both, "-stateful": slices.Concat(both, stateful)} {
		var args []string
		if form != "" {
			args = []string{form}
		}
		url := start(t, nil, args...)
		for _, version := range []string{legacyVersion, modernVersion} {
			list, err := connect(t, url, version, nil, nil).ListTools(t.Context(), nil)
			if err != nil {
				t.Fatal(err)
			}
			var names []string
			for _, tool := range list.Tools {
				names = append(names, tool.Name)
				if tool.Description == "" || !tool.Annotations.ReadOnlyHint {
					t.Errorf("%s: %+v", tool.Name, tool)
				}
			}
			for _, name := range wanted {
				if !slices.Contains(names, name) {
					t.Errorf("%q, %s: no %s in %v", form, version, name, names)
				}
			}
			if form == "" && slices.ContainsFunc(stateful, func(name string) bool { return slices.Contains(names, name) }) {
				t.Errorf("the stateless form has %v", names)
			}
		}
	}
}

// Each client sees its own session, and nothing of those of others.
func TestSessions(t *testing.T) {
	url := start(t, nil, "-stateful")
	one, other := connect(t, url, legacyVersion, nil, nil), connect(t, url, legacyVersion, nil, nil)
	want(t, one, "replayLastEcho", nil, []string{"Use the echo tool first"}, nil)
	want(t, one, "echo", map[string]any{"message": "first secret"}, []string{"[Session " + one.ID()[:8] + "... from tester] first secret"}, []string{one.ID()})
	want(t, other, "echo", map[string]any{"message": "other"}, []string{"other"}, nil)
	want(t, one, "replayLastEcho", nil, []string{"[REPLAY - Session " + one.ID()[:8] + "... from tester] first secret"}, nil)
	want(t, other, "replayLastEcho", nil, []string{"] other"}, []string{"first secret"})
	want(t, one, "sessionInfo", nil, []string{"Session ID: " + one.ID()[:8] + "...", "Protocol Version: " + legacyVersion, "Client: tester v1", "Total Active Sessions: 2"},
		[]string{other.ID()[:8], one.ID()})

	modern := connect(t, url, modernVersion, nil, nil)
	want(t, modern, "echo", map[string]any{"message": "m"}, []string{"m"}, []string{"Session"})
	if said, failed := use(t, modern, "replayLastEcho", nil); !failed || !strings.Contains(said, "has no session") {
		t.Errorf("replay without a session: %v, %s", failed, said)
	}
	want(t, modern, "sessionInfo", nil, []string{"None: ", "Total Active Sessions: 2"}, nil)

	if err := one.Close(); err != nil {
		t.Fatal(err)
	}
	want(t, other, "sessionInfo", nil, []string{"Total Active Sessions: 1"}, nil)
}

// What is remembered goes with its session.
func TestForget(t *testing.T) {
	o, err := parse([]string{"-stateful"}, nil, new(bytes.Buffer))
	if err != nil {
		t.Fatal(err)
	}
	s := newServer(o)
	web := httptest.NewServer(s.handler(slog.New(slog.DiscardHandler)))
	t.Cleanup(web.Close)
	for range 5 {
		session := connect(t, web.URL+endpoint, legacyVersion, nil, nil)
		use(t, session, "echo", map[string]any{"message": "x"})
		if err := session.Close(); err != nil {
			t.Fatal(err)
		}
	}
	last := connect(t, web.URL+endpoint, legacyVersion, nil, nil)
	use(t, last, "echo", map[string]any{"message": "x"})
	s.mu.Lock()
	known := len(s.known)
	s.mu.Unlock()
	if known != 1 {
		t.Errorf("%d sessions are remembered, of which 1 is alive", known)
	}
	s.endSessions()
}

func jwtOf(claims string) string {
	encode := base64.RawURLEncoding.EncodeToString
	return encode([]byte(`{"alg":"RS256","typ":"JWT","kid":"k1"}`)) + "." + encode([]byte(claims)) + "." + encode([]byte("the-signature-that-is-secret"))
}

// What a request carries is shown, but for what others could use.
func TestRequest(t *testing.T) {
	token := jwtOf(fmt.Sprintf(`{"iss":"https://auth.example","sub":"583231","aud":"https://mcp.example/mcp","iat":%d,"exp":%d,"username":"octocat","name":"Mona","client_id":"client_a","scope":"mcp:read"}`,
		time.Now().Add(-time.Hour).Unix(), time.Now().Add(time.Hour).Unix()))
	signature := token[strings.LastIndexByte(token, '.')+1:]
	opaque := "gho_16C7e42F292c6912E7710c838347Ae178B4a"
	secrets := []string{token, signature, opaque, "cookie-value", "key-value"}
	header := fields{
		"Authorization": "Bearer " + token, "X-User-Id": "583231", "X-User-Name": "octocat", "X-Auth-Token": opaque,
		"X-Forwarded-For": "203.0.113.9", "X-Forwarded-Host": "mcp.example", "Cookie": "sid=cookie-value", "X-Api-Key": "key-value", "X-Odd": "a\tb",
	}
	url := start(t, nil)
	for version, name := range map[string]string{
		legacyVersion: "unknown", // what initialize said is not remembered
		modernVersion: "tester v1",
	} {
		session := connect(t, url, version, header, nil)
		want(t, session, "printHeader", nil, []string{
			"Forwarded Headers:", "X-Forwarded-For: 203.0.113.9", "X-User-Name: octocat", "Authorization: Bearer *** (", "Cookie: *** (", "X-Api-Key: *** (", "Host: 127.0.0.1:", "X-Odd: a\uFFFDb",
		}, secrets)
		want(t, session, "bearerDecode", map[string]any{"includeRaw": true}, []string{
			"Algorithm: RS256", "Key ID: k1", "Issuer: https://auth.example", "Audience: https://mcp.example/mcp", "Issued At: ", "(1h0m", "Expires: ", "(in ", `username: octocat`,
			"Signature:\n  Present (38 characters, not shown", "Raw Parts:\n  Header: eyJ",
		}, secrets)
		want(t, session, "authContext", nil, []string{"Subject: 583231", "Client ID: client_a", "Scope: mcp:read", "User Name: octocat", "Auth Token: *** (40 characters)", "Name: " + name}, secrets)
		want(t, session, "requestTiming", nil, []string{"Request received: 20", "Elapsed: ", "ms\n"}, nil)
		want(t, session, "corsAnalysis", nil, []string{"Access-Control-Allow-Headers: Authorization, Content-Type, Mcp-", "Not this server"}, secrets)
		want(t, session, "whoIStheGOAT", nil, []string{"Subject: Mona"}, secrets)
		want(t, session, "healthProbe", nil, []string{"Status: HEALTHY", "Protocol: 2026-07-28, 2025-11-25", "Type: stateless"}, nil)
	}
	bare := connect(t, url, modernVersion, nil, nil)
	want(t, bare, "bearerDecode", nil, []string{"No Authorization header found"}, nil)
	want(t, bare, "authContext", nil, []string{"No OAuth headers found"}, nil)
	want(t, bare, "whoIStheGOAT", nil, []string{"AUTHENTICATION REQUIRED"}, nil)
}

// A token that is none is described, not repeated.
func TestBrokenTokens(t *testing.T) {
	url := start(t, nil)
	for value, says := range map[string]string{
		"Basic c2VjcmV0OnNlY3JldA==":                "another scheme",
		"Bearer opaque-secret-token":                "a JWT has 3 parts, this has 1",
		"Bearer a.b.c.d.secret":                     "it is encrypted",
		"Bearer se!cret.e30.x":                      "part 1 is no Base64URL",
		"Bearer c2VjcmV0.e30.x":                     "part 1 holds no JSON object",
		"bearer e30.bnVsbA.secret":                  "part 2 holds no JSON object",
		"Bearer " + jwtOf(`{"exp":"secret-exp"}`):   "(no date)",
		"Bearer " + jwtOf(`{"exp":1e300}`):          "(no date)",
		"Bearer " + jwtOf(`{"exp":1000}`):           "EXPIRED",
		"Bearer " + strings.Repeat("A", maxToken+1): "longer than",
	} {
		said, failed := use(t, connect(t, url, modernVersion, fields{"Authorization": value}, nil), "bearerDecode", nil)
		if failed || !strings.Contains(said, says) || strings.Contains(strings.ReplaceAll(said, "secret-exp", ""), "secret") {
			t.Errorf("%.40s: %v, %s", value, failed, said)
		}
	}
}

// Secrets of the process are hidden by their names and by their looks, and a
// caller gets no more than the operator allows.
func TestEnvironment(t *testing.T) {
	secrets := map[string]string{
		"MCP_API_KEY":       "plainword",
		"MCP_DB":            "postgres://user:sesame@db/x",
		"MCP_UPSTREAM":      "ghp_16C7e42F292c6912E7710c838347Ae178B4a",
		"MCP_BLOB":          "q7Rk2mZp9XvB4nLs8TwY",
		"MCP_HEX":           "0123456789abcdef0123456789abcdef",
		"MCP_JWT":           jwtOf("{}"),
		"MCP_DSN_LIKE":      "host=db password=sesame",
		"MCP_PEM":           "-----BEGIN PRIVATE KEY-----\nsesame",
		"MCP_CLIENT_SECRET": "correct-horse-battery",
		"OTHER":             "not-told",
		"HOME":              "/home/sesame",
	}
	environ := []string{"MCP_PROTOCOL_VERSION=2025-06-18", "APP_REGION=eu-west-1", "MCP_ECHO_DEBUG=true"}
	var values []string
	for name, value := range secrets {
		environ = append(environ, name+"="+value)
		values = append(values, value)
	}
	hiding := connect(t, start(t, environ, "-show-env", "APP_*"), modernVersion, nil, nil)
	for _, show := range []bool{false, true} {
		want(t, hiding, "environmentDump", map[string]any{"showSecrets": show},
			[]string{"MCP_PROTOCOL_VERSION: 2025-06-18", "APP_REGION: eu-west-1", "MCP_API_KEY: ***", "MCP_BLOB: ***", "  OTHER\n", "Server Type: stateless"},
			append(values, "sesame", "q7Rk", "ghp_"))
	}
	said, _ := use(t, hiding, "environmentDump", map[string]any{"showSecrets": true})
	if !strings.Contains(said, "started without -show-secrets") {
		t.Errorf("showSecrets without effect is not explained:\n%s", said)
	}
	showing := connect(t, start(t, environ, "-show-secrets"), modernVersion, nil, nil)
	want(t, showing, "environmentDump", nil, []string{"MCP_BLOB: ***"}, append(values, "q7Rk"))
	want(t, showing, "environmentDump", map[string]any{"showSecrets": true},
		[]string{"MCP_BLOB: q7Rk***8TwY", "MCP_API_KEY: ***", "MCP_DB: ***"}, append(values, "sesame"))
}

// Calls that bridges get wrong: messages on the way, questions, failures.
func TestTrials(t *testing.T) {
	for form, args := range map[string][]string{"stateless": nil, "stateful": {"-stateful"}} {
		url := start(t, nil, args...)
		for _, version := range []string{legacyVersion, modernVersion} {
			t.Run(form+" "+version, func(t *testing.T) {
				progress, logged := make(chan string, 100), make(chan any, 100)
				session := connect(t, url, version, nil, &mcp.ClientOptions{
					ProgressNotificationHandler: func(_ context.Context, req *mcp.ProgressNotificationClientRequest) { progress <- req.Params.Message },
					LoggingMessageHandler:       func(_ context.Context, req *mcp.LoggingMessageRequest) { logged <- req.Params.Data },
					ElicitationHandler: func(_ context.Context, req *mcp.ElicitRequest) (*mcp.ElicitResult, error) {
						return &mcp.ElicitResult{Action: "accept", Content: map[string]any{"answer": "to " + req.Params.Message}}, nil
					},
					CreateMessageHandler: func(_ context.Context, req *mcp.CreateMessageRequest) (*mcp.CreateMessageResult, error) {
						return &mcp.CreateMessageResult{Model: "m1", Role: "assistant", Content: &mcp.TextContent{Text: "hello"}}, nil
					},
				})
				call := &mcp.CallToolParams{Name: "streamProgress", Arguments: map[string]any{"steps": 3, "delayMs": 0}}
				call.SetProgressToken("p")
				if _, err := session.CallTool(t.Context(), call); err != nil {
					t.Fatal(err)
				}
				for i := range 3 {
					if got, want := <-progress, fmt.Sprintf("step %d of 3", i+1); got != want {
						t.Errorf("progress %q, want %q", got, want)
					}
				}
				asked := form == "stateful" || version == modernVersion // else there is no way back
				if said, failed := use(t, session, "askUser", map[string]any{"question": "what?"}); failed == asked || asked && said != "The user says: to what?" {
					t.Errorf("askUser: %v, %s", failed, said)
				}
				if said, failed := use(t, session, "askModel", nil); failed == asked || asked && said != "The model m1 says: hello" {
					t.Errorf("askModel: %v, %s", failed, said)
				}
				if version == legacyVersion {
					if form == "stateful" {
						if err := session.SetLoggingLevel(t.Context(), &mcp.SetLoggingLevelParams{Level: "warning"}); err != nil {
							t.Fatal(err)
						}
					}
					use(t, session, "writeLog", map[string]any{"level": "debug", "message": "not wanted"})
					use(t, session, "writeLog", map[string]any{"level": "error", "message": "wanted"})
					if got := fmt.Sprint(<-logged); !strings.Contains(got, "message:wanted") {
						t.Errorf("log message %s", got)
					}
				}
				said, _ := use(t, session, "largeOutput", map[string]any{"bytes": 300_000})
				if len(said) != 300_000 || !strings.HasPrefix(said, "line 0000001 of 300000 bytes") {
					t.Errorf("largeOutput: %d bytes, %.40s", len(said), said)
				}
				if said, failed := use(t, session, "failCall", map[string]any{"message": "oh"}); !failed || said != "oh" {
					t.Errorf("failCall: %v, %s", failed, said)
				}
				if _, err := session.CallTool(t.Context(), &mcp.CallToolParams{Name: "failCall", Arguments: map[string]any{"protocolError": true}}); err == nil || !strings.Contains(err.Error(), "this tool always fails") {
					t.Errorf("failCall with an error of the protocol: %v", err)
				}
			})
		}
	}
}

// A call that is cancelled ends, and what exceeds a bound is refused.
func TestBounds(t *testing.T) {
	session := connect(t, start(t, nil), modernVersion, nil, nil)
	ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
	defer cancel()
	if _, err := session.CallTool(ctx, &mcp.CallToolParams{Name: "slowCall", Arguments: map[string]any{"seconds": 60}}); err == nil {
		t.Error("a call went on after its cancellation")
	}
	for name, arguments := range map[string]map[string]any{
		"slowCall":       {"seconds": 61},
		"largeOutput":    {"bytes": 8<<20 + 1},
		"streamProgress": {"steps": 1000, "delayMs": 100},
		"writeLog":       {"level": "loud"},
		"askUser":        {"question": strings.Repeat("x", 1001)},
		"echo":           {"message": strings.Repeat("x", 65537)},
		"printHeader":    {"unknown": true},
	} {
		result, err := session.CallTool(t.Context(), &mcp.CallToolParams{Name: name, Arguments: arguments})
		if err == nil && !result.IsError {
			t.Errorf("%s took too much", name)
		}
	}
}
