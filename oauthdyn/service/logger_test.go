// SPDX-License-Identifier: Apache-2.0

package service_test

import (
	"bytes"
	"errors"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/atrawog/mcp-oauth-gateway/oauthdyn/service"
)

func TestLogFile(t *testing.T) {
	name := filepath.Join(t.TempDir(), "log")
	var text bytes.Buffer
	log, done, err := service.NewLogger(&text, service.LoggerOptions{Level: "WARNING", Format: "json", File: name})
	if err != nil {
		t.Fatal(err)
	}
	log.With("a", 1).WithGroup("g").Warn("hello", "b", 2)
	log.Info("not this")
	done()
	data, err := os.ReadFile(name)
	if err != nil || string(data) != text.String() || strings.Count(text.String(), "\n") != 1 {
		t.Errorf("file %q, stderr %q, %v", data, text.String(), err)
	}
	if !strings.Contains(text.String(), `"a":1,"g":{"b":2}`) {
		t.Errorf("attributes: %s", text.String())
	}
}

// A mistake in the settings is told from one of the file, and leaves no file.
func TestLoggerErrors(t *testing.T) {
	dir := t.TempDir()
	file := filepath.Join(dir, "log")
	for _, test := range []struct {
		options service.LoggerOptions
		setting bool
		want    string
	}{
		{service.LoggerOptions{Level: "loud", Format: "text", File: file}, true, `--log-level "loud" is not debug, info, warn or error`},
		{service.LoggerOptions{Level: "info", Format: "xml", File: file}, true, `--log-format "xml" is not text or json`},
		{service.LoggerOptions{Level: "info", Format: "text", File: dir}, false, "LOG_FILE: "},
	} {
		_, _, err := service.NewLogger(io.Discard, test.options)
		if err == nil || errors.Is(err, service.ErrSetting) != test.setting || !strings.HasPrefix(err.Error(), test.want) {
			t.Errorf("%+v: %v", test.options, err)
		}
	}
	if _, err := os.Stat(file); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("the file was made: %v", err)
	}
}
