// SPDX-License-Identifier: Apache-2.0

package doctor

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"mime"
	"net/http"
	"net/url"
	"strings"
	"time"

	"github.com/atrawog/mcp-oauth-gateway/oauthdyn"
	"github.com/atrawog/mcp-oauth-gateway/oauthdyn/doctor"
	"github.com/atrawog/mcp-oauth-gateway/shclient/internal/buildinfo"
	"github.com/atrawog/mcp-oauth-gateway/shproxy/jsonrpc"
)

func (x *examination) examineURL(ctx context.Context) {
	resp, body, err := x.knock(ctx)
	x.section(HTTP)
	if err != nil {
		x.add("http", answers, doctor.Skipped, "there is no connection", "")
	} else {
		x.judgeAnswer(resp, body)
	}
	if x.broken() {
		return
	}
	x.section(Authorization)
	asked := resp.StatusCode == http.StatusUnauthorized
	x.examineAuthorization(ctx, asked)
	if ctx.Err() != nil {
		return
	}
	x.section(MCP)
	if x.broken() {
		x.add("session", "A session can be opened.", doctor.Skipped, "", "")
		return
	}
	c, err := x.o.Connect(x.silentLogin())
	if err != nil {
		x.add("session", "A session can be opened.", doctor.Fail, strings.TrimPrefix(err.Error(), "shclient: "), "")
		return
	}
	defer c.Close()
	_ = x.firstCall(ctx, c) // it is in the report
}

const answers = "An MCP server answers at the URL."

// judgeAnswer looks at the answer to the first request, which no login goes
// with.
func (x *examination) judgeAnswer(resp *http.Response, body []byte) {
	kind, _, _ := mime.ParseMediaType(resp.Header.Get("Content-Type"))
	found := fmt.Sprintf("%s, %s", resp.Status, strings.TrimSpace(kind))
	if kind == "" {
		found = resp.Status
	}
	m, err := jsonrpc.Scan(body)
	isRPC := err == nil && m.Kind == jsonrpc.Response
	fail := func(remedy string) { x.add("http", answers, doctor.Fail, found, remedy) }
	switch status := resp.StatusCode; {
	case status == http.StatusUnauthorized:
		x.add("http", answers, doctor.Pass, found+": it wants a login", "")
	case status == http.StatusForbidden:
		fail("The server denies access before any login: look at its rules for addresses, the Host and the Origin.")
	case status < 300 && (kind == "text/event-stream" || isRPC), isRPC:
		x.add("http", answers, doctor.Pass, found, "")
	case status < 300:
		fail("Something else answers there. Check the path of the URL; it often ends in /mcp.")
	case status < 400:
		to, err := resp.Location()
		if err != nil {
			fail("The redirect leads nowhere.")
			return
		}
		fail("Use the address that it redirects to, if you trust it: " + shown(to))
	case status == http.StatusNotFound, status == http.StatusMethodNotAllowed, status == http.StatusNotAcceptable, status == http.StatusBadRequest:
		if x.knowsSSE(resp) {
			x.add("http", answers, doctor.Warning, found, "It may be a server of the HTTP+SSE transport of 2024-11-05, which the bridge speaks.")
			return
		}
		fail("Check the path of the URL; it often ends in /mcp.")
	case status == http.StatusProxyAuthRequired:
		fail("Name user and password in HTTPS_PROXY.")
	case status >= 500:
		fail("Look at the log of the server, and of the proxy in front of it.")
	default:
		fail("Look at the log of the server.")
	}
}

// knowsSSE reports that the address has a path as servers of 2024-11-05 have.
func (x *examination) knowsSSE(resp *http.Response) bool {
	return strings.HasSuffix(strings.TrimSuffix(resp.Request.URL.Path, "/"), "/sse")
}

func shown(u *url.URL) string {
	return (&url.URL{Scheme: u.Scheme, Host: u.Host, Path: u.Path}).String()
}

// maxBody bounds what is read of the first answer.
const maxBody = 64 << 10

// request is the first message of a legacy client. A modern server answers it
// with an error.
func request() []byte {
	return fmt.Appendf(nil, `{"jsonrpc":"2.0","id":1,"method":"initialize","params":{"protocolVersion":"2025-11-25","capabilities":{},"clientInfo":{"name":"shclient","version":%q}}}`, buildinfo.Version())
}

