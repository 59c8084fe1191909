// SPDX-License-Identifier: Apache-2.0

package doctor_test

import (
	"context"
	"fmt"
	"net"
	"net/http/httptest"
	"net/url"

	"github.com/atrawog/mcp-oauth-gateway/oauthdyn/authserver"
	"github.com/atrawog/mcp-oauth-gateway/oauthdyn/authserver/login/local"
	"github.com/atrawog/mcp-oauth-gateway/oauthdyn/authserver/store/memory"
	"github.com/atrawog/mcp-oauth-gateway/oauthdyn/doctor"
)

// An authorization server that is told to be at another address than it is.
func ExampleExamine() {
	ts := httptest.NewUnstartedServer(nil)
	issuer := "http://" + ts.Listener.Addr().String()
	srv, err := authserver.New(context.Background(), authserver.Options{
		Issuer: issuer + "/elsewhere", Store: memory.New(nil), Login: local.New(),
		Resources: []authserver.Resource{{URI: "https://mcp.example.com/mcp"}},
	})
	if err != nil {
		fmt.Println(err)
		return
	}
	defer srv.Close()
	ts.Config.Handler = srv
	ts.Start()
	defer ts.Close()

	report, err := doctor.Examine(context.Background(), doctor.Options{AuthServer: issuer})
	if err != nil {
		fmt.Println(err)
		return
	}
	fmt.Println("trouble:", report.Failed())
	for _, check := range report.Checks {
		if check.Result == doctor.Fail {
			fmt.Println(check.Name)
		}
	}
	// Output:
	// trouble: true
	// issuer
	// discovery
}

// What a program shows to people.
func ExampleText() {
	checks := []doctor.Check{
		{Name: "challenge", Requirement: "a request without a token is answered with 401", Result: doctor.Pass},
		{
			Name: "pkce", Requirement: "code_challenge_methods_supported has S256", Result: doctor.Fail,
			Found: "only plain", Remedy: "turn PKCE with S256 on",
		},
	}
	fmt.Print(doctor.Text(checks, 60))
	fmt.Println(doctor.Tally(checks))
	// Output:
	// ok       a request without a token is answered with 401
	// FAILED   code_challenge_methods_supported has S256
	//          only plain
	//          → turn PKCE with S256 on
	// 1 ok, 0 warnings, 1 failed, 0 skipped
}

func ExampleTrouble() {
	found, remedy := doctor.Trouble(&url.Error{Op: "Get", URL: "https://mcp.exmaple.com", Err: &net.DNSError{
		Err: "no such host", Name: "mcp.exmaple.com", IsNotFound: true,
	}})
	fmt.Println(found)
	fmt.Println(remedy)
	// Output:
	// the name mcp.exmaple.com cannot be looked up: no such host
	// Check the spelling, and that the name has an address in public DNS.
}
