// SPDX-License-Identifier: Apache-2.0

//go:build unix

package cli_test

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// A server that is to render pages is not ready when its browser has gone.
func TestReadyWithoutBrowser(t *testing.T) {
	browser := filepath.Join(t.TempDir(), "chromium")
	if err := os.WriteFile(browser, []byte("#!/bin/sh\n"), 0o700); err != nil {
		t.Fatal(err)
	}
	p := start(t, "--render", "auto", "--chromium", browser, "--chromium-no-sandbox", "--admin-addr", "127.0.0.1:0")
	if status, body := get(t, p.admin+"/readyz"); status != 200 {
		t.Errorf("ready: %d %s", status, body)
	}
	if err := os.Remove(browser); err != nil {
		t.Fatal(err)
	}
	if status, body := get(t, p.admin+"/readyz"); status != 503 || !strings.Contains(body, `"status":"failed"`) || !strings.Contains(body, "is not a program that can be run") {
		t.Errorf("ready without the browser: %d %s", status, body)
	}
}
