// SPDX-License-Identifier: Apache-2.0

package cli

import (
	"context"
	"fmt"
	"log/slog"
	"net/http"
	"slices"
	"strconv"
	"strings"

	"github.com/spf13/cobra"

	"github.com/atrawog/mcp-oauth-gateway/oauthdyn"
	"github.com/atrawog/mcp-oauth-gateway/oauthdyn/resource"
	"github.com/atrawog/mcp-oauth-gateway/oauthdyn/resource/forwardauth"
	"github.com/atrawog/mcp-oauth-gateway/oauthdyn/service"
	"github.com/atrawog/mcp-oauth-gateway/oauthdyn/signin"
)

// Where proxies ask.
const (
	pathVerify   = "/verify"
	pathExtAuthz = "/ext_authz"
)

// guardFlags say how access tokens are checked, in verify and in serve.
type guardFlags struct {
	rules         []string
	implies       []string
	headers       []string
	clear         []string
	tokenHeader   string
	passPreflight bool
}

func (f *guardFlags) add(cmd *cobra.Command) {
	flags := cmd.Flags()
	flags.StringArrayVar(&f.rules, "rule", nil, "`RULE` like 'scope=A,B path=/P method=M,M mcp-method=M,M mcp-name=N,N resource=URI': scopes that requests need, all or those that fit; repeatable, and all that fit count")
	flags.StringArrayVar(&f.implies, "implies", nil, "`SCOPE=SCOPE,SCOPE` that a scope includes; repeatable")
	flags.StringArrayVar(&f.headers, "header", nil, "`NAME=CLAIM` that the server gets, one of sub, preferred_username, client_id, iss, scope, jti; repeatable (default X-User-Id=sub and X-User-Name=preferred_username)")
	flags.StringArrayVar(&f.clear, "clear", nil, "`NAME` of a header that clients must not send to the server, beside Authorization, X-Auth-Token and those of --header; repeatable")
	flags.StringVar(&f.tokenHeader, "token-header", "", "`NAME` of a header in which the server gets the access token (default none)")
	flags.BoolVar(&f.passPreflight, "pass-preflight", false, "let CORS preflight requests, which have no token, pass")
}

// verifyFlags are the flags of verify.
type verifyFlags struct {
	guardFlags
	addr            string
	issuers         []string
	resources       []string
	algorithms      []string
	acceptTypeJWT   bool
	introspectAs    string
	secretFile      string
	clientAsSubject bool
	logLevel        string
	logFormat       string
	monitorFlags
}

func (a *app) verifyCommand() *cobra.Command {
	f := &verifyFlags{}
	cmd := &cobra.Command{
		Use:   "verify",
		Short: "Check access tokens for a reverse proxy",
		Long: `Answers a reverse proxy whether a request may pass: forward-auth.

Traefik, Caddy and nginx ask at /verify, with X-Forwarded-Method,
X-Forwarded-Host and X-Forwarded-Uri; Envoy asks with the path prefix /ext_authz.
The proxy also sends what clients ask for below
/.well-known/oauth-protected-resource here. Nobody else needs to reach it.

Tokens are checked against the keys of the issuers; with --introspect-as the
issuer is asked about each token, and its answer counts for 30 seconds.`,
		Example: `  oauthdyn verify --issuer https://auth.example.com \
    --resource https://mcp.example.com/mcp=mcp:read,mcp:write \
    --rule 'scope=mcp:read' --rule 'scope=mcp:write mcp-method=tools/call' \
    --implies mcp:write=mcp:read`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			a.running = true
			return a.verify(cmd.Context(), f)
		},
	}
	flags := cmd.Flags()
	flags.SortFlags = false
	flags.StringArrayVar(&f.resources, "resource", nil, "`URI[=SCOPE,SCOPE]` of a protected MCP server, with scopes for its metadata; repeatable")
	flags.StringArrayVar(&f.issuers, "issuer", nil, "`URL` of an authorization server whose tokens are accepted; repeatable")
	flags.StringVar(&f.addr, "addr", "127.0.0.1:9001", "`HOST:PORT` to listen on; port 0 means any free one")
	f.guardFlags.add(cmd)
	flags.StringSliceVar(&f.algorithms, "alg", nil, "`ALG,ALG` that tokens may be signed with (default ES256,RS256,EdDSA)")
	flags.BoolVar(&f.acceptTypeJWT, "accept-type-jwt", false, "accept tokens of type JWT too, which RFC 9068 forbids but some servers issue")
	flags.StringVar(&f.introspectAs, "introspect-as", "", "`CLIENT_ID` with which to ask the issuer about tokens (RFC 7662)")
	flags.StringVar(&f.secretFile, "secret-file", "", "`FILE` with the secret of that client")
	flags.BoolVar(&f.clientAsSubject, "client-as-subject", false, "a token of which the issuer names no person speaks for its client; only with an issuer that names every person")
	f.monitorFlags.add(flags)
	flags.StringVar(&f.logLevel, "log-level", "info", "debug, info, warn or error")
	flags.StringVar(&f.logFormat, "log-format", "text", "text or json")
	return cmd
}

