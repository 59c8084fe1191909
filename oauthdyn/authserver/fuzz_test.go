// SPDX-License-Identifier: Apache-2.0

package authserver_test

import (
	"encoding/json"
	"net/http"
	"testing"

	"github.com/atrawog/mcp-oauth-gateway/oauthdyn/authserver"
)

// FuzzTokenForms sends anything to the endpoints that are about a token, and
// wants a proper answer.
func FuzzTokenForms(f *testing.F) {
	for _, body := range []string{
		"token=x&client_id=client_x", "token=a.b", "token=a.b.c&token_type_hint=refresh_token", "token=&token=", "%zz", "client_id=rs&client_secret=0123456789abcdef&token=x",
	} {
		f.Add(body, "")
		f.Add(body, basic("rs", longSecret))
		f.Add(body, "Basic !")
	}
	f.Fuzz(func(t *testing.T, body, authorization string) {
		s := mustServer(t, func(o *authserver.Options) {
			o.ResourceServers = []authserver.ResourceServer{{ID: "rs", Secret: longSecret}}
		})
		for _, path := range []string{"/token", "/revoke", "/introspect"} {
			rec := do(s, "POST", path, body, "Content-Type", "application/x-www-form-urlencoded", "Authorization", authorization)
			var answer struct {
				Active *bool
				Error  string
			}
			if err := json.Unmarshal(rec.Body.Bytes(), &answer); err != nil && rec.Body.Len() > 0 {
				t.Fatalf("%s: %d %q: %v", path, rec.Code, rec.Body, err)
			}
			switch {
			case rec.Code == http.StatusOK && path == "/introspect" && answer.Active != nil && !*answer.Active:
			case (rec.Code == http.StatusBadRequest || rec.Code == http.StatusUnauthorized || rec.Code == http.StatusRequestEntityTooLarge) && answer.Error != "":
			default: // there is no client and no token
				t.Errorf("%s: %d %s", path, rec.Code, rec.Body)
			}
		}
	})
}
