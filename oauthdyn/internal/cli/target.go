// SPDX-License-Identifier: Apache-2.0

package cli

import (
	"context"
	"fmt"
	"log/slog"
	"net/http"
	"net/url"
	"strings"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"github.com/atrawog/mcp-oauth-gateway/oauthdyn"
	"github.com/atrawog/mcp-oauth-gateway/oauthdyn/signin"
)

// Variables that hold secrets, for those who have no file for them.
const (
	envClientSecret = "OAUTHDYN_CLIENT_SECRET"
	envClientKey    = "OAUTHDYN_CLIENT_KEY"
	envInitialToken = "OAUTHDYN_INITIAL_ACCESS_TOKEN"
)

// clientFlags say who signs in to what, for each command that is a client.
type clientFlags struct {
	signin.Flags
	authServer    string
	clientName    string
	metadataURL   string
	keyFile       string
	keyID         string
	credentials   bool // the client credentials grant
	assertionFile string
	initialToken  string // file
	device        bool
	dpop          bool
	output
	verbose bool
}

// clientCommand completes a command that takes the URL of a server.
func (a *app) clientCommand(cmd *cobra.Command, f *clientFlags, run func(context.Context, string) error) *cobra.Command {
	cmd.Args = func(_ *cobra.Command, args []string) error {
		switch {
		case len(args) > 1:
			return &usageError{text: "too many arguments: want one URL"}
		case len(args) == 0 && f.authServer == "":
			return &usageError{text: "the URL of the server is missing", hint: cmd.CommandPath() + " https://mcp.example.com/mcp"}
		case len(args) == 1:
			return checkTarget(args[0])
		}
		return nil
	}
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		a.running = true
		target := ""
		if len(args) == 1 {
			target = args[0]
		}
		err := run(cmd.Context(), target)
		if err == nil || cmd.Context().Err() == nil {
			return blameServer(err, shown(target, f.authServer))
		}
		return fmt.Errorf("interrupted: %w", err)
	}
	flags := cmd.Flags()
	flags.SortFlags = false
	f.output.add(flags)
	f.AddClient(flags)
	flags.StringVar(&f.authServer, "auth-server", "", "`URL` of the authorization server to use (default: the first usable one that the MCP server names)")
	flags.StringVar(&f.clientName, "client-name", signin.ClientName, "`name` that the client registers with; logins and registrations are kept under it")
	flags.StringVar(&f.metadataURL, "client-metadata-url", "", "`URL` of a client ID metadata document, which is the client id where the server supports that")
	flags.StringVar(&f.keyFile, "client-key-file", "", "`file` with a private key in PEM, to authenticate by private_key_jwt; or set "+envClientKey)
	flags.StringVar(&f.keyID, "client-key-id", "", "`id` of that key (default: its JWK thumbprint)")
	flags.BoolVar(&f.credentials, "client-credentials", false, "the program signs in itself, with its secret or key; nobody is asked")
	flags.StringVar(&f.assertionFile, "assertion-file", "", "`file` with a JWT in which a platform vouches for the program (RFC 7523); read each time")
	flags.BoolVarP(&f.verbose, "verbose", "v", false, "log what happens to stderr")
	cmd.MarkFlagsMutuallyExclusive("client-credentials", "assertion-file")
	return cmd
}

func checkTarget(text string) error {
	u, err := url.Parse(text)
	if err != nil || u.Scheme != "http" && u.Scheme != "https" || u.Host == "" {
		return &usageError{text: fmt.Sprintf("%q is not the URL of a server (http://… or https://…)", withoutQuery(text))}
	}
	return nil
}

// withoutQuery is a URL as it is shown: keys may hide in the query.
func withoutQuery(target string) string {
	target, _, _ = strings.Cut(target, "?")
	return target
}

// shown is how messages name what was signed in to.
func shown(target, authServer string) string {
	if target == "" {
		target = authServer
	}
	return withoutQuery(target)
}

// client makes the client of a command. Without a target it is one of the
// authorization server alone.
func (a *app) client(f *clientFlags, target string) (*oauthdyn.Client, error) {
	cfg, err := a.config(f, target)
	if err != nil {
		return nil, err
	}
	client, err := oauthdyn.New(*cfg)
	if err != nil {
		return nil, &usageError{text: err.Error()}
	}
	return client, nil
}