// verify runs the forward-auth service until ctx ends.
func (a *app) verify(ctx context.Context, f *verifyFlags) error {
	log, err := a.logger(f.logLevel, f.logFormat)
	if err != nil {
		return err
	}
	switch {
	case len(f.resources) == 0:
		return &usageError{text: "no --resource given: which MCP server is protected?"}
	case len(f.issuers) == 0:
		return &usageError{text: "no --issuer given: whose tokens are accepted?"}
	case f.introspectAs != "" && len(f.issuers) > 1:
		return &usageError{text: "--introspect-as works with one --issuer, since an opaque token does not name its own"}
	case f.clientAsSubject && f.introspectAs == "":
		return &usageError{text: "--client-as-subject belongs to --introspect-as"}
	case (f.introspectAs == "") != (f.secretFile == ""):
		return &usageError{text: "--introspect-as and --secret-file belong together"}
	}
	peers, err := f.monitorFlags.others()
	if err != nil {
		return err
	}
	tracer, err := f.monitorFlags.tracer(ctx, a.lookupEnv, log)
	if err != nil {
		return err
	}
	defer tracer.Close()
	log = tracer.Logger(log)
	secret := ""
	if f.secretFile != "" {
		var err error
		if secret, err = signin.ReadSecret(f.secretFile, nil); err != nil {
			return err
		}
	}
	g := &guard{flags: &f.guardFlags, issuers: f.issuers, log: log}
	g.verifier = func(id string, others []string) (resource.Verifier, error) {
		if f.introspectAs != "" {
			return resource.NewIntrospectionVerifier(resource.IntrospectionOptions{
				Issuer: f.issuers[0], ClientID: f.introspectAs, ClientSecret: secret, Audience: id, OtherAudiences: others,
				ClientAsSubject: f.clientAsSubject, Logger: log,
			})
		}
		return resource.NewJWTVerifier(resource.JWTOptions{
			Issuers: f.issuers, Audience: id, OtherAudiences: others, Algorithms: f.algorithms, AcceptTypeJWT: f.acceptTypeJWT, Logger: log,
		})
	}
	handler, err := g.handler(f.resources, http.NotFoundHandler())
	if err != nil {
		return &usageError{text: err.Error()}
	}
	listener, err := listen(ctx, f.addr)
	if err != nil {
		return err
	}
	defer listener.Close()
	log.LogAttrs(ctx, slog.LevelInfo, "listening", slog.String("addr", listener.Addr().String()))
	counters := newMeter()
	run := httpService{handler: tracer.Handler(handler, counters.route), log: log, manager: service.NewNotifier(a.lookupEnv, log), drainTimeout: drainTimeout}
	if f.adminAddr != "" {
		run.handler = counters.http.Count(run.handler)
		run.monitor = &monitor{meter: counters, peers: peers, facts: f.facts, ready: func(context.Context) error { return nil }}
		stop, err := run.monitor.start(ctx, f.adminAddr, log)
		if err != nil {
			return err
		}
		defer stop()
	}
	return run.serve(ctx, listener)
}

// facts are what the status page tells.
func (f *verifyFlags) facts() []service.Fact {
	return []service.Fact{
		{Name: "issuers", Value: strings.Join(f.issuers, ", ")},
		{Name: "resources", Value: strconv.Itoa(len(f.resources))},
	}
}

// A guard builds the forward-auth service from flags.
type guard struct {
	flags       *guardFlags
	issuers     []string
	verifier    func(audience string, others []string) (resource.Verifier, error)
	revocations *resource.Revocations // nil: none
	log         *slog.Logger
}

