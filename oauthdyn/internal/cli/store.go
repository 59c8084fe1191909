// SPDX-License-Identifier: Apache-2.0

package cli

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"time"

	goredis "github.com/redis/go-redis/v9"
	"github.com/spf13/cobra"

	"github.com/atrawog/mcp-oauth-gateway/oauthdyn/authserver/store"
	"github.com/atrawog/mcp-oauth-gateway/oauthdyn/authserver/store/bolt"
	"github.com/atrawog/mcp-oauth-gateway/oauthdyn/authserver/store/redis"
)

const (
	defaultData = "oauthdyn-data"
	storeFile   = "oauthdyn.db"
)

// Environment variables with the names that mcp-oauth-dynamicclient gave them.
const (
	envRedisURL      = "REDIS_URL"
	envRedisPassword = "REDIS_PASSWORD"
)

// storeFlags say where clients, grants and keys are kept. All commands that read
// or write them have these flags.
type storeFlags struct {
	data         string
	store        string
	passwordFile string
	prefix       string
	names        storeFlagNames

	clientTTL time.Duration // after which unused clients are forgotten; 0: the default
}

// storeFlagNames are how a command calls the flags, for what is said about them.
type storeFlagNames struct{ store, password string }

var usualStoreFlags = storeFlagNames{"--store", "--store-password-file"}

func (f *storeFlags) add(cmd *cobra.Command) {
	f.names = usualStoreFlags
	flags := cmd.Flags()
	flags.StringVar(&f.data, "data", defaultData, "`DIR` for the store and the users")
	flags.StringVar(&f.store, "store", "", "`URL` of a Redis or Valkey server that keeps the store, like redis://HOST:PORT/DB; or bolt:FILE (default $"+envRedisURL+", or else DIR/"+storeFile+")")
	flags.StringVar(&f.passwordFile, "store-password-file", "", "`FILE` with the password for it (default the value of $"+envRedisPassword+")")
	flags.StringVar(&f.prefix, "store-prefix", "", "`NAME` that its keys begin with, for several stores in one database (default oauthdyn)")
}

// A closingStore is a store that must be closed.
type closingStore interface {
	store.Store
	Close() error
}

// location is a URL, or bolt:FILE.
func (f *storeFlags) location() string {
	return cmp.Or(f.store, os.Getenv(envRedisURL), "bolt:"+filepath.Join(f.data, storeFile))
}

// file is the file that keeps the store, if one does: one process at a time can
// have it open.
func (f *storeFlags) file() (path string, ok bool) { return strings.CutPrefix(f.location(), "bolt:") }

// open opens the store that the flags name. What is worth a warning goes to log,
// if it is not nil.
func (f *storeFlags) open(ctx context.Context, log *slog.Logger) (closingStore, error) {
	if path, ok := f.file(); ok {
		return openBolt(path, f.limits())
	}
	if err := f.checkPassword(); err != nil {
		return nil, err
	}
	return f.openRedis(ctx, f.location(), log)
}

// openOld is open for a store that must be there already, so that a mistaken
// name does not become an empty one.
func (f *storeFlags) openOld(ctx context.Context, log *slog.Logger) (closingStore, error) {
	if path, ok := f.file(); ok {
		if _, err := os.Stat(path); errors.Is(err, fs.ErrNotExist) {
			return nil, fmt.Errorf("there is no store %s", path)
		}
	}
	return f.open(ctx, log)
}

// checkPassword refuses a password where other users of the machine see it.
func (f *storeFlags) checkPassword() error {
	u, err := url.Parse(f.store)
	if err != nil || u.User == nil {
		return nil
	}
	if _, ok := u.User.Password(); !ok {
		return nil
	}
	return &usageError{
		text: f.names.store + " holds a password, which other users of the machine can see",
		hint: "put it into a file for " + f.names.password + ", or into $" + envRedisPassword,
	}
}

// password returns the password of a Redis server, if there is one.
func (f *storeFlags) password() (string, error) {
	if f.passwordFile == "" && os.Getenv(envRedisPassword) == "" {
		return "", nil
	}
	return secretOf(f.passwordFile, f.names.password, envRedisPassword)
}

func (f *storeFlags) limits() store.Limits { return store.Limits{IdleClient: f.clientTTL} }

func openBolt(path string, limits store.Limits) (closingStore, error) {
	db, err := bolt.Open(path, &bolt.Options{Limits: limits})
	if err != nil {
		return nil, err
	}
	return db, nil
}

func (f *storeFlags) openRedis(ctx context.Context, location string, log *slog.Logger) (closingStore, error) {
	password, err := f.password()
	if err != nil {
		return nil, err
	}
	o := &redis.Options{Prefix: f.prefix, Password: password, Limits: f.limits(), Logger: log}
	if log == nil {
		log = slog.New(slog.DiscardHandler)
	}
	goredis.SetLogger(&redisLogger{log})
	db, err := redis.Open(ctx, location, o)
	if err != nil {
		return nil, err
	}
	return db, nil
}

// redisLogger takes what the client of Redis says of its connections. What fails
// for good is an error of the store too.
type redisLogger struct{ log *slog.Logger }

// Printf implements the logger of the client.
func (l *redisLogger) Printf(ctx context.Context, format string, args ...any) {
	l.log.LogAttrs(ctx, slog.LevelDebug, fmt.Sprintf(format, args...))
}
