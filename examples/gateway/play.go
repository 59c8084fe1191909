// SPDX-License-Identifier: Apache-2.0

package main

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"io"
	"net/http"
	"slices"
	"strings"
	"time"
	"unicode"

	"github.com/modelcontextprotocol/go-sdk/mcp"

	"github.com/atrawog/mcp-oauth-gateway/oauthdyn"
	"github.com/atrawog/mcp-oauth-gateway/oauthdyn/oauthdyntest/browser"
	"github.com/atrawog/mcp-oauth-gateway/shclient"
)

// visitor is the new client that arrives at the gateway: it knows the URLs of
// the MCP servers and a person's password, nothing else.
type visitor struct {
	person   *browser.Browser
	store    oauthdyn.CredentialStore
	clientID string // once it is registered
}

// play lets a visitor use every MCP server of the gateway. It returns the
// errors of the steps that failed.
func (t *transcript) play(ctx context.Context, g *gateway) error {
	v, leave, err := newVisitor(g)
	if err != nil {
		return err
	}
	defer leave()
	fmt.Fprintln(t.out, "A new client arrives, over HTTP:")

	first := g.mounts[0]
	if err := t.step("call without a token", func() (string, error) { return refusal(ctx, first.url, "") }); err != nil {
		return err
	}
	var errs []error
	for _, m := range g.mounts {
		err := t.visit(ctx, v, g, m)
		if err == nil && m.wrapped {
			t.served++
		}
		errs = append(errs, err)
	}
	if err := errors.Join(errs...); err != nil {
		return err
	}
	if err := t.step("sign out, /"+first.name+"/mcp", func() (string, error) { return signOut(ctx, v.oauth(first)) }); err != nil {
		return err
	}
	fmt.Fprintf(t.out, "%d steps, all as they should be, in %s.\n", t.steps, short(t.took))
	return nil
}

// newVisitor gives the visitor somebody to sign in as: the local user, if the
// password is known because it was just made, else a guest for the time of the
// transcript.
func newVisitor(g *gateway) (*visitor, func(), error) {
	name, password, leave := userName, g.password, func() {}
	if password == "" {
		name, password = "guest-"+strings.ToLower(rand.Text()), rand.Text()
		if err := g.users.Set(name, password); err != nil {
			return nil, nil, fmt.Errorf("data directory: %w", err)
		}
		leave = func() { _ = g.users.Delete(name) }
	}
	v := &visitor{
		person: &browser.Browser{Username: name, Password: password},
		store:  oauthdyn.NewMemoryStore(),
	}
	return v, leave, nil
}

// oauth is how the visitor signs in to an MCP server.
func (v *visitor) oauth(m *mount) oauthdyn.Config {
	return oauthdyn.Config{Resource: m.url, ClientName: "gateway transcript", OpenURL: v.person.Open, Store: v.store}
}

// visit signs in to one MCP server and uses it.
func (t *transcript) visit(ctx context.Context, v *visitor, g *gateway, m *mount) error {
	oauth := v.oauth(m)
	if err := t.login(ctx, v, oauth, m); err != nil {
		return err
	}
	// The clients share the store, so the second finds the token of the first.
	client, err := shclient.New(shclient.Options{URL: m.url, OAuth: &oauth}, nil)
	if err != nil {
		return err
	}
	defer client.Close()
	if !m.wrapped {
		return t.useFetch(ctx, client, g)
	}
	return t.useBridge(ctx, client)
}

func (t *transcript) login(ctx context.Context, v *visitor, oauth oauthdyn.Config, m *mount) error {
	client, err := oauthdyn.New(oauth)
	if err != nil {
		return err
	}
	if err := t.step("discovery, /"+m.name+"/mcp", func() (string, error) {
		d, err := client.Discover(ctx)
		if err != nil {
			return "", err
		}
		return "authorization server " + d.Issuer, nil
	}); err != nil {
		return err
	}
	if err := t.step("dynamic registration", func() (string, error) {
		info, err := client.Register(ctx)
		if err != nil {
			return "", err
		}
		if info.ClientID == v.clientID {
			return "not needed again", nil
		}
		v.clientID = info.ClientID
		return "client_id " + info.ClientID, nil
	}); err != nil {
		return err
	}
	return t.step("login with PKCE S256", func() (string, error) {
		token, err := client.Authenticate(ctx)
		if err != nil {
			return "", err
		}
		return fmt.Sprintf("token for %s, good for %.0f min", m.url, time.Until(token.Expiry).Minutes()), nil
	})
}

