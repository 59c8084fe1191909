// SPDX-License-Identifier: Apache-2.0

package cli

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"

	"github.com/spf13/cobra"

	"github.com/atrawog/mcp-oauth-gateway/oauthdyn/authserver"
	"github.com/atrawog/mcp-oauth-gateway/oauthdyn/authserver/login/local"
	"github.com/atrawog/mcp-oauth-gateway/oauthdyn/resource"
	"github.com/atrawog/mcp-oauth-gateway/oauthdyn/service"
	"github.com/atrawog/mcp-oauth-gateway/oauthdyn/signin"
)

const (
	usersFile = "users"
)

// serveFlags are the flags of serve.
type serveFlags struct {
	issuer    string
	addr      string
	users     string
	resources []string
	askers    []string
	initial   string
	documents string
	auth      []string
	verify    bool
	logLevel  string
	logFormat string
	storeFlags
	keyFlags
	machineFlags
	loginFlags
	registrationFlags
	guardFlags
	adminPageFlags
	operationFlags
	lifetimeFlags
}

func (a *app) serveCommand() *cobra.Command {
	f := &serveFlags{}
	cmd := &cobra.Command{
		Use:   "serve",
		Short: "Run the authorization server",
		Long: `Runs the authorization server.

Name the address that clients see with --issuer; on a loopback address it works
without one. For TLS give it a certificate (--tls-cert) or let it order one
(--acme-host), or put a proxy in front of it that passes on the whole origin; then
name that one with --trusted-proxy.

Clients, grants and keys are kept in DIR/oauthdyn.db, the people who can sign in
with a password in DIR/users; "oauthdyn user add" adds one, also while the server
runs. With GitHub, or an OpenID provider, those sign in whom the flags below name:
nobody else. At both, register ISSUER/login/callback as the callback URL.

With --store clients, grants and keys are kept in Redis or Valkey, which several
replicas share: any of them answers any request. They need the same flags.

With --verify it also checks tokens for a reverse proxy, as "oauthdyn verify" does
alone; see there.`,
		Example: `  oauthdyn serve --resource http://127.0.0.1:8080/mcp
  oauthdyn serve --issuer https://auth.example.com --data /var/lib/oauthdyn \
    --resource https://mcp.example.com/mcp=mcp:read,mcp:write
  oauthdyn serve --issuer https://auth.example.com --resource https://mcp.example.com/mcp \
    --github-client-id Ov23li… --github-client-secret-file github.secret --github-org my-org`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if err := f.operationFlags.configure(cmd.Flags(), a.lookupEnv); err != nil {
				return err
			}
			a.running = true
			if f.checkConfig {
				return a.checkConfig(cmd.Context(), f)
			}
			return a.serve(cmd.Context(), f)
		},
	}
	flags := cmd.Flags()
	flags.SortFlags = false
	flags.StringVar(&f.issuer, "issuer", "", "`URL` of the server as clients see it (default the first --acme-host, or the address listened on, if it is a loopback one)")
	flags.StringVar(&f.addr, "addr", "127.0.0.1:9000", "`HOST:PORT` to listen on; port 0 means any free one")
	f.storeFlags.add(cmd)
	f.keyFlags.add(cmd)
	flags.StringVar(&f.users, "users", "", "`FILE` of users (default DIR/users)")
	flags.StringArrayVar(&f.resources, "resource", nil, "`URI[=SCOPE,SCOPE]` of an MCP server that tokens are for; repeatable; the first is for clients that name none")
	flags.StringArrayVar(&f.askers, "resource-server", nil, "`SERVER` like 'id=ID secret-file=FILE resource=URI' that may ask about tokens (RFC 7662), those of the resource or all; repeatable")
	flags.StringVar(&f.initial, "initial-access-token-file", "", "`FILE` with a token that clients need to register (default everybody may register)")
	flags.StringVar(&f.documents, "client-documents", "", "`HOST,HOST` whose client ID metadata documents make clients; any, or off (default any, or off with --initial-access-token-file)")
	f.machineFlags.add(cmd)
	f.registrationFlags.add(cmd)
	f.lifetimeFlags.add(cmd)
	f.operationFlags.add(cmd)
	flags.StringSliceVar(&f.auth, "client-auth", nil, "`METHOD,METHOD` by which clients may authenticate, of none, private_key_jwt, client_secret_basic, client_secret_post; without none there are no public clients (default all)")
	flags.StringVar(&f.logLevel, "log-level", "info", "debug, info, warn or error")
	flags.StringVar(&f.logFormat, "log-format", "text", "text or json")
	f.loginFlags.add(cmd)
	f.adminPageFlags.add(cmd)
	flags.BoolVar(&f.verify, "verify", false, "also check tokens for a reverse proxy, at /verify and /ext_authz; the flags below are for that")
	f.guardFlags.add(cmd)
	return cmd
}

