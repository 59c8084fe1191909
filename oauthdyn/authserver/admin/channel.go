// SPDX-License-Identifier: Apache-2.0

package admin

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"syscall"
	"time"

	"github.com/atrawog/mcp-oauth-gateway/oauthdyn/authserver/audit"
)

const (
	maxInput  = 64 << 10
	maxOutput = 64 << 20

	// maxSocketPath is what the systems agree on.
	maxSocketPath = 103

	dialTimeout = 2 * time.Second
)

// ErrServed reports that another process listens on the socket.
var ErrServed = errors.New("another process listens there")

// Listen makes a socket that its owner alone can connect to. One that a process
// has left behind is replaced; the error is ErrServed if its process lives. A file
// that is no socket is an error, but on Windows. The path has 103 bytes at most, and
// its directory must exist. Closing the listener removes the socket.
//
// Sockets in files exist on Windows, too, where the directory decides who can
// connect.
func Listen(path string) (net.Listener, error) {
	if len(path) > maxSocketPath {
		return nil, fmt.Errorf("%s is too long for a socket: %d bytes, more than %d", path, len(path), maxSocketPath)
	}
	info, err := os.Lstat(path)
	if err == nil && info.Mode()&fs.ModeSocket == 0 && runtime.GOOS != "windows" {
		return nil, fmt.Errorf("%s is not a socket", path)
	}
	conn, dialErr := net.DialTimeout("unix", path, dialTimeout)
	switch {
	case dialErr == nil:
		_ = conn.Close() // it was to see whether somebody is there
		return nil, fmt.Errorf("%s: %w", path, ErrServed)
	case err == nil && runtime.GOOS != "windows" && !errors.Is(dialErr, syscall.ECONNREFUSED):
		return nil, dialErr // its process may be alive, and busy
	case runtime.GOOS == "windows":
		if err := os.Remove(path); err != nil && !errors.Is(err, fs.ErrNotExist) {
			return nil, err
		}
		return net.Listen("unix", path)
	}
	return listenPrivate(path)
}

// listenPrivate makes the socket where nobody else gets to, before it has the
// right mode and its name.
func listenPrivate(path string) (_ net.Listener, err error) {
	dir, err := os.MkdirTemp(filepath.Dir(path), ".s") // mode 0700
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, os.Remove(dir)) }()
	hidden := filepath.Join(dir, "s")
	address := &net.UnixAddr{Name: hidden, Net: "unix"}
	listener, err := net.ListenUnix("unix", address)
	if err != nil {
		return nil, err
	}
	listener.SetUnlinkOnClose(false)
	info, err := os.Lstat(hidden)
	if err == nil {
		err = os.Chmod(hidden, 0o600)
	}
	if err == nil {
		err = os.Rename(hidden, path)
	}
	if err != nil {
		return nil, errors.Join(err, listener.Close(), os.Remove(hidden))
	}
	return &socket{listener, path, info}, nil
}

// A socket removes its file when it is closed.
type socket struct {
	net.Listener
	path string
	file fs.FileInfo
}

// Close implements net.Listener.
func (s *socket) Close() error {
	if info, err := os.Lstat(s.path); err == nil && os.SameFile(info, s.file) {
		_ = os.Remove(s.path) // what is left of it is replaced by the next one
	}
	return s.Listener.Close()
}

// Serve answers commands that call operations at a listener, until ctx ends; it
// closes the listener.
func (s *Service) Serve(ctx context.Context, listener net.Listener) error {
	requests := audit.As(context.WithoutCancel(ctx), audit.ByCommand) // they may end after ctx
	server := &http.Server{
		BaseContext:       func(net.Listener) context.Context { return requests },
		Handler:           s,
		ReadHeaderTimeout: 10 * time.Second,
		ReadTimeout:       30 * time.Second,
		WriteTimeout:      time.Minute,
		IdleTimeout:       time.Minute,
		MaxHeaderBytes:    16 << 10,
	}
	stopped := make(chan struct{})
	stop := context.AfterFunc(ctx, func() {
		defer close(stopped)
		last, cancel := context.WithTimeout(context.WithoutCancel(ctx), time.Second)
		defer cancel()
		if server.Shutdown(last) != nil {
			_ = server.Close() // those who did not end are cut off
		}
	})
	err := server.Serve(listener)
	if !stop() {
		<-stopped
		return nil
	}
	return errors.Join(err, server.Close())
}