// useBridge lists the tools behind the bridge, and calls echo if there is one.
func (t *transcript) useBridge(ctx context.Context, client *shclient.Client) error {
	var names []string
	if err := t.step("tools/list, through the bridge", func() (string, error) {
		tools, err := client.ListTools(ctx)
		if err != nil {
			return "", err
		}
		for _, tool := range tools {
			names = append(names, tool.Name)
		}
		return summary(names), nil
	}); err != nil {
		return err
	}
	if !slices.Contains(names, "echo") {
		return nil
	}
	return t.step("tools/call, through the bridge", func() (string, error) {
		const message = "hello through the bridge"
		result, err := client.CallTool(ctx, "echo", map[string]any{"message": message})
		if err != nil {
			return "", err
		}
		said, err := textOf(result)
		if err == nil && !strings.Contains(said, message) {
			err = fmt.Errorf("echo answered %q", said)
		}
		return fmt.Sprintf("echo says %q", said), err
	})
}

// useFetch fetches the page that may be fetched, and tries one that may not.
func (t *transcript) useFetch(ctx context.Context, client *shclient.Client, g *gateway) error {
	if err := t.step("fetch a page", func() (string, error) {
		result, err := client.CallTool(ctx, "fetch", map[string]any{"url": g.pageURL})
		if err != nil {
			return "", err
		}
		said, err := textOf(result)
		if err != nil {
			return "", err
		}
		_, markdown, ok := strings.Cut(said, "# A page behind the gateway")
		if !ok || strings.Contains(said, "You should not see") {
			return "", fmt.Errorf("this is not the Markdown of the page: %q", said)
		}
		return fmt.Sprintf("%s as Markdown, %d lines", g.pageURL, strings.Count(markdown, "\n")+1), nil
	}); err != nil {
		return err
	}
	return t.step("fetch a metadata service", func() (string, error) {
		result, err := client.CallTool(ctx, "fetch", map[string]any{"url": "http://169.254.169.254/latest/meta-data/"})
		if err != nil {
			return "", err
		}
		said, err := textOf(result)
		if err == nil {
			return "", fmt.Errorf("it was not refused: %q", said)
		}
		reason, _, _ := strings.Cut(err.Error(), ". ")
		return "refused: " + reason, nil
	})
}

// refusal makes a call that must be refused, without a token or with one that is
// of no use, and returns the challenge.
func refusal(ctx context.Context, url, token string) (string, error) {
	const body = `{"jsonrpc":"2.0","id":1,"method":"tools/list"}`
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, url, strings.NewReader(body))
	if err != nil {
		return "", err
	}
	req.Header.Set("Content-Type", "application/json")
	req.Header.Set("Accept", "application/json, text/event-stream")
	if token != "" {
		req.Header.Set("Authorization", "Bearer "+token)
	}
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		return "", err
	}
	defer resp.Body.Close()
	_, _ = io.Copy(io.Discard, io.LimitReader(resp.Body, 1<<20))
	challenge, ok := oauthdyn.BearerChallenge(resp.Header)
	if resp.StatusCode != http.StatusUnauthorized || !ok || challenge.ResourceMetadata() == "" {
		return "", fmt.Errorf("HTTP status %s and no challenge with resource_metadata", resp.Status)
	}
	return "401, metadata at " + challenge.ResourceMetadata(), nil
}

// signOut ends the grant of an MCP server, after which its token is of no use,
// although it has not expired.
func signOut(ctx context.Context, oauth oauthdyn.Config) (string, error) {
	client, err := oauthdyn.New(oauth)
	if err != nil {
		return "", err
	}
	token, err := client.TokenSource(ctx).Token()
	if err != nil {
		return "", err
	}
	if err := client.Revoke(ctx); err != nil {
		return "", err
	}
	if _, err := refusal(ctx, oauth.Resource, token.AccessToken); err != nil {
		return "", fmt.Errorf("the token after signing out: %w", err)
	}
	return "grant revoked, its token refused at once", nil
}

// textOf joins the text of a tool's result. An error of the tool is an error.
func textOf(result *mcp.CallToolResult) (string, error) {
	var b strings.Builder
	for _, c := range result.Content {
		if c, ok := c.(*mcp.TextContent); ok {
			b.WriteString(c.Text)
		}
	}
	if result.IsError {
		return "", errors.New(b.String())
	}
	return b.String(), nil
}

// summary names a few of many tools.
func summary(names []string) string {
	const few = 4
	list := strings.Map(printable, strings.Join(names[:min(few, len(names))], ", "))
	if len(names) > few {
		list += ", …"
	}
	return fmt.Sprintf("%d tools: %s", len(names), list)
}

// printable drops what a server's names must not do to a terminal.
func printable(r rune) rune {
	if !unicode.IsPrint(r) {
		return -1
	}
	return r
}
