// SPDX-License-Identifier: Apache-2.0

package authservers_test

import (
	"encoding/pem"
	"errors"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"testing"

	"github.com/atrawog/mcp-oauth-gateway/examples/internal/need"
	"github.com/atrawog/mcp-oauth-gateway/oauthdyn"
)

// TestKeycloakExperimental tries what Keycloak calls experimental, and MCP asks
// for: resource indicators (RFC 8707) and client ID metadata documents.
func TestKeycloakExperimental(t *testing.T) {
	if testing.Short() {
		t.Skip("Keycloak takes a minute")
	}
	t.Parallel()
	if !keycloakExperimental.installed() {
		need.Missing(t, "needs Keycloak "+keycloakVersion+howToInstall)
	}
	document := newDocument(t)
	k := startKeycloak(t, keycloakExperimental, "--truststore-paths="+document.certificate)
	r := k.newRealm(t, "mcp")
	s := newSite(t)
	address := s.url + "/mcp"
	r.addClient(t, object{"clientId": "mcp-server", "standardFlowEnabled": false, "attributes": object{"resource_url": address}})
	r.addScope(t, "read", audience("client", "mcp-server"))
	r.addScope(t, "write")
	g := s.add(t, "/mcp", r.issuer(), keycloakVerifier(t, r, address, true))

	t.Run("resource indicator", func(t *testing.T) {
		// With offline_access, refreshed tokens would be for another audience.
		p := newProgram(t, oauthdyn.Config{Resource: address, InitialAccessToken: r.initialAccessToken(t, 2), Scopes: []string{"read"}})
		p.life(t, s, address, false)
	})
	t.Run("unknown resource", func(t *testing.T) {
		other := s.add(t, "/other", r.issuer(), keycloakVerifier(t, r, s.url+"/other", true))
		p := newProgram(t, oauthdyn.Config{Resource: other.url, InitialAccessToken: r.initialAccessToken(t, 1)})
		if _, err := p.Authenticate(t.Context()); !errors.Is(err, &oauthdyn.Error{Code: oauthdyn.CodeInvalidTarget}) {
			t.Errorf("error %v: want %s", err, oauthdyn.CodeInvalidTarget)
		}
	})
	t.Run("client ID metadata document", func(t *testing.T) {
		r.allowDocuments(t)
		p := newProgram(t, oauthdyn.Config{Resource: address, ClientMetadataURL: document.url})
		first := p.use(t, g.url)
		if first.ClientID != document.url {
			t.Errorf("signed in as client %q", first.ClientID)
		}
		logins := p.logins.Load() // one more if offline_access, which the document has not, was refused late
		s.refuse(first.AccessToken)
		if after := p.use(t, g.url); p.logins.Load() != logins || after.AccessToken == first.AccessToken {
			t.Errorf("the token was not refreshed; there were %d logins", p.logins.Load())
		}
	})
}

// A document is a client ID metadata document on a server with TLS.
type document struct{ url, certificate string }

func newDocument(t *testing.T) document {
	t.Helper()
	mux := http.NewServeMux()
	server := httptest.NewTLSServer(mux)
	t.Cleanup(server.Close)
	d := document{url: server.URL + "/client.json", certificate: filepath.Join(t.TempDir(), "certificate.pem")}
	h, err := oauthdyn.NewMetadataHandler(d.url, oauthdyn.ClientMetadata{ClientName: "authservers", Scope: "read"})
	if err != nil {
		t.Fatal(err)
	}
	mux.Handle("/client.json", h)
	block := pem.Block{Type: "CERTIFICATE", Bytes: server.Certificate().Raw}
	if err := os.WriteFile(d.certificate, pem.EncodeToMemory(&block), 0o644); err != nil {
		t.Fatal(err)
	}
	return d
}

// allowDocuments lets clients of this machine sign in with a document.
func (r *realm) allowDocuments(t *testing.T) {
	t.Helper()
	r.admin(t, http.MethodPut, "/"+r.name+"/client-policies/profiles", object{"profiles": []object{{
		"name": "documents",
		"executors": []object{{"executor": "client-id-metadata-document", "configuration": object{
			"cimd-allow-http-scheme": false, "cimd-allow-permitted-domains": []string{"127.0.0.1", "localhost"}, "cimd-restrict-same-domain": false,
		}}},
	}}}, nil)
	r.admin(t, http.MethodPut, "/"+r.name+"/client-policies/policies", object{"policies": []object{{
		"name": "documents", "enabled": true, "profiles": []string{"documents"},
		"conditions": []object{{"condition": "client-id-uri", "configuration": object{
			"client-id-uri-scheme": []string{"https"}, "client-id-uri-allow-permitted-domains": []string{"127.0.0.1"},
		}}},
	}}}, nil)
}
