// SPDX-License-Identifier: Apache-2.0

// Package doctor finds out why MCP clients cannot sign in to a server. It lets
// package oauthdyn do its discovery, watches each step, and says of each
// requirement of the MCP authorization specification whether the server meets
// it and what to do if not:
//
//	report, err := doctor.Examine(ctx, doctor.Options{Resource: "https://mcp.example.com/mcp"})
//	for _, check := range report.Checks { … }
//
// It changes nothing: it registers no client and signs nobody in.
package doctor

import (
	"context"
	"crypto/tls"
	"errors"
	"log/slog"
	"net"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"time"

	"github.com/atrawog/mcp-oauth-gateway/oauthdyn"
	"github.com/atrawog/mcp-oauth-gateway/oauthdyn/internal/safedial"
)

// requestTimeout bounds each request.
const requestTimeout = 10 * time.Second

// Options say what to examine: a Resource, an AuthServer, or both.
type Options struct {
	// Resource is the URL of an MCP server.
	Resource string

	// AuthServer is the issuer identifier of an authorization server. Beside a
	// Resource it is the one to use.
	AuthServer string

	// HTTPClient makes the requests. Nil: one that reaches addresses that are
	// not public only on the hosts named here, or if one of these is not public
	// itself, and gives up after 10 seconds.
	HTTPClient *http.Client

	// TLSConfig and Network are those of oauthdyn.Config: which certificates are
	// trusted, and "tcp4" or "tcp6" for one kind of addresses. They are for the
	// nil HTTPClient, or one without a Transport.
	TLSConfig *tls.Config
	Network   string

	// Logger hears about the requests. Nil: none.
	Logger *slog.Logger
}

// Report is the outcome of an examination.
type Report struct {
	Resource   string  `json:"resource,omitempty"`             // as in Options, its query left out
	AuthServer string  `json:"authorization_server,omitempty"` // as in Options
	Checks     []Check `json:"checks"`                         // in the order in which a client comes to them
}

// Count returns how many checks have a result.
func (r *Report) Count(result Result) int {
	n := 0
	for _, c := range r.Checks {
		if c.Result == result {
			n++
		}
	}
	return n
}

// Failed reports whether a check failed.
func (r *Report) Failed() bool { return r.Count(Fail) > 0 }

// Result is how a check ended.
type Result string

// The results.
const (
	Pass    Result = "pass"    // met
	Warning Result = "warning" // met, but some clients or people will have trouble
	Fail    Result = "fail"    // not met: clients that keep to the specification cannot sign in
	Skipped Result = "skipped" // could not be looked at, because of what failed before
)

// Check is what was found out about one requirement.
type Check struct {
	// Name stays the same from one version to the next, such as "pkce".
	Name string `json:"name"`

	// Requirements are the numbers in docs/requirements.md, such as "C14".
	Requirements []string `json:"requirements,omitempty"`

	// Requirement says in words what is required.
	Requirement string `json:"requirement"`

	// Server is the authorization server that the check is about, empty for
	// the resource and for a single one.
	Server string `json:"server,omitempty"`

	Result Result `json:"result"`

	// Found is what the server said or did.
	Found string `json:"found,omitempty"`

	// Remedy is what its operator can do; empty when there is nothing to do.
	Remedy string `json:"remedy,omitempty"`
}

// Examine looks at a resource and its authorization servers. The error is that
// of options that name nothing, or of a context that ended; all that is wrong
// with the server is in the report.
func Examine(ctx context.Context, o Options) (*Report, error) {
	if o.Resource == "" && o.AuthServer == "" {
		return nil, errors.New("doctor: no server is named")
	}
	x := &examination{options: o}
	x.report = &Report{Resource: x.withoutQuery(o.Resource), AuthServer: o.AuthServer}
	x.http = o.client()
	cfg := oauthdyn.Config{Resource: o.Resource, AuthServer: o.AuthServer, HTTPClient: o.HTTPClient, TLSConfig: o.TLSConfig, Network: o.Network, Logger: o.Logger, Trace: x.note}
	client, err := oauthdyn.New(cfg)
	if err != nil {
		x.address(err)
		return x.report, nil
	}
	x.address(nil)
	x.found, x.err = client.Discover(ctx)
	x.examineResource()
	x.examineServers(ctx)
	x.examineDocuments(ctx)
	x.conclude()
	if ctx.Err() != nil {
		return nil, ctx.Err()
	}
	return x.report, nil
}

// client makes the requests that discovery does not.
func (o *Options) client() *http.Client {
	h := &http.Client{Timeout: requestTimeout}
	if o.HTTPClient != nil {
		*h = *o.HTTPClient
	}
	if base, ok := http.DefaultTransport.(*http.Transport); ok && h.Transport == nil {
		var hosts []string
		for _, raw := range []string{o.Resource, o.AuthServer} {
			if u, err := url.Parse(raw); err == nil && u.Host != "" {
				hosts = append(hosts, u.Hostname())
			}
		}
		h.Transport = o.dialing(safedial.New(hosts...).Transport(base))
	}
	h.CheckRedirect = func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }
	return h
}

// dialing gives a transport the certificates and addresses that the options
// want.
func (o *Options) dialing(t *http.Transport) *http.Transport {
	if o.TLSConfig != nil {
		t.TLSClientConfig = o.TLSConfig.Clone()
	}
	if dial := t.DialContext; o.Network != "" && dial != nil {
		t.DialContext = func(ctx context.Context, _, address string) (net.Conn, error) { return dial(ctx, o.Network, address) }
	}
	return t
}

// examination is one run of Examine.
type examination struct {
	options Options
	report  *Report
	http    *http.Client
	steps   []step
	found   *oauthdyn.Discovery // nil when discovery failed
	err     error               // of discovery
	open    bool                // the resource does not ask for a token
}

// guessed reports that the only authorization server is the origin of the
// resource, which MCP 2025-03-26 took for one if nothing was named, and that
// nothing there says that it is one.
func (x *examination) guessed() bool {
	return x.found != nil && x.found.Legacy && !slices.ContainsFunc(x.of(oauthdyn.StepServerMetadata), func(s step) bool { return s.Err == nil })
}

// step is one step of discovery and when it ended.
type step struct {
	oauthdyn.DiscoveryStep
	at time.Time
}

func (x *examination) note(s oauthdyn.DiscoveryStep) { x.steps = append(x.steps, step{s, time.Now()}) }

// of returns the steps of a kind.
func (x *examination) of(kind oauthdyn.StepKind) []step {
	var list []step
	for _, s := range x.steps {
		if s.Kind == kind {
			list = append(list, s)
		}
	}
	return list
}

// conclude says what a client makes of it all, so that no report is better than
// discovery itself.
func (x *examination) conclude() {
	switch {
	case x.err != nil:
		x.add(checkDiscovery, Check{Result: Fail, Found: strings.TrimPrefix(x.err.Error(), "oauthdyn: "), Remedy: "Mend what failed above."})
	case x.open && x.guessed():
		x.skip("the server asks nobody to sign in", "", checkDiscovery)
	case x.guessed():
		x.add(checkDiscovery, Check{
			Result: Fail, Found: "no authorization server is named; clients of MCP 2025-03-26 guess " + x.found.Server.AuthorizationEndpoint + " and the like",
			Remedy: "Mend what failed above.",
		})
	default:
		x.add(checkDiscovery, Check{Result: Pass, Found: "tokens come from " + x.found.Issuer})
	}
}
