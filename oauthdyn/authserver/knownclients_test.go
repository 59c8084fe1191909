// SPDX-License-Identifier: Apache-2.0

package authserver_test

import (
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"strings"
	"testing"

	"github.com/atrawog/mcp-oauth-gateway/oauthdyn"
	"github.com/atrawog/mcp-oauth-gateway/oauthdyn/authserver"
	"github.com/atrawog/mcp-oauth-gateway/oauthdyn/oauthdyntest"
)

// knownClients are what MCP clients that many people use are known to send. The
// words are ours; URIs, methods and grants are theirs.
var knownClients = []struct {
	name     string
	document string // address of the metadata, for those that do not register
	metadata string // without client_id
	used     []string
	refused  []string
}{
	{
		name:     "Claude",
		metadata: `{"client_name":"Claude","redirect_uris":["https://claude.ai/api/mcp/auth_callback","https://claude.com/api/mcp/auth_callback"],"grant_types":["authorization_code","refresh_token"],"response_types":["code"],"token_endpoint_auth_method":"client_secret_post"}`,
		used:     []string{"https://claude.ai/api/mcp/auth_callback", "https://claude.com/api/mcp/auth_callback"},
		refused:  []string{"https://claude.ai/api/mcp/auth_callback/", "https://claude.ai:443/api/mcp/auth_callback", "http://claude.ai/api/mcp/auth_callback", "https://CLAUDE.ai/api/mcp/auth_callback", "https://claude.ai/api/mcp/auth_callback?x=1", "https://claude.ai/api/mcp/%61uth_callback", "claude://claude.ai/api/mcp/auth_callback"},
	},
	{
		name:     "Claude by its document",
		document: "https://claude.ai/oauth/mcp-oauth-client-metadata",
		metadata: `{"client_name":"Claude","client_uri":"https://claude.ai","redirect_uris":["https://claude.ai/api/mcp/auth_callback","https://claude.com/api/mcp/auth_callback"],"grant_types":["authorization_code","refresh_token","urn:ietf:params:oauth:grant-type:jwt-bearer"],"response_types":["code"],"token_endpoint_auth_method":"none"}`,
		used:     []string{"https://claude.ai/api/mcp/auth_callback", "https://claude.com/api/mcp/auth_callback"},
		refused:  []string{"https://claude.example/api/mcp/auth_callback"},
	},
	{
		name:     "Claude Code",
		metadata: `{"client_name":"Claude Code","redirect_uris":["http://localhost:53682/callback"],"grant_types":["authorization_code","refresh_token"],"response_types":["code"],"token_endpoint_auth_method":"none","scope":"mcp"}`,
		used:     []string{"http://localhost:53682/callback", "http://localhost:61234/callback", "http://localhost/callback"},
		refused:  []string{"http://127.0.0.1:53682/callback", "http://localhost:53682/callback/", "http://localhost:53682/other", "https://localhost:53682/callback", "http://localhost:53682@evil.example/callback", "http://localhost.evil.example:53682/callback", "http://localhost:99999/callback", "http://localhost:/callback", "http://LOCALHOST:53682/callback", "http://localhost:53682/callback?x=1"},
	},
	{
		name:     "Claude Code by its document",
		document: "https://claude.ai/oauth/claude-code-client-metadata",
		metadata: `{"client_name":"Claude Code","client_uri":"https://claude.ai","redirect_uris":["http://localhost/callback","http://127.0.0.1/callback"],"grant_types":["authorization_code","refresh_token"],"response_types":["code"],"token_endpoint_auth_method":"none"}`,
		used:     []string{"http://localhost:53682/callback", "http://127.0.0.1:61234/callback", "http://localhost/callback"},
		refused:  []string{"http://[::1]:53682/callback", "http://127.0.0.2:53682/callback", "http://localhost:53682/"},
	},
	{
		name:     "ChatGPT",
		metadata: `{"client_name":"ChatGPT","redirect_uris":["https://chatgpt.com/connector_platform_oauth_redirect","https://chatgpt.com/connector/oauth/mX2f9QhT"],"grant_types":["authorization_code","refresh_token"],"response_types":["code"],"token_endpoint_auth_method":"client_secret_basic"}`,
		used:     []string{"https://chatgpt.com/connector_platform_oauth_redirect", "https://chatgpt.com/connector/oauth/mX2f9QhT"},
		refused:  []string{"https://chatgpt.com/connector/oauth/mX2f9Qht", "https://chatgpt.com/connector/oauth/", "https://chat.openai.com/connector_platform_oauth_redirect"},
	},
	{
		name:     "ChatGPT by its document",
		document: "https://chatgpt.com/oauth/mX2f9QhT/client.json",
		metadata: `{"client_name":"ChatGPT","redirect_uris":["https://chatgpt.com/connector/oauth/mX2f9QhT"],"grant_types":["authorization_code","refresh_token"],"response_types":["code"],"token_endpoint_auth_method":"private_key_jwt","token_endpoint_auth_methods_supported":["private_key_jwt","none"],"jwks_uri":"https://chatgpt.com/oauth/jwks.json"}`,
		used:     []string{"https://chatgpt.com/connector/oauth/mX2f9QhT"},
		refused:  []string{"https://chatgpt.com/connector/oauth/other"},
	},
	{
		name:     "VS Code",
		metadata: `{"client_name":"Visual Studio Code","client_uri":"https://code.visualstudio.com","redirect_uris":["https://insiders.vscode.dev/redirect","https://vscode.dev/redirect","http://127.0.0.1/","http://127.0.0.1:33418/"],"grant_types":["authorization_code","refresh_token","urn:ietf:params:oauth:grant-type:device_code"],"response_types":["code"],"token_endpoint_auth_method":"none","application_type":"native"}`,
		used:     []string{"https://insiders.vscode.dev/redirect", "https://vscode.dev/redirect", "http://127.0.0.1/", "http://127.0.0.1:33418/", "http://127.0.0.1:49152/"},
		refused:  []string{"http://127.0.0.1", "http://localhost:33418/", "https://vscode.dev/redirect/", "vscode://vscode.dev/redirect", "http://127.1:33418/", "http://2130706433:33418/", "http://0.0.0.0:33418/"},
	},
	{
		name:     "VS Code by its document",
		document: "https://vscode.dev/oauth/client-metadata.json",
		metadata: `{"client_name":"Visual Studio Code","client_uri":"https://vscode.dev/product","redirect_uris":["https://vscode.dev/redirect","https://insiders.vscode.dev/redirect","http://127.0.0.1/","http://127.0.0.1:33418/"],"grant_types":["authorization_code","refresh_token"],"response_types":["code"],"token_endpoint_auth_method":"none"}`,
		used:     []string{"https://vscode.dev/redirect", "http://127.0.0.1:33418/", "http://127.0.0.1:50000/"},
		refused:  []string{"http://localhost:33418/"},
	},
	{
		name:     "Cursor",
		metadata: `{"client_name":"Cursor","redirect_uris":["cursor://anysphere.cursor-mcp/oauth/callback","https://www.cursor.com/agents/mcp/oauth/callback","http://localhost:8787/callback"],"grant_types":["authorization_code","refresh_token"],"response_types":["code"],"token_endpoint_auth_method":"none"}`,
		used:     []string{"cursor://anysphere.cursor-mcp/oauth/callback", "https://www.cursor.com/agents/mcp/oauth/callback", "http://localhost:8787/callback", "http://localhost:8788/callback"},
		refused:  []string{"cursor://evil.cursor-mcp/oauth/callback", "cursor://anysphere.cursor-mcp/oauth/callback/", "CURSOR://anysphere.cursor-mcp/oauth/callback", "cursor:anysphere.cursor-mcp/oauth/callback", "cursor://anysphere.cursor-mcp:1/oauth/callback"},
	},
	{
		name:     "Gemini CLI",
		metadata: `{"client_name":"Gemini CLI MCP Client","redirect_uris":["http://localhost:7777/oauth/callback"],"grant_types":["authorization_code","refresh_token"],"response_types":["code"],"token_endpoint_auth_method":"none","scope":""}`,
		used:     []string{"http://localhost:7777/oauth/callback", "http://localhost:7778/oauth/callback"},
		refused:  []string{"http://localhost:7777/oauth/callback#", "http://127.0.0.1:7777/oauth/callback"},
	},
	{
		name:     "Codex",
		metadata: `{"client_name":"Codex","redirect_uris":["http://127.0.0.1:1455/callback/4f9a1c0e7b"],"grant_types":["authorization_code","refresh_token"],"response_types":["code"],"token_endpoint_auth_method":"none"}`,
		used:     []string{"http://127.0.0.1:1455/callback/4f9a1c0e7b", "http://127.0.0.1:40001/callback/4f9a1c0e7b"},
		refused:  []string{"http://127.0.0.1:1455/callback/other", "http://127.0.0.1:1455/callback", "http://127.0.0.1:1455/callback/../callback/4f9a1c0e7b"},
	},
	{
		name:     "opencode by its document",
		document: "https://opencode.ai/oauth/opencode/client.json",
		metadata: `{"client_name":"OpenCode","client_uri":"https://opencode.ai","redirect_uris":["http://127.0.0.1:19876/mcp/oauth/callback"],"grant_types":["authorization_code","refresh_token"],"response_types":["code"],"token_endpoint_auth_method":"none"}`,
		used:     []string{"http://127.0.0.1:19876/mcp/oauth/callback", "http://127.0.0.1:20000/mcp/oauth/callback"},
		refused:  []string{"http://localhost:19876/mcp/oauth/callback"},
	},
	{
		name:     "LM Studio",
		metadata: `{"client_name":"LM Studio","redirect_uris":["http://localhost:1234/callback"],"token_endpoint_auth_method":"none","client_uri":null,"logo_uri":null,"contacts":null}`,
		used:     []string{"http://localhost:1234/callback"},
		refused:  []string{"http://localhost:1234"},
	},
}

