// SPDX-License-Identifier: Apache-2.0

package oauthdyn

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
)

// childEnv tells this test binary to be one process of
// TestS118ProcessesRefreshOnce; its value is the resource and the file.
const childEnv = "OAUTHDYN_TEST_CHILD"

func TestMain(m *testing.M) {
	if v := os.Getenv(childEnv); v != "" {
		if err := refreshingProcess(v); err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
		return
	}
	os.Exit(m.Run())
}

// refreshingProcess waits for a line, then has 50 goroutines ask for the token.
func refreshingProcess(v string) error {
	resource, path, _ := strings.Cut(v, " ")
	c, err := New(Config{Resource: resource, ClientName: "test", Store: NewFileStore(path)})
	if err != nil {
		return err
	}
	fmt.Println("ready")
	if _, err := bufio.NewReader(os.Stdin).ReadString('\n'); err != nil {
		return err
	}
	errs := make([]error, 50)
	var all sync.WaitGroup
	for i := range errs {
		all.Go(func() {
			var token interface{ Valid() bool }
			token, errs[i] = c.TokenSource(context.Background()).Token()
			if errs[i] == nil && !token.Valid() {
				errs[i] = errors.New("token is not valid")
			}
		})
	}
	all.Wait()
	return errors.Join(errs...)
}

// child is a process that waits to refresh.
type child struct {
	cmd    *exec.Cmd
	stdin  io.Writer
	stderr strings.Builder
}

// startChild starts a process and waits until it is ready.
func startChild(t *testing.T, f *fake, path string) (*child, error) {
	c := &child{cmd: exec.CommandContext(t.Context(), os.Args[0])}
	c.cmd.Env = append(os.Environ(), childEnv+"="+f.resource()+" "+path)
	c.cmd.Stderr = &c.stderr
	stdin, err := c.cmd.StdinPipe()
	if err != nil {
		return nil, err
	}
	stdout, err := c.cmd.StdoutPipe()
	if err != nil {
		return nil, err
	}
	if err := c.cmd.Start(); err != nil {
		return nil, err
	}
	c.stdin = stdin
	_, err = bufio.NewReader(stdout).ReadString('\n')
	return c, err
}

func (c *child) refresh() error {
	if _, err := io.WriteString(c.stdin, "go\n"); err != nil {
		return err
	}
	if err := c.cmd.Wait(); err != nil {
		return fmt.Errorf("%w: %s", err, &c.stderr)
	}
	return nil
}

// 20 processes with 50 goroutines each want the token of one stored grant that
// has expired.
func TestS118ProcessesRefreshOnce(t *testing.T) {
	f := newFake(t)
	path := filepath.Join(t.TempDir(), "c.json")
	signedIn(t, f, func(c *Config) { c.Store = NewFileStore(path) })
	before := f.count("POST /token")

	const processes = 20
	children := make([]*child, processes)
	for i := range children {
		var err error
		if children[i], err = startChild(t, f, path); err != nil {
			t.Fatal(err)
		}
	}
	var all sync.WaitGroup
	for _, c := range children {
		all.Go(func() {
			if err := c.refresh(); err != nil {
				t.Error(err)
			}
		})
	}
	all.Wait()
	if n := f.count("POST /token") - before; n != 1 {
		t.Errorf("%d refreshes by %d processes", n, processes)
	}
}

// A process is killed after the server has rotated its refresh token and before
// it knows. The server repeats its answer to a refresh token whose successor was
// never used, as good ones do for a while; the lock must not outlive its holder.
func TestS118KilledRefreshLosesNoGrant(t *testing.T) {
	f := newFake(t)
	path := filepath.Join(t.TempDir(), "c.json")
	with := func(c *Config) { c.Store = NewFileStore(path) }
	signedIn(t, f, with)
	victim, err := startChild(t, f, path)
	if err != nil {
		t.Fatal(err)
	}
	answer := httptest.NewRecorder()
	var once sync.Once
	f.replace("/token", func(w http.ResponseWriter, r *http.Request) {
		once.Do(func() {
			f.serveToken(answer, r)
			if err := victim.cmd.Process.Kill(); err != nil {
				t.Error(err)
			}
			<-r.Context().Done()
		})
		w.WriteHeader(answer.Code)
		_, _ = w.Write(answer.Body.Bytes())
	})
	if err := victim.refresh(); err == nil {
		t.Error("the process was not killed")
	}
	c := f.client(with)
	token, err := c.TokenSource(t.Context()).Token()
	if err != nil || !strings.Contains(answer.Body.String(), token.AccessToken) {
		t.Fatalf("%v, %v", token, err)
	}
	creds, err := NewFileStore(path).Load(t.Context(), c.grantKey())
	if err != nil || creds.Grant.RefreshToken != token.RefreshToken {
		t.Errorf("%v, %v", creds, err)
	}
	if n := len(f.asked); n != 1 {
		t.Errorf("%d logins", n)
	}
}
