// SPDX-License-Identifier: Apache-2.0

//go:build unix

package observability_test

import (
	"fmt"
	"maps"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"

	"github.com/modelcontextprotocol/go-sdk/mcp"

	"github.com/atrawog/mcp-oauth-gateway/examples/internal/servetest"
	"github.com/atrawog/mcp-oauth-gateway/oauthdyn"
)

// What clients send, by where it may show up.
const (
	// secret is in queries, tokens and all that hostile clients make up: no metric,
	// no span and no status page may have it.
	secret = "sesame"
	// hidden is in the paths of pages, which servers may log, but no metric or span
	// has.
	hidden = "mellon"
	// chosen is in names of tools and ids of requests, which spans have, but no
	// metric.
	chosen = "speak-friend"
)

// newSite has a page with robots.txt.
func newSite(t *testing.T) *httptest.Server {
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/robots.txt" {
			fmt.Fprint(w, "User-agent: *\nAllow: /\n")
			return
		}
		w.Header().Set("Content-Type", "text/html")
		fmt.Fprint(w, "<title>Greeting</title><h1>Hello</h1><p>from a page.")
	}))
	t.Cleanup(s.Close)
	return s
}

// traced sends a header with every request.
type traced struct {
	next   http.RoundTripper
	header http.Header
}

func (t traced) RoundTrip(r *http.Request) (*http.Response, error) {
	r = r.Clone(r.Context())
	maps.Copy(r.Header, t.header)
	return t.next.RoundTrip(r)
}

// signedIn is a client that has a token for shproxy.
func (g *gateway) signedIn() *http.Client {
	g.t.Helper()
	person := servetest.Person()
	client, err := oauthdyn.New(oauthdyn.Config{Resource: g.endpoint, OpenURL: person.Open})
	if err != nil {
		g.t.Fatal(err)
	}
	if _, err := client.Authenticate(g.t.Context()); err != nil {
		g.t.Fatal(err)
	}
	return client.HTTPClient()
}

// connect begins an MCP session.
func (g *gateway) connect(endpoint string, client *http.Client) *mcp.ClientSession {
	g.t.Helper()
	session, err := mcp.NewClient(&mcp.Implementation{Name: "test", Version: "1"}, nil).
		Connect(g.t.Context(), &mcp.StreamableClientTransport{Endpoint: endpoint, HTTPClient: client}, nil)
	if err != nil {
		g.t.Fatal(err)
	}
	return session
}

// call fetches a page.
func (g *gateway) call(session *mcp.ClientSession, address string) *mcp.CallToolResult {
	g.t.Helper()
	result, err := session.CallTool(g.t.Context(), &mcp.CallToolParams{Name: "fetch", Arguments: map[string]any{"url": address}})
	if err != nil {
		g.t.Fatal(err)
	}
	return result
}

// use does what people do, and what they should not.
func (g *gateway) use() {
	t, client := g.t, g.signedIn()
	proxied, direct := g.connect(g.endpoint, client), g.connect(g.fetch, http.DefaultClient)
	for _, session := range []*mcp.ClientSession{proxied, direct} {
		if result := g.call(session, g.site+"/"+hidden+"?q="+secret); result.IsError {
			t.Fatal(result.Content)
		}
		if result := g.call(session, "http://10.0.0.1/"+hidden); !result.IsError {
			t.Error("a private address was fetched")
		}
		_, _ = session.CallTool(t.Context(), &mcp.CallToolParams{Name: chosen})
		session.Close()
	}
	get(t, g.issuer+"/.well-known/oauth-authorization-server")
	for i := range 70 { // of a hostile client
		word := fmt.Sprint(secret, i)
		g.send(word, g.issuer+"/"+word, "", nil)
		g.send("POST", g.issuer+"/token", url.Values{"grant_type": {word}, "client_id": {word}, "scope": {word}}.Encode(), nil)
		g.send("POST", g.issuer+"/register", `{"client_name":"`+word+`","redirect_uris":["`+word+`"],"grant_types":["`+word+`"]}`, nil)
		g.send("GET", g.verify+"/verify", "", http.Header{"Authorization": {"Bearer " + word}, "X-Forwarded-Method": {word}, "X-Forwarded-Uri": {"/" + word}})
		for _, endpoint := range []string{g.endpoint, g.fetch} {
			frame := `{"jsonrpc":"2.0","id":"` + chosen + `","method":"` + word + `","params":{"name":"` + chosen + `"}}`
			header := http.Header{
				"Content-Type": {"application/json"}, "Accept": {"application/json, text/event-stream"},
				"Mcp-Session-Id": {word}, "Mcp-Protocol-Version": {word},
			}
			if i%2 == 0 {
				header.Del("Mcp-Session-Id")
				header.Set("Mcp-Protocol-Version", "2026-07-28")
				header.Set("Mcp-Method", word)
				frame = strings.Replace(frame, `"name"`, `"_meta":{"io.modelcontextprotocol/protocolVersion":"2026-07-28","io.modelcontextprotocol/clientInfo":{"name":"x","version":"1"},"io.modelcontextprotocol/clientCapabilities":{}},"name"`, 1)
			}
			g.sendWith(client, "POST", endpoint, frame, header)
			g.send(word, endpoint+"/"+word, frame, header)
		}
	}
}

func (g *gateway) send(method, address, body string, header http.Header) {
	g.t.Helper()
	g.sendWith(http.DefaultClient, method, address, body, header)
}

// sendWith sends a request whose answer does not matter.
func (g *gateway) sendWith(client *http.Client, method, address, body string, header http.Header) {
	g.t.Helper()
	r, err := http.NewRequestWithContext(g.t.Context(), method, address, strings.NewReader(body))
	if err != nil {
		g.t.Fatal(err)
	}
	if header == nil {
		header = http.Header{"Content-Type": {"application/x-www-form-urlencoded"}}
		if strings.HasPrefix(body, "{") {
			header.Set("Content-Type", "application/json")
		}
	}
	r.Header = header.Clone()
	resp, err := client.Do(r)
	if err != nil {
		g.t.Fatal(err)
	}
	resp.Body.Close()
}
