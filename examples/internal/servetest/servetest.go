// SPDX-License-Identifier: Apache-2.0

// Package servetest runs the command "oauthdyn serve" for a test, as an operator
// does.
package servetest

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/atrawog/mcp-oauth-gateway/oauthdyn"
	"github.com/atrawog/mcp-oauth-gateway/oauthdyn/oauthdyntest/browser"
)

// The person who can sign in.
const (
	Username = "alice"
	Password = "correct horse battery staple"
)

// startTimeout and stopTimeout only matter when something is wrong.
const (
	startTimeout = time.Minute
	stopTimeout  = 20 * time.Second
)

// Build builds the command into a directory and returns its path.
func Build(ctx context.Context, dir string) (program string, err error) {
	program = filepath.Join(dir, "oauthdyn")
	out, err := exec.CommandContext(ctx, "go", "build", "-o", program, "github.com/atrawog/mcp-oauth-gateway/oauthdyn/cmd/oauthdyn").CombinedOutput()
	if err != nil {
		return "", errors.New("go build: " + string(out))
	}
	return program, nil
}

// Start runs the command on any free port until the test ends, and returns the
// issuer. Username can sign in there. What the server said is shown if the test
// fails.
func Start(t testing.TB, program string, flags ...string) (issuer string) {
	t.Helper()
	data := t.TempDir()
	add := exec.CommandContext(t.Context(), program, "user", "add", Username, "--data", data)
	add.Stdin = strings.NewReader(Password + "\n")
	if out, err := add.CombinedOutput(); err != nil {
		t.Fatalf("user add: %v\n%s", err, out)
	}
	cmd := exec.Command(program, append([]string{"serve", "--addr", "127.0.0.1:0", "--data", data}, flags...)...)
	said := &log{issuer: make(chan string, 1)}
	cmd.Stderr = said
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	ended := make(chan error, 1)
	go func() { ended <- cmd.Wait() }()
	gone := false
	t.Cleanup(func() {
		if !gone {
			_ = cmd.Process.Signal(os.Interrupt) // gone already: fine
			kill := time.AfterFunc(stopTimeout, func() { _ = cmd.Process.Kill() })
			if err := <-ended; err != nil {
				t.Errorf("oauthdyn serve: %v", err)
			}
			kill.Stop()
		}
		if t.Failed() {
			t.Logf("oauthdyn serve said:\n%s", said)
		}
	})
	select {
	case issuer := <-said.issuer:
		return issuer
	case err := <-ended:
		gone = true
		t.Fatalf("oauthdyn serve ended before it listened: %v\n%s", err, said)
	case <-time.After(startTimeout):
		t.Fatalf("oauthdyn serve did not listen within %v", startTimeout)
	}
	return ""
}

// A log keeps what the server says and finds its issuer therein.
type log struct {
	issuer chan string // buffered; gets one value

	mu sync.Mutex
	// mu guards the fields below.
	text  strings.Builder
	found bool
}

var listening = regexp.MustCompile(`(?m)msg=listening .*\bissuer=(\S+)`)

func (l *log) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.text.Write(p)
	if match := listening.FindStringSubmatch(l.text.String()); match != nil && !l.found && strings.Contains(l.text.String(), "\n") {
		l.found = true
		l.issuer <- match[1]
	}
	return len(p), nil
}

func (l *log) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.text.String()
}

// Register registers a client: RFC 7591 section 3.
func Register(t testing.TB, issuer string, md oauthdyn.ClientMetadata) *oauthdyn.ClientInformation {
	t.Helper()
	body, err := json.Marshal(md)
	if err != nil {
		t.Fatal(err)
	}
	req, err := http.NewRequestWithContext(t.Context(), http.MethodPost, issuer+"/register", bytes.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	req.Header.Set("Content-Type", "application/json")
	res, err := http.DefaultClient.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close()
	info := &oauthdyn.ClientInformation{}
	if err := json.NewDecoder(res.Body).Decode(info); err != nil || res.StatusCode != http.StatusCreated {
		t.Fatalf("registration: %s, %v", res.Status, err)
	}
	return info
}

// Person is Username, with a browser that has no windows.
func Person() *browser.Browser { return &browser.Browser{Username: Username, Password: Password} }