// ServeHTTP does the operation that the path names: a POST of its input, as
// JSON, with 64 KiB at most. It answers with the result, or with an [Error] and
// status 400, 404, 405 or 500. It does not ask who calls: mount it where only
// administrators come.
func (s *Service) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	status, out := s.answer(w, r)
	data, err := json.Marshal(out)
	if err != nil {
		status, data = http.StatusInternalServerError, []byte(`{"error":"failed","error_description":"the result cannot be encoded"}`)
	}
	w.Header().Set("Content-Type", "application/json")
	w.Header().Set("Cache-Control", "no-store")
	w.WriteHeader(status)
	_, _ = w.Write(data) // who asked may be gone
}

func (s *Service) answer(w http.ResponseWriter, r *http.Request) (status int, out any) {
	if r.Method != http.MethodPost {
		w.Header().Set("Allow", http.MethodPost)
		return http.StatusMethodNotAllowed, &Error{Code: CodeInvalid, Text: "operations take POST"}
	}
	in, err := io.ReadAll(http.MaxBytesReader(w, r.Body, maxInput))
	if err != nil {
		return http.StatusBadRequest, &Error{Code: CodeInvalid, Text: "the input cannot be read: " + err.Error()}
	}
	out, err = s.do(r.Context(), strings.TrimPrefix(r.URL.Path, "/"), in)
	if err == nil {
		return http.StatusOK, out
	}
	e, _ := errors.AsType[*Error](err)
	switch e.Code {
	case CodeInvalid:
		return http.StatusBadRequest, e
	case CodeNotFound:
		return http.StatusNotFound, e
	}
	return http.StatusInternalServerError, e
}

// A Remote calls the operations of a server in another process.
type Remote struct {
	client *http.Client
}

// Dial connects to the socket of a server. The error is fs.ErrNotExist if there
// is none, and matches syscall.ECONNREFUSED if its server is gone.
func Dial(ctx context.Context, path string) (*Remote, error) {
	dial := func(ctx context.Context) (net.Conn, error) {
		return (&net.Dialer{Timeout: dialTimeout}).DialContext(ctx, "unix", path)
	}
	conn, err := dial(ctx)
	if err != nil {
		return nil, err
	}
	_ = conn.Close() // it was to see whether somebody is there
	transport := &http.Transport{
		DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) { return dial(ctx) },
	}
	return &Remote{&http.Client{Transport: transport}}, nil
}

// Close lets go of the server.
func (r *Remote) Close() { r.client.CloseIdleConnections() }

// Call implements Caller.
func (r *Remote) Call(ctx context.Context, name string, in, out any) error {
	data, err := json.Marshal(in)
	if err != nil {
		return err
	}
	// The host is of no account: there is one server behind the socket.
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, "http://admin/"+name, bytes.NewReader(data))
	if err != nil {
		return err
	}
	req.Header.Set("Content-Type", "application/json")
	res, err := r.client.Do(req)
	if err != nil {
		return err
	}
	defer func() { _ = res.Body.Close() }() // all that counts was read
	if data, err = io.ReadAll(io.LimitReader(res.Body, maxOutput)); err != nil {
		return err
	}
	if res.StatusCode == http.StatusOK {
		return json.Unmarshal(data, out)
	}
	e := &Error{}
	if json.Unmarshal(data, e) != nil || e.Code == "" {
		return fmt.Errorf("the server answered %s", res.Status)
	}
	return e
}