// quote writes a JSON string.
func quote(t *testing.T, s string) string {
	t.Helper()
	data, err := json.Marshal(s)
	if err != nil {
		t.Fatal(err)
	}
	return string(data)
}

// knownDocuments answers for the sites of the clients.
type knownDocuments struct{}

func (knownDocuments) RoundTrip(r *http.Request) (*http.Response, error) {
	status, body := http.StatusNotFound, ""
	for _, c := range knownClients {
		if c.document == r.URL.String() {
			status, body = http.StatusOK, strings.Replace(c.metadata, "{", fmt.Sprintf(`{"client_id":%q,`, c.document), 1)
		}
	}
	return &http.Response{StatusCode: status, Header: http.Header{"Content-Type": {jsonType}}, Body: io.NopCloser(strings.NewReader(body)), Request: r}, nil
}

// Each one signs in with each of its redirect URIs, to the token; what is nearly
// one of them is refused on a page, never by a redirect.
func TestA6S1S5S6KnownClients(t *testing.T) {
	h := newHarness(t, &oauthdyntest.Options{Scopes: []string{"mcp"}, Adjust: func(o *authserver.Options) { o.ClientDocuments.Transport = knownDocuments{} }})
	b := h.Browser()
	for _, known := range knownClients {
		t.Run(known.name, func(t *testing.T) {
			client := &oauthdyn.ClientInformation{ClientID: known.document}
			if known.document == "" {
				client = h.register(known.metadata)
			}
			for _, uri := range known.used {
				at, err := b.Authorize(t.Context(), h.authorizeURL(client.ClientID, "redirect_uri", uri))
				if err != nil {
					t.Fatalf("%s: %v", uri, err)
				}
				q := at.Query()
				at.RawQuery = ""
				if at.String() != uri || q.Get("code") == "" || q.Get("iss") != h.Issuer || q.Get("state") != "the state" {
					t.Errorf("%s: redirected to %s with %v", uri, at, q)
				}
				form := h.redeemForm(client.ClientID, q.Get("code"), "redirect_uri", uri)
				var headers []string
				switch client.TokenEndpointAuthMethod {
				case oauthdyn.AuthMethodClientSecretPost:
					form.Set("client_secret", client.ClientSecret)
				case oauthdyn.AuthMethodClientSecretBasic:
					form.Del("client_id")
					headers = []string{"Authorization", basic(client.ClientID, client.ClientSecret)}
				}
				if reply := h.token(form, headers...); reply.Status != 200 || reply.RefreshToken == "" {
					t.Errorf("%s: token: %d %v", uri, reply.Status, &reply.Error)
				}
			}
			for _, uri := range known.refused {
				res, body := h.page(newRequest(t, "GET", h.authorizeURL(client.ClientID, "redirect_uri", uri), ""))
				if res.StatusCode != 400 || res.Header.Get("Location") != "" || strings.Contains(body, uri) {
					t.Errorf("%s: %s, Location %q", uri, res.Status, res.Header.Get("Location"))
				}
				checkPage(t, res, body)
			}
		})
	}
}