// send makes the first request, and ends the session that it may begin.
func (x *examination) send(ctx context.Context) (*http.Response, []byte, error) {
	client := &http.Client{Transport: x.o.Transport, CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}
	ctx, cancel := context.WithTimeout(ctx, x.o.Timeout)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, x.o.URL, bytes.NewReader(request()))
	if err != nil {
		return nil, nil, err
	}
	req.Header = x.o.Header.Clone()
	if req.Header == nil {
		req.Header = http.Header{}
	}
	req.Header.Set("Content-Type", "application/json")
	req.Header.Set("Accept", "application/json, text/event-stream")
	resp, err := client.Do(req)
	if err != nil {
		return nil, nil, err
	}
	defer resp.Body.Close()
	var body []byte
	if kind, _, _ := mime.ParseMediaType(resp.Header.Get("Content-Type")); kind != "text/event-stream" { // which may go on
		if body, err = io.ReadAll(io.LimitReader(resp.Body, maxBody)); err != nil {
			return nil, nil, err
		}
	}
	if session := resp.Header.Get("Mcp-Session-Id"); session != "" {
		x.leave(ctx, client, req.Header, session)
	}
	return resp, body, nil
}

func (x *examination) leave(ctx context.Context, client *http.Client, header http.Header, session string) {
	req, err := http.NewRequestWithContext(ctx, http.MethodDelete, x.o.URL, nil)
	if err != nil {
		return
	}
	req.Header = header.Clone()
	req.Header.Set("Mcp-Session-Id", session)
	req.Header.Set("Mcp-Protocol-Version", "2025-11-25")
	if resp, err := client.Do(req); err == nil {
		resp.Body.Close() // a server that minds the farewell changes nothing
	}
}

// examineAuthorization looks at the metadata, the login and its state. asked
// says that the server wants one.
func (x *examination) examineAuthorization(ctx context.Context, asked bool) {
	const login = "There is a login, and it can be used."
	given := x.o.Header.Get("Authorization") != ""
	if !asked {
		found := "the server asks for none"
		if given {
			found = "the token that is given is accepted"
		}
		x.add("login", login, doctor.Pass, found, "")
		return
	}
	report, err := doctor.Examine(ctx, doctor.Options{Resource: x.o.URL, Logger: x.o.Logger, TLSConfig: x.o.Transport.TLSClientConfig, Network: x.o.Network})
	if err != nil {
		return // the context ended
	}
	s := &x.report.Sections[len(x.report.Sections)-1]
	if given {
		// Where the token came from is its owner's affair.
		x.add("token", "The token that is given is accepted.", doctor.Fail, "the server answers 401", "Give a token that is valid, or none, and sign in: shclient login "+x.o.Hint)
		return
	}
	s.Checks = append(s.Checks, report.Checks...)
	if report.Failed() {
		x.add("login", login, doctor.Skipped, "", "")
		return
	}
	if x.o.OAuth == nil {
		x.add("login", login, doctor.Skipped, "", "")
		return
	}
	result, found, remedy := x.loginState(ctx)
	x.add("login", login, result, found, remedy)
}

// loginState looks at the stored login, and refreshes it if it must.
func (x *examination) loginState(ctx context.Context) (result doctor.Result, found, remedy string) {
	signIn := "Sign in: shclient login " + x.o.Hint
	client, err := oauthdyn.New(*x.silentLogin())
	if err != nil {
		return doctor.Fail, trimPackage(err), "Check the flags of the login."
	}
	if _, err := client.TokenSource(ctx).Token(); errors.Is(err, oauthdyn.ErrNotSignedIn) {
		return doctor.Fail, "there is none", signIn
	} else if err != nil {
		return doctor.Fail, trimPackage(err), signIn
	}
	creds, err := client.StoredGrant(ctx)
	if err != nil {
		return doctor.Fail, trimPackage(err), signIn
	}
	found = fmt.Sprintf("signed in at %s as %s", creds.Issuer, creds.Grant.ClientID)
	if scopes := strings.Join(creds.Grant.Scopes, " "); scopes != "" {
		found += " for " + scopes
	}
	if !creds.Grant.Expiry.IsZero() {
		found += ", until " + creds.Grant.Expiry.Local().Format(time.RFC3339)
		if creds.Grant.RefreshToken == "" {
			return doctor.Warning, found + ", and then not again: there is no refresh token", "Sign in again when it ends; ask for offline_access, if the server knows that scope."
		}
		found += ", and refreshed then"
	}
	return doctor.Pass, found, ""
}

func trimPackage(err error) string { return strings.TrimPrefix(err.Error(), "oauthdyn: ") }

// silentLogin is the configuration of a login that asks nobody.
func (x *examination) silentLogin() *oauthdyn.Config {
	if x.o.OAuth == nil {
		return nil
	}
	cfg := *x.o.OAuth
	if _, device := cfg.Flow.(oauthdyn.DeviceCode); device {
		cfg.Flow = nil
	}
	cfg.ReadRedirect = nil
	cfg.OpenURL = func(context.Context, string) error { return errors.New("the doctor signs nobody in") }
	return &cfg
}