// handler protects the resources, written URI[=SCOPE,SCOPE], and leaves all
// other requests to next.
func (g *guard) handler(uris []string, next http.Handler) (http.Handler, error) {
	rules, err := parseRules(g.flags.rules)
	if err != nil {
		return nil, err
	}
	implies, err := parsePairs("--implies", g.flags.implies)
	if err != nil {
		return nil, err
	}
	o := forwardauth.Options{
		Clear: g.flags.clear, TokenHeader: g.flags.tokenHeader, PassPreflight: g.flags.passPreflight, Logger: g.log,
	}
	var ids []string
	for _, uri := range uris {
		id, err := oauthdyn.CanonicalResource(parseResource(uri).URI)
		if err != nil {
			return nil, err
		}
		ids = append(ids, id)
	}
	// One for all: keys and tokens are read once. Each resource then accepts the
	// tokens that are for itself.
	verifier, err := g.verifier(ids[0], ids[1:])
	if err != nil {
		return nil, err
	}
	for i, uri := range uris {
		r, id := parseResource(uri), ids[i]
		made, err := resource.New(resource.Options{
			Resource: id, AuthorizationServers: g.issuers, Scopes: r.Scopes, Verifier: verifier, Revocations: g.revocations, Logger: g.log,
			Rules: append(slices.Clone(rules[""]), rules[id]...), Implies: splitValues(implies),
		})
		if err != nil {
			return nil, err
		}
		delete(rules, id)
		o.Routes = append(o.Routes, forwardauth.Route{Resource: made})
	}
	delete(rules, "")
	for id := range rules {
		return nil, fmt.Errorf("--rule names resource %s, which no --resource does", id)
	}
	if o.Headers, err = parseHeaders(g.flags.headers); err != nil {
		return nil, err
	}
	answers, err := forwardauth.New(o)
	if err != nil {
		return nil, err
	}
	return route(answers, next), nil
}

// route is no ServeMux, which redirects from paths that are not clean.
func route(answers *forwardauth.Handler, next http.Handler) http.Handler {
	extAuthz, metadata := answers.FromPath(pathExtAuthz), answers.MetadataHandler()
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		switch path := r.URL.Path; {
		case path == pathVerify:
			answers.ServeHTTP(w, r)
		case strings.HasPrefix(path, pathExtAuthz+"/"):
			extAuthz.ServeHTTP(w, r)
		case path == oauthdyn.WellKnownResource, strings.HasPrefix(path, oauthdyn.WellKnownResource+"/"):
			metadata.ServeHTTP(w, r)
		default:
			next.ServeHTTP(w, r)
		}
	})
}

// parseRules reads rules such as "scope=a,b path=/mcp method=POST". They are
// returned by the resource that they are for, "" for all.
func parseRules(texts []string) (map[string][]resource.Rule, error) {
	rules := map[string][]resource.Rule{}
	for _, text := range texts {
		var r resource.Rule
		id := ""
		for word := range strings.FieldsSeq(text) {
			name, value, _ := strings.Cut(word, "=")
			if value == "" {
				return nil, fmt.Errorf("--rule %q: want words like scope=VALUE", text)
			}
			list := strings.Split(value, ",")
			switch name {
			case "scope":
				r.Scopes = append(r.Scopes, list...)
			case "path":
				r.Path = value
			case "method":
				r.Methods = append(r.Methods, list...)
			case "mcp-method":
				r.MCPMethods = append(r.MCPMethods, list...)
			case "mcp-name":
				r.MCPNames = append(r.MCPNames, list...)
			case "resource":
				canonical, err := oauthdyn.CanonicalResource(value)
				if err != nil {
					return nil, fmt.Errorf("--rule %q: %w", text, err)
				}
				id = canonical
			default:
				return nil, fmt.Errorf("--rule %q: there is no %s=; there are scope, path, method, mcp-method, mcp-name, resource", text, name)
			}
		}
		rules[id] = append(rules[id], r)
	}
	return rules, nil
}

// parsePairs reads NAME=VALUE, each name once.
func parsePairs(flag string, texts []string) (map[string]string, error) {
	pairs := map[string]string{}
	for _, text := range texts {
		name, value, _ := strings.Cut(text, "=")
		if name == "" || value == "" {
			return nil, fmt.Errorf("%s %q: want NAME=VALUE", flag, text)
		}
		if _, ok := pairs[name]; ok {
			return nil, fmt.Errorf("%s %s is given twice", flag, name)
		}
		pairs[name] = value
	}
	return pairs, nil
}

func splitValues(pairs map[string]string) map[string][]string {
	lists := map[string][]string{}
	for name, value := range pairs {
		lists[name] = strings.Split(value, ",")
	}
	return lists
}

// parseHeaders reads the header map; nil means the default.
func parseHeaders(texts []string) (map[string]forwardauth.Field, error) {
	if len(texts) == 0 {
		return nil, nil
	}
	pairs, err := parsePairs("--header", texts)
	if err != nil {
		return nil, err
	}
	headers := map[string]forwardauth.Field{}
	for name, field := range pairs {
		headers[name] = forwardauth.Field(field)
	}
	return headers, nil
}
