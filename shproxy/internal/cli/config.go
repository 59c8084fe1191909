// SPDX-License-Identifier: Apache-2.0

package cli

import (
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/atrawog/mcp-oauth-gateway/oauthdyn/resource"
	"github.com/atrawog/mcp-oauth-gateway/shproxy"
)

// config holds the flags and the command.
type config struct {
	host string
	port uint16
	path string

	idleTimeout     time.Duration
	startTimeout    time.Duration
	noProbe         bool
	maxSessions     int
	maxMessageBytes int

	allowOrigins []string
	allowHosts   []string

	authIssuers    []string
	resource       string
	requiredScopes []string

	logLevel  string
	logFormat string

	command string
	args    []string
}

func (c *config) register(cmd *cobra.Command) {
	f := cmd.Flags()
	f.SortFlags = false
	f.SetInterspersed(false) // what follows the command belongs to it
	f.StringVar(&c.host, "host", "127.0.0.1", "address to listen on")
	f.Uint16Var(&c.port, "port", 8080, "port to listen on; 0 means any free one")
	f.StringVar(&c.path, "path", "/mcp", "path of the MCP endpoint")
	f.DurationVar(&c.idleTimeout, "idle-timeout", 30*time.Minute, "end a session without calls and streams after this time")
	f.DurationVar(&c.startTimeout, "start-timeout", time.Minute, "time for the command to answer initialize")
	f.BoolVar(&c.noProbe, "no-probe", false, "do not try the command once before serving")
	f.IntVar(&c.maxSessions, "max-sessions", 100, "most sessions at one time")
	f.IntVar(&c.maxMessageBytes, "max-message-bytes", 64<<20, "largest message in either direction, in bytes")
	f.StringArrayVar(&c.allowOrigins, "allow-origin", nil, "`ORIGIN` whose web pages may call the server; repeatable")
	f.StringArrayVar(&c.allowHosts, "allow-host", nil, "host `NAME` under which clients reach the server; repeatable")
	f.StringArrayVar(&c.authIssuers, "auth-issuer", nil, "demand access tokens of the authorization server at `URL`; repeatable")
	f.StringVar(&c.resource, "resource", "", "`URL` of the endpoint as clients see it, the audience of their tokens (default the address listened on)")
	f.StringArrayVar(&c.requiredScopes, "required-scope", nil, "`SCOPE` that tokens must have; repeatable")
	f.StringVar(&c.logLevel, "log-level", "info", "debug, info, warn or error")
	f.StringVar(&c.logFormat, "log-format", "text", "text or json")
}

// check finds mistakes that the flags' types allow.
func (c *config) check() error {
	for flag, positive := range map[string]bool{
		"idle-timeout": c.idleTimeout > 0, "start-timeout": c.startTimeout > 0,
		"max-sessions": c.maxSessions > 0, "max-message-bytes": c.maxMessageBytes > 0,
	} {
		if !positive {
			return &usageError{text: fmt.Sprintf("--%s must be positive", flag)}
		}
	}
	if !strings.HasPrefix(c.path, "/") || strings.ContainsAny(c.path, "{}?# ") || c.path == healthPath {
		return &usageError{text: "--path must start with / and be neither a pattern nor " + healthPath}
	}
	if len(c.authIssuers) == 0 && (c.resource != "" || len(c.requiredScopes) > 0) {
		return &usageError{text: "--resource and --required-scope need --auth-issuer"}
	}
	return nil
}

func (c *config) logger(stderr io.Writer) (*slog.Logger, error) {
	var level slog.Level
	if err := level.UnmarshalText([]byte(c.logLevel)); err != nil {
		return nil, &usageError{text: fmt.Sprintf("--log-level %q is not debug, info, warn or error", c.logLevel)}
	}
	o := &slog.HandlerOptions{Level: level}
	switch c.logFormat {
	case "text":
		return slog.New(slog.NewTextHandler(stderr, o)), nil
	case "json":
		return slog.New(slog.NewJSONHandler(stderr, o)), nil
	}
	return nil, &usageError{text: fmt.Sprintf("--log-format %q is not text or json", c.logFormat)}
}

// proxy makes the proxy and what stands before it.
func (c *config) proxy(listener net.Listener, log *slog.Logger) (*shproxy.Proxy, http.Handler, error) {
	mux := http.NewServeMux()
	options := &shproxy.Options{
		AllowedHosts: c.allowHosts, AllowedOrigins: c.allowOrigins,
		MaxMessageBytes: c.maxMessageBytes, MaxSessions: c.maxSessions,
		IdleTimeout: c.idleTimeout, StartTimeout: c.startTimeout, Logger: log,
	}
	protect := func(h http.Handler) http.Handler { return h }
	if len(c.authIssuers) > 0 {
		r, err := c.protection(listener, log)
		if err != nil {
			return nil, nil, err
		}
		if u, err := url.Parse(r.ID()); err == nil {
			options.AllowedHosts = append(options.AllowedHosts, u.Host)
		}
		options.Identify = caller
		protect = r.Middleware
		mux.Handle(r.MetadataPath(), r.MetadataHandler())
	}
	proxy, err := shproxy.New(shproxy.Server{Command: c.command, Args: c.args}, options)
	if err != nil {
		return nil, nil, err
	}
	mux.Handle(c.path, protect(proxy))
	mux.Handle(healthPath, proxy.Health())
	return proxy, mux, nil
}

// protection makes the resource server that checks access tokens.
func (c *config) protection(listener net.Listener, log *slog.Logger) (*resource.Resource, error) {
	id := c.resource
	if id == "" {
		if addr, ok := listener.Addr().(*net.TCPAddr); ok && addr.IP.IsUnspecified() {
			return nil, &usageError{text: "--auth-issuer needs --resource, since clients cannot reach " + c.host}
		}
		id = endpoint(listener, c.path)
	}
	r, err := resource.New(resource.Options{
		Resource: id, AuthorizationServers: c.authIssuers,
		Scopes: c.requiredScopes, RequiredScopes: c.requiredScopes, Logger: log,
	})
	if err != nil {
		return nil, &usageError{text: err.Error()}
	}
	return r, nil
}

// caller identifies who holds the access token, whatever token it is.
func caller(r *http.Request) string {
	p, ok := resource.FromContext(r.Context())
	if !ok {
		return ""
	}
	return p.Issuer + "\n" + p.Subject
}

func endpoint(listener net.Listener, path string) string {
	return "http://" + listener.Addr().String() + path
}

func (c *config) address() string {
	return net.JoinHostPort(c.host, strconv.Itoa(int(c.port)))
}