func TestS2S3S4RefusedRedirectURIs(t *testing.T) {
	s := mustServer(t, func(o *authserver.Options) { o.Registration.PerNetwork, o.Registration.PerSoftware = -1, -1 })
	for _, uri := range []string{
		// S2
		"javascript:alert(1)", "JavaScript:alert(1)", " javascript:alert(1)", "\tjavascript:alert(1)", "java\nscript:alert(1)", "java\x00script:alert(1)", "javascript%3Aalert(1)",
		"%6Aavascript:alert(1)", "javascript://client.example/%0aalert(1)", "data:text/html,x", "DATA:text/html;base64,eA", "vbscript:x", "VbScript:x", "file:///etc/passwd", "blob:https://c.example/x", "about:blank", "About:Blank",
		"https://c.example/%00", "https://c.example/%0d%0aLocation:x", "https://c.example/%7f", "https://c.example/\r\n", "https://c.example/cb ", "view-source:https://c.example/", "filesystem:https://c.example/x", "ws://c.example/", "ftp://c.example/", "mailto:x@c.example", "intent://c.example/", "chrome-extension://x/",
		// S3
		"https://c.example/cb#x", "https://c.example/cb#", "https://good.example@evil.example/cb", "https://a@b@evil.example/cb", "https://good.example:pw@evil.example/cb", `https://good.example\@evil.example/cb`, `https:\\c.example/cb`,
		"https://c.example/a/%2f../cb", "https://c.example/a/..;/cb", "https://c.example/a/../cb", "https://c.example/./cb", "https://c.example/a/%2e%2e/cb", "https://c.example/%5c", "https://", "https:///cb", "https:cb", "https:/cb", "https://*.c.example/cb", "https://c.example/*",
		"https://c.example:0/cb", "https://c.example:65536/cb", "https://c.example:/cb", "https://c.example:x/cb", "https://münchen.example/cb", "https://.c.example/cb", "https://c..example/cb", "//c.example/cb", "/cb", "c.example/cb", "",
		"https://c.example/cb?code=1", "https://c.example/cb?state=1", "https://c.example/cb?iss=https://evil.example", "https://c.example/cb?error=x", "https://c.example/" + strings.Repeat("x", 2048),
		// S4
		"http://c.example/cb", "http://localhost.evil.com/cb", "http://127.0.0.1.nip.io/cb", "http://127.0.0.1.evil.com/cb", "http://localhost:80@evil.com/cb", "http://localhost@evil.com/", "http://0.0.0.0/cb", "http://[::ffff:127.0.0.1]/cb", "http://127.1/cb", "http://2130706433/cb",
		"http://[::1%25eth0]/cb", "http://0x7f.0.0.1/cb", "http://0177.0.0.1/cb", "http://localhost./cb", "http://[::]/cb", "http://10.0.0.1/cb", "http://127.0.0.2/cb", "http://ⓛocalhost/cb", "HTTP://localhost/cb",
		// S7
		"myapp://callback", "foo:bar", "urn:ietf:wg:oauth:2.0:oob",
	} {
		got := registerAt(t, s, anywhere, fmt.Sprintf(`{"redirect_uris":["https://c.example/ok",%s]}`, quote(t, uri)))
		if got.status != 400 || got.members["error"] != oauthdyn.CodeInvalidRedirectURI && got.members["error"] != oauthdyn.CodeInvalidClientMetadata {
			t.Errorf("%q: %d %v", uri, got.status, got.members)
		}
		if description, _ := got.members["error_description"].(string); description == "" || len(uri) > 12 && strings.Contains(description, uri) {
			t.Errorf("%q: description %q", uri, description)
		}
	}
	for _, uri := range []string{ // S4, S7
		"http://127.0.0.1/cb", "http://127.0.0.1:1/", "http://[::1]:65535/cb", "http://localhost", "http://localhost?x=1", "https://xn--mnchen-3ya.example/cb", "https://c.example", "https://c.example:8443/cb?x=1", "https://192.0.2.1/cb", "https://[2001:db8::1]/cb",
		"com.example.app:/cb", "com.example.app://host/cb", "cursor://anysphere.cursor-mcp/oauth/callback", "vscode://publisher.extension/cb", "claude://callback",
	} {
		if got := registerAt(t, s, anywhere, fmt.Sprintf(`{"redirect_uris":[%q]}`, uri)); got.status != 201 || got.RedirectURIs[0] != uri {
			t.Errorf("%q: %d %v", uri, got.status, got.members)
		}
	}
}

