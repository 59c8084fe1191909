// SPDX-License-Identifier: Apache-2.0

package admin_test

import (
	"context"
	"errors"
	"io/fs"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"testing"

	"github.com/atrawog/mcp-oauth-gateway/oauthdyn/authserver/admin"
)

// socketDir is a directory whose name is short enough for a socket.
func socketDir(t *testing.T) string {
	t.Helper()
	dir, err := os.MkdirTemp("", "oa")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := os.RemoveAll(dir); err != nil {
			t.Error(err)
		}
	})
	return dir
}

// serve offers a service at a socket until the returned function is called.
func serve(t *testing.T, svc *admin.Service, path string) (stop func()) {
	t.Helper()
	listener, err := admin.Listen(path)
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error, 1)
	go func() { done <- svc.Serve(ctx, listener) }()
	return func() {
		cancel()
		if err := <-done; err != nil {
			t.Error(err)
		}
	}
}

func TestChannel(t *testing.T) {
	svc, s := newService()
	addClient(t, s, "app", "App", "https://app.example/cb")
	dir := socketDir(t)
	path := filepath.Join(dir, "admin.sock")
	if _, err := admin.Dial(t.Context(), path); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("nobody there: %v", err)
	}
	stop := serve(t, svc, path)
	if info, err := os.Lstat(path); err != nil || runtime.GOOS != "windows" && info.Mode().Perm() != 0o600 {
		t.Errorf("the socket: %v, %v", info, err)
	}

	remote, err := admin.Dial(t.Context(), path)
	if err != nil {
		t.Fatal(err)
	}
	defer remote.Close()
	page, err := admin.Call[admin.ClientPage](t.Context(), remote, admin.OpListClients, admin.ClientQuery{Search: "app"})
	if err != nil || len(page.Clients) != 1 {
		t.Errorf("%+v, %v", page, err)
	}
	for name, test := range map[string]struct {
		op   string
		in   any
		code string
	}{
		"unknown operation": {"clients/rename", admin.ClientID{}, admin.CodeNotFound},
		"unknown client":    {admin.OpShowClient, admin.ClientID{ID: "none"}, admin.CodeNotFound},
		"unknown member":    {admin.OpShowClient, map[string]string{"name": "x"}, admin.CodeInvalid},
		"too large":         {admin.OpShowClient, admin.ClientID{ID: strings.Repeat("x", 1<<17)}, admin.CodeInvalid},
	} {
		if err := remote.Call(t.Context(), test.op, test.in, nil); codeOf(err) != test.code {
			t.Errorf("%s: %v", name, err)
		}
	}

	// Its place is taken while it lives, and free after.
	if _, err := admin.Listen(path); !errors.Is(err, admin.ErrServed) {
		t.Errorf("a second server: %v", err)
	}
	stop()
	if left, err := os.ReadDir(dir); err != nil || len(left) != 0 {
		t.Errorf("left behind: %v, %v", left, err)
	}
}

// A server that was killed leaves its socket, which the next one replaces.
func TestSocketOfADeadServerIsReplaced(t *testing.T) {
	svc, _ := newService()
	path := filepath.Join(socketDir(t), "admin.sock")
	dead, err := net.ListenUnix("unix", &net.UnixAddr{Name: path, Net: "unix"})
	if err != nil {
		t.Fatal(err)
	}
	dead.SetUnlinkOnClose(false)
	if err := dead.Close(); err != nil {
		t.Fatal(err)
	}
	if _, err := admin.Dial(t.Context(), path); err == nil {
		t.Fatal("somebody answers")
	}
	stop := serve(t, svc, path)
	defer stop()
	remote, err := admin.Dial(t.Context(), path)
	if err != nil {
		t.Fatal(err)
	}
	defer remote.Close()
	if _, err := admin.Call[admin.ClientPage](t.Context(), remote, admin.OpListClients, admin.ClientQuery{}); err != nil {
		t.Error(err)
	}
}

func TestListenRefuses(t *testing.T) {
	dir := socketDir(t)
	file := filepath.Join(dir, "file")
	if err := os.WriteFile(file, []byte("precious"), 0o600); err != nil {
		t.Fatal(err)
	}
	for _, path := range []string{file, filepath.Join(dir, "none", "admin.sock"), filepath.Join(dir, strings.Repeat("x", 120))} {
		if l, err := admin.Listen(path); err == nil {
			t.Errorf("%s: no error", path)
			_ = l.Close()
		}
	}
	if data, err := os.ReadFile(file); err != nil || string(data) != "precious" {
		t.Errorf("the file is now %q, %v", data, err)
	}
}

func TestServeHTTPTakesPOSTOnly(t *testing.T) {
	svc, _ := newService()
	rec := httptest.NewRecorder()
	svc.ServeHTTP(rec, httptest.NewRequestWithContext(t.Context(), http.MethodGet, "/"+admin.OpListClients, nil))
	if rec.Code != http.StatusMethodNotAllowed || rec.Header().Get("Allow") != http.MethodPost {
		t.Errorf("GET: %d", rec.Code)
	}
}