func (a *app) config(f *clientFlags, target string) (*oauthdyn.Config, error) {
	cfg, err := f.Config(target, a.process(f))
	if err != nil {
		return nil, err
	}
	cfg.AuthServer, cfg.ClientName, cfg.ClientMetadataURL, cfg.DPoP = f.authServer, f.clientName, f.metadataURL, f.dpop
	if cfg.ClientSecret == "" && f.ClientID != "" && f.keyFile == "" {
		if secret, _ := a.lookupEnv(envClientSecret); secret != "" {
			cfg.ClientSecret = secret
		}
	}
	if cfg.ClientSecret == "" {
		if cfg.ClientKey, err = a.clientKey(f); err != nil {
			return nil, err
		}
		cfg.ClientKeyID = f.keyID
	}
	cfg.Flow = a.flow(f)
	cfg.InitialAccessToken, _ = a.lookupEnv(envInitialToken)
	if f.initialToken != "" {
		if cfg.InitialAccessToken, err = signin.ReadSecret(f.initialToken, a.stdin); err != nil {
			return nil, fmt.Errorf("--initial-access-token-file: %w", err)
		}
	}
	return cfg, nil
}

// addInitialToken defines the flag of commands that may register.
func (f *clientFlags) addInitialToken(flags *pflag.FlagSet) {
	flags.StringVar(&f.initialToken, "initial-access-token-file", "", "`file` with an initial access token, where registration is not open to everybody; or set "+envInitialToken)
}

// process is what a sign-in may use of this one.
func (a *app) process(f *clientFlags) signin.Process {
	return signin.Process{LookupEnv: a.lookupEnv, Stdin: a.stdin, Stderr: a.stderr, Logger: a.clientLogger(f)}
}

func (a *app) clientLogger(f *clientFlags) *slog.Logger {
	level := slog.LevelWarn
	if f.verbose {
		level = slog.LevelDebug
	}
	return slog.New(slog.NewTextHandler(a.stderr, &slog.HandlerOptions{Level: level}))
}

// flow is the way to a grant that the flags choose.
func (a *app) flow(f *clientFlags) oauthdyn.Flow {
	switch {
	case f.device:
		return oauthdyn.DeviceCode{Prompt: a.promptDevice}
	case f.credentials:
		return oauthdyn.ClientCredentials{}
	case f.assertionFile != "":
		return oauthdyn.JWTBearer{Assertion: func(context.Context, string) (string, error) {
			return signin.ReadSecret(f.assertionFile, nil)
		}}
	}
	return nil
}

// promptDevice tells a person what to do on another machine.
func (a *app) promptDevice(_ context.Context, d oauthdyn.DeviceAuthorization) error {
	page := d.VerificationURIComplete
	if page == "" {
		page = d.VerificationURI
	}
	_, err := fmt.Fprintf(a.stderr, "Open this page on any device:\n\n  %s\n\nand enter or compare the code:\n\n  %s\n\n", page, d.UserCode)
	return err
}

// anyTarget is for commands that take the URL of an MCP server or of an
// authorization server: it finds out which one it is, and moves it where it
// belongs.
func (a *app) anyTarget(ctx context.Context, f *clientFlags, target string) (resource string, err error) {
	if target == "" || f.authServer != "" {
		return target, nil
	}
	isIssuer, err := a.isIssuer(ctx, f, target)
	if err != nil || !isIssuer {
		return target, err
	}
	f.authServer = target
	return "", nil
}

// isIssuer asks a server what it is. One that has a challenge or resource
// metadata is an MCP server, even if it is its own authorization server.
func (a *app) isIssuer(ctx context.Context, f *clientFlags, target string) (bool, error) {
	resource, issuer := false, false
	look := func(cfg oauthdyn.Config) error {
		cfg.Logger = a.clientLogger(f)
		cfg.Trace = func(s oauthdyn.DiscoveryStep) {
			switch s.Kind {
			case oauthdyn.StepChallenge:
				resource = resource || s.Response != nil && s.Response.StatusCode == http.StatusUnauthorized
			case oauthdyn.StepResourceMetadata:
				resource = resource || s.Response != nil && s.Response.StatusCode == http.StatusOK
			case oauthdyn.StepServerMetadata:
				issuer = issuer || s.Err == nil
			}
		}
		client, err := oauthdyn.New(cfg)
		if err != nil {
			return &usageError{text: err.Error()}
		}
		_, _ = client.Discover(ctx) // the steps tell
		return ctx.Err()
	}
	if err := look(oauthdyn.Config{Resource: target}); err != nil || resource {
		return false, err
	}
	issuer = false
	u, err := url.Parse(target)
	if err != nil || u.RawQuery != "" || u.Fragment != "" {
		return false, nil // no issuer has that
	}
	err = look(oauthdyn.Config{AuthServer: target})
	return issuer, err
}
