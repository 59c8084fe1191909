// SPDX-License-Identifier: Apache-2.0

package oauthdyn

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"testing"
)

func TestS114BrowserRefusesURLs(t *testing.T) {
	dir := t.TempDir()
	mark := filepath.Join(dir, "started")
	b := Browser{Command: []string{"touch", mark}}
	for _, u := range []string{
		"", "javascript:alert(1)", "JavaScript:alert(1)", "data:text/html,x", "vbscript:x", "file:///etc/passwd", " https://as.example",
		"http://as.example/", "http://localhost.evil.example/", "http://127.0.0.1.nip.io/", "ftp://as.example/", "https://", "https:as.example",
		"-https://as.example", "--help", "https://user:pw@as.example/", "//as.example", "https://as.example/\x00", "ms-msdt:/id",
	} {
		if err := b.Open(t.Context(), u); err == nil {
			t.Errorf("%q is accepted", u)
		}
	}
	if _, err := os.Stat(mark); err == nil {
		t.Error("a browser was started")
	}
}

func TestBrowserCommandLine(t *testing.T) {
	const u = "https://as.example/?a=1&b=2"
	tests := []struct {
		command, want []string
	}{
		{[]string{"firefox"}, []string{"firefox", u}},
		{[]string{"firefox", "--new-window"}, []string{"firefox", "--new-window", u}},
		{[]string{"w", "--url=%s", "-x"}, []string{"w", "--url=" + u, "-x"}},
		{[]string{"%s"}, []string{"%s", u}},
	}
	for _, tt := range tests {
		if got := (Browser{Command: tt.command}).commandLine(u); !slices.Equal(got, tt.want) {
			t.Errorf("%q: %q, want %q", tt.command, got, tt.want)
		}
	}
	if got := (Browser{}).commandLine(u); len(got) < 2 || got[len(got)-1] != u {
		t.Errorf("default: %q", got)
	}
}

func TestBrowserRunsWithoutAShell(t *testing.T) {
	if runtime.GOOS == "windows" {
		t.Skip("needs a POSIX shell script")
	}
	dir := t.TempDir()
	out, script := filepath.Join(dir, "out"), filepath.Join(dir, "browser")
	if err := os.WriteFile(script, []byte("#!/bin/sh\nprintf '%s\\n' \"$#\" \"$1\" > '"+out+"'\n"), 0o700); err != nil {
		t.Fatal(err)
	}
	const u = "https://as.example/a;b$(touch%20x)&c=%60id%60|'d'"
	if err := (Browser{Command: []string{script}}).Open(t.Context(), u); err != nil {
		t.Fatal(err)
	}
	data, err := os.ReadFile(out)
	if err != nil {
		t.Fatal(err)
	}
	if got, want := string(data), "1\nhttps://as.example/a;b$%28touch%20x%29&c=%60id%60%7C%27d%27\n"; got != want {
		t.Errorf("got %q, want one argument: %q", got, want)
	}
}

func TestBrowserFailures(t *testing.T) {
	if runtime.GOOS == "windows" {
		t.Skip("needs false and sleep")
	}
	const u = "http://127.0.0.1:1/"
	err := Browser{Command: []string{"/nonexistent/browser"}}.Open(t.Context(), u)
	wantError(t, err, "start browser", "/nonexistent/browser")
	err = Browser{Command: []string{"false"}}.Open(t.Context(), u)
	wantError(t, err, "browser command false", "exit status 1")
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	// The browser itself goes on: here for a moment.
	if err := (Browser{Command: []string{"sh", "-c", "sleep 0.2"}}).Open(ctx, u); !errors.Is(err, context.Canceled) {
		t.Errorf("got %v", err)
	}
}
