// SPDX-License-Identifier: Apache-2.0

package cli_test

import (
	"bytes"
	"encoding/json"
	"net/http"

	"github.com/rogpeppe/go-internal/testscript"

	"github.com/atrawog/mcp-oauth-gateway/oauthdyn"
)

// addClient registers a client with a wicked name and sets a variable to its id:
// addclient VAR ISSUER.
func addClient(ts *testscript.TestScript, _ bool, args []string) {
	body, err := json.Marshal(oauthdyn.ClientMetadata{
		ClientName:   "Wicked\x1b[2J\u202eapp\u200b\u0085\n\tname",
		RedirectURIs: []string{"https://wicked.example/cb", "com.example.wicked:/cb"},
	})
	ts.Check(err)
	res, err := http.Post(args[1]+"/register", "application/json", bytes.NewReader(body))
	ts.Check(err)
	var info oauthdyn.ClientInformation
	ts.Check(json.NewDecoder(res.Body).Decode(&info))
	ts.Check(res.Body.Close())
	if info.ClientID == "" {
		ts.Fatalf("registration: %s", res.Status)
	}
	ts.Setenv(args[0], info.ClientID)
}

// grantID sets a variable to the id of the only grant in what was printed last,
// with --json: grantid VAR.
func grantID(ts *testscript.TestScript, _ bool, args []string) {
	var list struct {
		Grants []struct{ ID string }
	}
	ts.Check(json.Unmarshal([]byte(ts.ReadFile("stdout")), &list))
	if len(list.Grants) != 1 {
		ts.Fatalf("%d grants, want one", len(list.Grants))
	}
	ts.Setenv(args[0], list.Grants[0].ID)
}