// S7: a strict server takes no private schemes, not even those registered before.
func TestS7NoPrivateSchemes(t *testing.T) {
	h := newHarness(t, nil)
	const private = "cursor://anysphere.cursor-mcp/oauth/callback"
	before := h.register(`{"redirect_uris":["` + private + `","https://www.cursor.com/cb"],"token_endpoint_auth_method":"none"}`)
	h.Options.Registration.NoPrivateSchemes = true
	h.Options.ClientDocuments.Transport = knownDocuments{}
	h.Restart(t)
	for uri, want := range map[string]int{private: 400, "https://www.cursor.com/cb": 200} {
		if res, body := h.page(newRequest(t, "GET", h.authorizeURL(before.ClientID, "redirect_uri", uri), "")); res.StatusCode != want {
			t.Errorf("%s: %s %s", uri, res.Status, body)
		}
	}
	for _, known := range knownClients {
		want := 201
		if strings.Contains(known.metadata, "cursor://") {
			want = 400
		}
		if got := registerAt(t, h.AuthServer, anywhere, known.metadata); known.document == "" && got.status != want {
			t.Errorf("%s: %d %v", known.name, got.status, got.members)
		}
	}
	if got := registerAt(t, h.AuthServer, anywhere, `{"redirect_uris":["com.example.app:/cb"]}`); got.status != 400 || got.members["error"] != oauthdyn.CodeInvalidRedirectURI {
		t.Errorf("reverse domain form: %d %v", got.status, got.members)
	}
}