// parseResource reads URI[=SCOPE,SCOPE]. A URI with a query has no scopes here,
// since its own equal signs could not be told apart.
func parseResource(s string) authserver.Resource {
	i := strings.LastIndexByte(s, '=')
	if i < 0 || strings.Contains(s, "?") {
		return authserver.Resource{URI: s}
	}
	return authserver.Resource{URI: s[:i], Scopes: strings.FieldsFunc(s[i+1:], func(r rune) bool { return r == ',' })}
}

// parseResourceServers reads servers such as "id=mcp secret-file=FILE".
func parseResourceServers(texts []string) (servers []authserver.ResourceServer, err error) {
	for _, text := range texts {
		var s authserver.ResourceServer
		for word := range strings.FieldsSeq(text) {
			name, value, _ := strings.Cut(word, "=")
			switch name {
			case "id":
				s.ID = value
			case "secret-file":
				if s.Secret, err = signin.ReadSecret(value, nil); err != nil {
					return nil, err
				}
			case "resource":
				s.Resources = append(s.Resources, value)
			default:
				return nil, &usageError{text: fmt.Sprintf("--resource-server %q: there is no %s=; there are id, secret-file, resource", text, name)}
			}
		}
		servers = append(servers, s)
	}
	return servers, nil
}

// parseClientDocuments reads any, off, or hosts.
func parseClientDocuments(text string, closed bool) (d authserver.ClientDocuments, err error) {
	switch text {
	case "":
	case "any":
		if closed {
			return d, &usageError{text: "--client-documents any lets everybody in, and --initial-access-token-file does not; name the hosts"}
		}
	case "off":
		d.Off = true
	default:
		d.Hosts = strings.Split(text, ",")
	}
	return d, nil
}

func (a *app) logger(level, format string) (*slog.Logger, error) {
	o := &slog.HandlerOptions{}
	var l slog.Level
	if err := l.UnmarshalText([]byte(level)); err != nil {
		return nil, &usageError{text: fmt.Sprintf("--log-level %q is not debug, info, warn or error", level)}
	}
	o.Level = l
	switch format {
	case "text":
		return slog.New(slog.NewTextHandler(a.stderr, o)), nil
	case "json":
		return slog.New(slog.NewJSONHandler(a.stderr, o)), nil
	}
	return nil, &usageError{text: fmt.Sprintf("--log-format %q is not text or json", format)}
}

// options reads what the flags say of the server, but for its store, its sign-in
// and what depends on where it listens.
func (f *serveFlags) options(log *slog.Logger) (o authserver.Options, err error) {
	if len(f.resources) == 0 {
		return o, &usageError{text: "no --resource given: which MCP server are tokens for?"}
	}
	o = authserver.Options{Issuer: f.issuer, ClientAuthMethods: f.auth, Logger: log}
	if o.ResourceServers, err = parseResourceServers(f.askers); err != nil {
		return o, err
	}
	if o.TrustedProxies, err = f.networks(); err != nil {
		return o, err
	}
	if f.initial != "" {
		token, err := signin.ReadSecret(f.initial, nil)
		if err != nil {
			return o, err
		}
		o.InitialAccessTokens = []string{token}
	}
	if o.ClientDocuments, err = parseClientDocuments(f.documents, f.initial != ""); err != nil {
		return o, err
	}
	if err := f.machineFlags.apply(&o); err != nil {
		return o, err
	}
	if o.Registration, err = f.registration(); err != nil {
		return o, err
	}
	if f.verify {
		o.Revocations = &resource.Revocations{}
	}
	if err := f.keyFlags.apply(&o); err != nil {
		return o, err
	}
	for _, r := range f.resources {
		o.Resources = append(o.Resources, parseResource(r))
	}
	if err := f.certs.Check(); err != nil {
		return o, &usageError{text: err.Error()}
	}
	if o.Issuer == "" && len(f.certs.Hosts) > 0 {
		o.Issuer = "https://" + f.certs.Hosts[0]
	}
	if f.storeFlags.clientTTL, err = f.lifetimeFlags.clientTTL(); err != nil {
		return o, err
	}
	return o, f.lifetimeFlags.apply(&o)
}

// readFlags returns the logger and the options that the flags ask for.
func (a *app) readFlags(ctx context.Context, f *serveFlags) (*slog.Logger, authserver.Options, error) {
	log, err := a.logger(f.logLevel, f.logFormat)
	if err != nil {
		return nil, authserver.Options{}, err
	}
	tellUnused(ctx, a.lookupEnv, log)
	o, err := f.options(log)
	return log, o, err
}

