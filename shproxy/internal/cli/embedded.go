// SPDX-License-Identifier: Apache-2.0

package cli

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"net/http"
	"os"
	"path/filepath"
	"reflect"
	"sync/atomic"
	"time"

	"github.com/atrawog/mcp-oauth-gateway/oauthdyn/authserver"
	"github.com/atrawog/mcp-oauth-gateway/oauthdyn/authserver/login/local"
	"github.com/atrawog/mcp-oauth-gateway/oauthdyn/authserver/store/bolt"
	"github.com/atrawog/mcp-oauth-gateway/oauthdyn/resource"
)

// The files of the embedded authorization server are those of the command
// oauthdyn, so that "oauthdyn user add NAME --data DIR" works with both.
const (
	defaultAuthData = "shproxy-data"
	authStoreFile   = "oauthdyn.db"
	authUsersFile   = "users"

	firstUser    = "admin"
	passwordFile = "admin-password"

	// authBodyTimeout is how long a client may take to send a form.
	authBodyTimeout = 30 * time.Second
)

// embedded is the authorization server in this program. It is made anew when
// the servers change, since it issues tokens for these; what it knows is in
// the store.
type embedded struct {
	options authserver.Options
	data    string // the directory
	users   *local.Users
	store   *bolt.Store
	server  atomic.Pointer[authserver.Server]

	revocations resource.Revocations // which the server feeds
}

func openEmbedded(data, usersFile, issuer string, log *slog.Logger) (*embedded, error) {
	if data == "" {
		data = defaultAuthData
	}
	if usersFile == "" {
		usersFile = filepath.Join(data, authUsersFile)
	}
	store, err := bolt.Open(filepath.Join(data, authStoreFile), nil)
	if err != nil {
		return nil, fmt.Errorf("--auth-data: %w", err)
	}
	users, err := local.Open(usersFile)
	if err != nil {
		return nil, errors.Join(fmt.Errorf("--auth-users: %w", err), store.Close())
	}
	e := &embedded{data: data, users: users, store: store}
	e.options = authserver.Options{
		Issuer: issuer, Store: store, Login: users, Logger: log, Revocations: &e.revocations,
		ScopeText: map[string]string{defaultScope: "Use all tools of this server"},
	}
	return e, nil
}

// ensureUser makes somebody who can sign in. The password goes into a file
// that only the owner can read, not into the log.
func (e *embedded) ensureUser(ctx context.Context) error {
	names, err := e.users.Names()
	if err != nil || len(names) > 0 {
		return err
	}
	password := rand.Text()
	file := filepath.Join(e.data, passwordFile)
	if err := writeSecret(file, password); err != nil {
		return err
	}
	if err := e.users.Set(firstUser, password); err != nil {
		return err
	}
	e.options.Logger.LogAttrs(ctx, slog.LevelWarn, "nobody could sign in, so a user was made",
		slog.String("user", firstUser), slog.String("password_file", file),
		slog.String("more", "oauthdyn user add NAME --data "+e.data))
	return nil
}

// writeSecret writes a new file, and not through a link that somebody else has
// put there.
func writeSecret(file, text string) error {
	if err := os.Remove(file); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	f, err := os.OpenFile(file, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
	if err != nil {
		return err
	}
	_, err = f.WriteString(text + "\n")
	return errors.Join(err, f.Close())
}

// offer says for which resources tokens can be issued.
func (e *embedded) offer(ctx context.Context, resources []authserver.Resource) error {
	if e.server.Load() != nil && reflect.DeepEqual(e.options.Resources, resources) {
		return nil
	}
	options := e.options
	options.Resources = resources
	server, err := authserver.New(ctx, options)
	switch {
	case errors.Is(err, authserver.ErrStore):
		return err
	case err != nil:
		return &usageError{text: err.Error()}
	}
	if e.server.Load() == nil {
		if err := e.ensureUser(ctx); err != nil {
			server.Close()
			return fmt.Errorf("--auth-users: %w", err)
		}
	}
	e.options.Resources = resources
	if old := e.server.Swap(server); old != nil {
		old.Close()
	}
	return nil
}

func (e *embedded) close() error {
	if server := e.server.Load(); server != nil {
		server.Close()
	}
	return e.store.Close()
}

func (e *embedded) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	_ = http.NewResponseController(w).SetReadDeadline(time.Now().Add(authBodyTimeout))
	e.server.Load().ServeHTTP(w, r)
}

// client reads the metadata and keys of the embedded server without the
// network, where this program may not reach itself under its public name. It
// asks all others as usual.
func (e *embedded) client() *http.Client {
	return &http.Client{
		Timeout:       10 * time.Second,
		Transport:     inside{e},
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}
}

// inside leads to the server that there is at the time.
type inside struct{ e *embedded }

func (t inside) RoundTrip(r *http.Request) (*http.Response, error) {
	return t.e.server.Load().Transport(http.DefaultTransport).RoundTrip(r)
}