// S7: nobody is sent to a program of their own device without being asked, each
// time.
func TestS7PrivateSchemesAlwaysAsk(t *testing.T) {
	h := newHarness(t, nil)
	for _, uri := range []string{"cursor://anysphere.cursor-mcp/oauth/callback", "com.example.app:/cb", "http://127.0.0.1/cb"} {
		client := h.register(`{"redirect_uris":["` + uri + `"],"token_endpoint_auth_method":"none"}`).ClientID
		b := h.Browser()
		for _, deny := range []bool{false, true} {
			b.Deny = deny
			at, err := b.Authorize(t.Context(), h.authorizeURL(client, "redirect_uri", uri))
			if err != nil {
				t.Fatal(err)
			}
			if denied := at.Query().Get("error") == oauthdyn.CodeAccessDenied; denied != deny {
				t.Errorf("%s: denied %v, want %v", uri, denied, deny)
			}
		}
	}
}

// S8: which port a program listens on cannot be guessed.
func TestS8OmittedLoopbackURI(t *testing.T) {
	h := newHarness(t, nil)
	client := h.register(`{"redirect_uris":["http://127.0.0.1:5000/cb"],"token_endpoint_auth_method":"none"}`).ClientID
	res, body := h.page(newRequest(t, "GET", h.authorizeURL(client, "redirect_uri", ""), ""))
	if res.StatusCode != 400 || !strings.Contains(body, "did not say where to send you") {
		t.Errorf("%s %s", res.Status, body)
	}
}
