// SPDX-License-Identifier: Apache-2.0

//go:build unix

package service_test

import (
	"bytes"
	"io"
	"log/slog"
	"net"
	"path/filepath"
	"regexp"
	"runtime"
	"strings"
	"testing"

	"github.com/atrawog/mcp-oauth-gateway/oauthdyn/service"
)

func TestNotifier(t *testing.T) {
	addresses := []string{filepath.Join(t.TempDir(), "notify")}
	if runtime.GOOS == "linux" {
		addresses = append(addresses, "@"+t.TempDir())
	}
	for _, address := range addresses {
		manager, err := net.ListenUnixgram("unixgram", &net.UnixAddr{Name: address, Net: "unixgram"})
		if err != nil {
			t.Fatal(err)
		}
		n := service.NewNotifier(environment(address), slog.New(slog.DiscardHandler))
		for _, test := range []struct {
			tell func()
			want string
		}{
			{n.Ready, `^READY=1$`},
			{n.Reloading, `^RELOADING=1(\nMONOTONIC_USEC=[1-9]\d*)?$`},
			{n.Stopping, `^STOPPING=1$`},
		} {
			test.tell()
			got := make([]byte, 1000)
			size, err := manager.Read(got)
			if err != nil || !regexp.MustCompile(test.want).Match(got[:size]) {
				t.Errorf("%s: %q, %v, want %s", address, got[:size], err, test.want)
			}
			if runtime.GOOS == "linux" && strings.HasPrefix(test.want, "^REL") && !bytes.Contains(got, []byte("MONOTONIC_USEC=")) {
				t.Error("Type=notify-reload needs the time")
			}
		}
		if err := manager.Close(); err != nil {
			t.Error(err)
		}
	}
}

// environment has the variable NOTIFY_SOCKET alone.
func environment(socket string) func(string) (string, bool) {
	return func(name string) (string, bool) { return socket, name == "NOTIFY_SOCKET" }
}

// A program without a manager tells nobody, and one whose manager is gone goes
// on.
func TestNotifierWithoutManager(t *testing.T) {
	for _, test := range []struct{ socket, want string }{
		{"", `^$`},
		{filepath.Join(t.TempDir(), "absent"), `level=WARN msg="the service manager could not be told" state="READY=1" error=`},
		{"vsock:2:1234", `is neither a path nor an abstract address`},
	} {
		var text bytes.Buffer
		log, _, err := service.NewLogger(io.Writer(&text), service.LoggerOptions{Level: "info", Format: "text"})
		if err != nil {
			t.Fatal(err)
		}
		service.NewNotifier(environment(test.socket), log).Ready()
		if !regexp.MustCompile(test.want).Match(text.Bytes()) {
			t.Errorf("%q: %s", test.socket, text.String())
		}
	}
}
