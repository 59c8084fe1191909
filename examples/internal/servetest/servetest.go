// SPDX-License-Identifier: Apache-2.0

// Package servetest runs commands of this repository that serve HTTP for a
// test, as an operator does.
package servetest

import (
	"context"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"sync"
	"testing"
	"time"
)

// startTimeout and stopTimeout only matter when something is wrong.
const (
	startTimeout = time.Minute
	stopTimeout  = 20 * time.Second
)

// Build builds the command of the workspace's module of that name into a
// directory and returns its path.
func Build(ctx context.Context, dir, name string) (program string, err error) {
	program = filepath.Join(dir, name)
	out, err := exec.CommandContext(ctx, "go", "build", "-o", program, "github.com/atrawog/mcp-oauth-gateway/"+name+"/cmd/"+name).CombinedOutput()
	if err != nil {
		return "", errors.New("go build: " + string(out))
	}
	return program, nil
}

// Listen runs a command until the test ends, and returns the URL that it logs
// when it listens: for authorization servers the issuer. What the command said
// is shown if the test fails; that it ends with another status than 0 fails it.
func Listen(t testing.TB, program string, args ...string) (url string) {
	t.Helper()
	cmd := exec.Command(program, args...)
	said := &log{url: make(chan string, 1)}
	cmd.Stderr = said
	cmd.WaitDelay = stopTimeout // for children that hold on to stderr
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	name := filepath.Base(program)
	ended := make(chan error, 1)
	go func() { ended <- cmd.Wait() }()
	gone := false
	t.Cleanup(func() {
		if !gone {
			_ = cmd.Process.Signal(os.Interrupt) // gone already: fine
			kill := time.AfterFunc(stopTimeout, func() { _ = cmd.Process.Kill() })
			if err := <-ended; err != nil {
				t.Errorf("%s: %v", name, err)
			}
			kill.Stop()
		}
		if t.Failed() {
			t.Logf("%s said:\n%s", name, said)
		}
	})
	select {
	case url := <-said.url:
		return url
	case err := <-ended:
		gone = true
		t.Fatalf("%s ended before it listened: %v\n%s", name, err, said)
	case <-time.After(startTimeout):
		t.Fatalf("%s did not listen within %v", name, startTimeout)
	}
	return ""
}

// A log keeps what a server says and finds its URL therein.
type log struct {
	url chan string // buffered; gets one value

	mu sync.Mutex
	// mu guards the fields below.
	text  strings.Builder
	found bool
}

var listening = regexp.MustCompile(`(?m)msg=listening (?:.*\b)?(?:issuer|url)=(\S+)`)

func (l *log) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.text.Write(p)
	if l.found {
		return len(p), nil
	}
	whole := l.text.String()
	if match := listening.FindStringSubmatch(whole[:strings.LastIndexByte(whole, '\n')+1]); match != nil {
		l.found = true
		l.url <- match[1]
	}
	return len(p), nil
}

// String is what was said but for the lines of level information.
func (l *log) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	var kept strings.Builder
	for line := range strings.Lines(l.text.String()) {
		if !strings.Contains(line, " level=INFO ") {
			kept.WriteString(line)
		}
	}
	return kept.String()
}