// serve runs the server until ctx ends.
func (a *app) serve(ctx context.Context, f *serveFlags) (err error) {
	log, o, err := a.readFlags(ctx, f)
	if err != nil {
		return err
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
	o.Logger = log
	listener, err := listen(ctx, f.addr)
	if err != nil {
		return mistakeBefore(ctx, f, o, err)
	}
	defer listener.Close()
	source, err := f.certs.Open(log)
	if err != nil {
		return err
	}
	if o.Issuer == "" {
		if o.Issuer, err = localIssuer(listener.Addr(), f.certs.On()); err != nil {
			return err
		}
	}
	journal, err := a.openAudit(f.auditLog, log)
	if err != nil {
		return err
	}
	if journal != nil {
		defer func() { err = errors.Join(err, journal.Close()) }()
	}
	manager := service.NewNotifier(a.lookupEnv, log)
	defer onHangup(func(ctx context.Context) {
		manager.Reloading()
		reread(ctx, journal, source, log)
		manager.Ready()
	})()
	counters := newMeter()
	o.Audit = f.observe(counters, journal)
	db, err := f.storeFlags.open(ctx, log)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, db.Close()) }()
	users, err := openUsers(f.data, f.users)
	if err != nil {
		return err
	}
	o.Store = db
	if f.adminAddr != "" || tracer != nil {
		o.Store = &meteredStore{db, counters, tracer}
	}
	o.Admins = f.admins
	var ways []string
	if o.Login, ways, err = f.login(users, sealingKeys{o.SealingKey, o.OldSealingKeys}, log); err != nil {
		return err
	}
	server, err := authserver.New(ctx, o)
	if errors.Is(err, authserver.ErrStore) || errors.Is(err, authserver.ErrKeysSealed) {
		return explainKeys(err)
	}
	if err != nil {
		return &usageError{text: err.Error()}
	}
	defer server.Close()
	defer f.adminChannel(ctx, server.Admin(), log)()
	if names, err := users.Names(); err == nil && len(names) == 0 && o.Login == authserver.Login(users) {
		where := "--data " + f.data
		if f.users != "" {
			where = "--users " + f.users
		}
		log.LogAttrs(ctx, slog.LevelWarn, "nobody can sign in yet; add a person with: oauthdyn user add NAME "+where)
	}
	handler := http.Handler(server)
	if f.verify {
		if handler, err = f.guarded(&o, server); err != nil {
			return &usageError{text: err.Error()}
		}
	}
	log.LogAttrs(ctx, slog.LevelInfo, "listening", slog.String("addr", listener.Addr().String()), slog.String("issuer", o.Issuer),
		slog.Any("sign_in", ways))
	run := httpService{handler: handler, tls: source.Config(), log: log, manager: manager, drainDelay: f.drainDelay, drainTimeout: f.drainTimeout}
	counters.base = pathOf(o.Issuer)
	run.handler = tracer.Handler(run.handler, counters.route)
	if f.adminAddr != "" {
		run.handler = counters.http.Count(run.handler)
		run.monitor = &monitor{meter: counters, ready: server.Ready, server: server, journal: journal, certs: source, peers: peers, facts: f.facts(o.Issuer, ways)}
		stop, err := run.monitor.start(ctx, f.adminAddr, log)
		if err != nil {
			return err
		}
		defer stop()
	}
	return run.serve(ctx, listener)
}

// facts are what the status page tells of the server.
func (f *serveFlags) facts(issuer string, ways []string) func() []service.Fact {
	return func() []service.Fact {
		return []service.Fact{
			{Name: "issuer", Value: issuer},
			{Name: "sign-in", Value: strings.Join(ways, ", ")},
			{Name: "resources", Value: strconv.Itoa(len(f.resources))},
		}
	}
}

// guarded is the server with forward-auth for its own tokens beside it.
func (f *serveFlags) guarded(o *authserver.Options, server *authserver.Server) (http.Handler, error) {
	// The address of the server is that of a proxy before it, which may start
	// later, so that it is asked in this process.
	client := &http.Client{Transport: server.Transport(nil)}
	g := &guard{flags: &f.guardFlags, issuers: []string{o.Issuer}, revocations: o.Revocations, log: o.Logger}
	g.verifier = func(id string, others []string) (resource.Verifier, error) {
		return resource.NewJWTVerifier(resource.JWTOptions{Issuers: g.issuers, Audience: id, OtherAudiences: others, HTTPClient: client, Logger: o.Logger})
	}
	return g.handler(f.resources, server)
}

func listen(ctx context.Context, addr string) (net.Listener, error) {
	return listenAt(ctx, addr, "--addr takes another port; 0 means any free one")
}

func listenAt(ctx context.Context, addr, hint string) (net.Listener, error) {
	listener, err := (&net.ListenConfig{}).Listen(ctx, "tcp", addr)
	if errors.Is(err, syscall.EADDRINUSE) {
		return nil, &hintedError{fmt.Errorf("cannot listen: %w", err), hint}
	}
	if err != nil {
		return nil, fmt.Errorf("cannot listen: %w", err)
	}
	return listener, nil
}

// localIssuer is the issuer of a server that is tried out on one machine.
func localIssuer(listened net.Addr, encrypted bool) (string, error) {
	if addr, ok := listened.(*net.TCPAddr); !ok || !addr.IP.IsLoopback() {
		return "", &usageError{text: "--issuer is missing: clients cannot know the server as " + listened.String()}
	}
	if encrypted {
		return "https://" + listened.String(), nil
	}
	return "http://" + listened.String(), nil
}

func openUsers(data, file string) (*local.Users, error) {
	if file == "" {
		file = filepath.Join(data, usersFile)
	}
	return local.Open(file)
}
