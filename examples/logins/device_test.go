// SPDX-License-Identifier: Apache-2.0

//go:build unix

package logins_test

import (
	"net/http"
	"testing"

	"golang.org/x/oauth2"

	"github.com/atrawog/mcp-oauth-gateway/examples/internal/servetest"
	"github.com/atrawog/mcp-oauth-gateway/oauthdyn"
)

// TestDevice lets golang.org/x/oauth2 log in on a device, while the person is at
// a browser on a phone (RFC 8628).
func TestDevice(t *testing.T) {
	browser, s := startChromium(t), newSite(t, "--device")
	client := servetest.Register(t, s.issuer, oauthdyn.ClientMetadata{
		ClientName: "Example App", TokenEndpointAuthMethod: oauthdyn.AuthMethodNone,
		GrantTypes: []string{oauthdyn.GrantDeviceCode, oauthdyn.GrantRefreshToken},
	})
	config := &oauth2.Config{ClientID: client.ClientID, Scopes: []string{"mcp:read"}, Endpoint: oauth2.Endpoint{
		DeviceAuthURL: s.issuer + "/device_authorization", TokenURL: s.issuer + "/token", AuthStyle: oauth2.AuthStyleInParams,
	}}
	device, err := config.DeviceAuth(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	v := browser.visit(t, phoneLight, s.issuer+"/")
	v.open(device.VerificationURI, http.StatusOK)
	v.at("Connect a device", "device")
	v.fill("Code", device.UserCode)
	v.click("Continue")
	v.at(s.question("Example App"), "device-consent")
	v.click("Allow and sign in")
	v.at("Sign in", "device-login")
	v.fill("Name", servetest.Username)
	v.fill("Password", servetest.Password)
	v.click("Sign in")
	v.at("Your device is connected", "device-connected")
	token, err := config.DeviceAccessToken(t.Context(), device)
	if err != nil {
		t.Fatal(err)
	}
	wantCaller(t, config.Client(t.Context(), token), s)
	refreshed, err := config.TokenSource(t.Context(), &oauth2.Token{RefreshToken: token.RefreshToken}).Token()
	if err != nil {
		t.Fatal(err)
	}
	wantCaller(t, config.Client(t.Context(), refreshed), s)
}
