// SPDX-License-Identifier: Apache-2.0

package cli

import (
	"context"
	"errors"
	"fmt"
	"path/filepath"
	"slices"
	"strings"
	"time"

	goredis "github.com/redis/go-redis/v9"
	"github.com/spf13/cobra"

	"github.com/atrawog/mcp-oauth-gateway/oauthdyn"
	"github.com/atrawog/mcp-oauth-gateway/oauthdyn/authserver/backup"
	"github.com/atrawog/mcp-oauth-gateway/oauthdyn/authserver/original"
	"github.com/atrawog/mcp-oauth-gateway/oauthdyn/authserver/store"
	"github.com/atrawog/mcp-oauth-gateway/oauthdyn/authserver/store/redis"
	"github.com/atrawog/mcp-oauth-gateway/oauthdyn/internal/terminal"
)

// originalTimeout bounds a command of the original's Redis.
const originalTimeout = 10 * time.Second

// migrateFlags are the flags of migrate.
type migrateFlags struct {
	from, to storeFlags
	output
	original      bool
	resources     []string
	withoutGrants bool
}

func (a *app) migrateCommand() *cobra.Command {
	f := &migrateFlags{}
	cmd := &cobra.Command{
		Use:   "migrate --from STORE --to STORE",
		Short: "Move clients, grants and keys to another store",
		Long: `Copies all that one store keeps to another one, which must be empty. A STORE is the
directory of a server, bolt:FILE, or the URL of a Redis or Valkey server, as serve
has them. Stop the server first: what changes in the meantime may be left behind.

With --original the first one is the Redis of mcp-oauth-dynamicclient, the Python
server that this one succeeds. Its clients and refresh tokens come over, so that
clients need not register again and people need not sign in again; --resource says
what they are for from now on. Nothing is changed there. "oauthdyn keys import"
takes over its signing key.`,
		Example: `  oauthdyn migrate --from /var/lib/oauthdyn --to redis://redis.internal:6379/0
  REDIS_PASSWORD=… oauthdyn migrate --original --from redis://redis:6379/0 --to /var/lib/oauthdyn \
    --resource https://mcp.example.com/mcp=mcp:read,mcp:write`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			a.running = true
			return a.migrate(cmd.Context(), f)
		},
	}
	f.from.names = storeFlagNames{"--from", "--from-password-file"}
	f.to.names = storeFlagNames{"--to", "--to-password-file"}
	flags := cmd.Flags()
	flags.SortFlags = false
	flags.StringVar(&f.from.store, "from", "", "`STORE` to read: DIR, bolt:FILE, or redis://HOST:PORT/DB")
	flags.StringVar(&f.from.passwordFile, "from-password-file", "", "`FILE` with its password (default the value of $"+envRedisPassword+")")
	flags.StringVar(&f.from.prefix, "from-prefix", "", "`NAME` that its keys begin with (default oauthdyn)")
	flags.StringVar(&f.to.store, "to", "", "`STORE` to write, which is empty")
	flags.StringVar(&f.to.passwordFile, "to-password-file", "", "`FILE` with its password (default the value of $"+envRedisPassword+")")
	flags.StringVar(&f.to.prefix, "to-prefix", "", "`NAME` that its keys begin with (default oauthdyn)")
	flags.BoolVar(&f.withoutGrants, "without-grants", false, "leave out what people have consented to, and their sessions")
	flags.BoolVar(&f.original, "original", false, "--from is the Redis of mcp-oauth-dynamicclient")
	flags.StringArrayVar(&f.resources, "resource", nil, "with --original: `URI[=SCOPE,SCOPE]` of an MCP server that its grants are for; repeatable")
	f.output.add(flags)
	return cmd
}

func (f *migrateFlags) check() error {
	switch {
	case f.from.store == "" || f.to.store == "":
		return &usageError{text: "--from and --to are missing: which store goes where?", hint: "oauthdyn migrate --help shows examples"}
	case f.original && len(f.resources) == 0:
		return &usageError{text: "--original needs --resource: which MCP servers are the grants for?"}
	case !f.original && len(f.resources) > 0:
		return &usageError{text: "--resource is for --original: grants of other stores know what they are for"}
	case f.original && f.withoutGrants:
		return &usageError{text: "--original and --without-grants do not go together"}
	}
	if _, err := f.originalOptions(); err != nil {
		return err
	}
	for _, s := range []*storeFlags{&f.from, &f.to} {
		if err := s.checkPassword(); err != nil {
			return err
		}
		if !strings.Contains(s.store, "://") && !strings.HasPrefix(s.store, "bolt:") {
			s.store = "bolt:" + filepath.Join(s.store, storeFile)
		}
	}
	return nil
}

func (a *app) migrate(ctx context.Context, f *migrateFlags) (err error) {
	if err := f.check(); err != nil {
		return err
	}
	to, err := f.to.open(ctx, nil) // serve says what is worth a warning
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, to.Close()) }()
	if f.original {
		return a.migrateOriginal(ctx, f, to)
	}
	from, err := f.from.openOld(ctx, nil)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, from.Close()) }()
	n, err := backup.Copy(ctx, from, to, &backup.ReadOptions{WithoutGrants: f.withoutGrants})
	if err != nil {
		return notEmpty(err)
	}
	return a.sayRecords(f.output, n, "Copied %d records.\n")
}

func (a *app) migrateOriginal(ctx context.Context, f *migrateFlags, to store.Store) (err error) {
	from := &originalStore{}
	if from.options, err = f.originalOptions(); err != nil {
		return err
	}
	password, err := f.from.password()
	if err != nil {
		return err
	}
	if from.db, err = redis.Connect(f.from.store, password, originalTimeout); err != nil {
		return err
	}
	defer func() { err = errors.Join(err, from.db.Close()) }()
	if _, err := backup.Copy(ctx, from, to, nil); err != nil {
		return notEmpty(err)
	}
	return a.sayOriginal(f, from.report)
}

// originalOptions reads --resource.
func (f *migrateFlags) originalOptions() (o original.Options, err error) {
	for _, text := range f.resources {
		r := parseResource(text)
		uri, err := oauthdyn.CanonicalResource(r.URI)
		if err != nil {
			return o, &usageError{text: "--resource: " + err.Error()}
		}
		o.Resources = append(o.Resources, uri)
		for _, scope := range r.Scopes {
			if !slices.Contains(o.Scopes, scope) {
				o.Scopes = append(o.Scopes, scope)
			}
		}
	}
	return o, nil
}

// originalStore is the original's Redis as a store to copy from.
type originalStore struct {
	db      goredis.UniversalClient
	options original.Options
	report  *original.Report
}

// Export implements backup.Exporter.
func (s *originalStore) Export(ctx context.Context, fn func(store.Record) error) (err error) {
	s.report, err = original.Read(ctx, s.db, s.options, fn)
	return err
}

func (a *app) sayOriginal(f *migrateFlags, report *original.Report) error {
	if f.json {
		return a.writeJSON(report)
	}
	for _, skip := range report.Skipped {
		fmt.Fprintf(a.stderr, "left out %s: %s\n", terminal.Printable(skip.ClientID), skip.Reason)
	}
	_, err := fmt.Fprintf(a.stdout, "Took over %d clients and %d grants; left out %d.\n", report.Clients, report.Grants, len(report.Skipped))
	return err
}
