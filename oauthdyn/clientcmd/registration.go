// SPDX-License-Identifier: Apache-2.0

package clientcmd

import (
	"encoding/json"
	"strings"
	"time"

	"github.com/atrawog/mcp-oauth-gateway/oauthdyn"
	"github.com/atrawog/mcp-oauth-gateway/oauthdyn/internal/terminal"
)

// Registration prints what is registered with an issuer, in the words of RFC
// 7591.
func (o Output) Registration(title, issuer string, info *oauthdyn.ClientInformation) error {
	if o.JSON {
		return o.registrationJSON(issuer, info)
	}
	t := &terminal.Table{}
	t.Add("client_id", info.ClientID)
	t.Add("client_name", info.ClientName)
	t.Add("application_type", info.ApplicationType)
	t.Add("redirect_uris", strings.Join(info.RedirectURIs, " "))
	t.Add("grant_types", strings.Join(info.GrantTypes, " "))
	t.Add("token_endpoint_auth_method", info.TokenEndpointAuthMethod)
	t.Add("scope", info.Scope)
	t.Add("client_uri", info.ClientURI)
	t.Add("contacts", strings.Join(info.Contacts, " "))
	t.Add("software_id", info.SoftwareID)
	t.Add("software_version", info.SoftwareVersion)
	t.Add("client_secret", o.secret(info.ClientSecret))
	if at := info.ClientSecretExpiresAt; at != nil && *at != 0 {
		t.Add("client_secret_expires_at", terminal.Moment(time.Unix(*at, 0), time.Now()))
	}
	t.Add("registration_client_uri", info.RegistrationClientURI)
	t.Add("registration_access_token", o.secret(info.RegistrationAccessToken))
	return t.Write(o.Stdout, title)
}

func (o Output) secret(value string) string {
	if value == "" || o.Secrets {
		return value
	}
	return hidden
}

// registrationJSON prints the members as they are named in JSON, and the
// issuer.
func (o Output) registrationJSON(issuer string, info *oauthdyn.ClientInformation) error {
	shown := *info
	if !o.Secrets {
		shown.ClientSecret, shown.RegistrationAccessToken = "", ""
	}
	data, err := json.Marshal(shown)
	if err != nil {
		return err
	}
	var members map[string]any
	if err := json.Unmarshal(data, &members); err != nil {
		return err
	}
	members["issuer"] = issuer
	return o.writeJSON(members)
}
