// SPDX-License-Identifier: Apache-2.0

package robots_test

import (
	"archive/tar"
	"errors"
	"io"
	"os"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"testing"

	"github.com/atrawog/mcp-oauth-gateway/fetchserver/robots"
)

// TestSpecVectors runs the expectations of google/robotstxt-spec-test.
func TestSpecVectors(t *testing.T) {
	dir := os.Getenv("MCP_TEST_DATA")
	if dir == "" {
		t.Skip("MCP_TEST_DATA is not set: it names a directory with robots/google-robotstxt-spec-test.tar (github.com/google/robotstxt-spec-test)")
	}
	f, err := os.Open(filepath.Join(dir, "robots", "google-robotstxt-spec-test.tar"))
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	total, met := 0, 0
	for r := tar.NewReader(f); ; {
		h, err := r.Next()
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			t.Fatal(err)
		}
		if !strings.HasSuffix(h.Name, ".textproto") {
			continue
		}
		text, err := io.ReadAll(r)
		if err != nil {
			t.Fatal(err)
		}
		for _, v := range parseVectors(t, string(text)) {
			total++
			if got := robots.Parse([]byte(v.robots)).AllowedPath(pathOf(v.url), v.agent); got != v.allowed {
				t.Errorf("%s: agent %q, url %q: allowed = %v, want %v\n%s", h.Name, v.agent, v.url, got, v.allowed, v.robots)
				continue
			}
			met++
		}
	}
	t.Logf("%d of %d expectations met", met, total)
	if total != 400 {
		t.Errorf("read %d expectations, want 400", total)
	}
}

type vector struct {
	robots, url, agent string
	allowed            bool
}

var protoToken = regexp.MustCompile(`(?m)^\s*#.*$|"(?:[^"\\]|\\.)*"|[A-Za-z_]+:?`)

// parseVectors reads the part of the text protocol buffer format that the
// vectors use: a field name, then adjacent strings or an enum value.
func parseVectors(t *testing.T, text string) []vector {
	t.Helper()
	var vectors []vector
	var current vector
	field, values := "", map[string]string{}
	for _, token := range protoToken.FindAllString(text, -1) {
		token = strings.TrimSpace(token)
		switch {
		case strings.HasPrefix(token, "#"):
		case strings.HasPrefix(token, `"`):
			s, err := strconv.Unquote(token)
			if err != nil {
				t.Fatalf("string %s: %v", token, err)
			}
			values[field] += s
		case strings.HasSuffix(token, ":"):
			field = token
			values[field] = ""
		case field == "expected_outcome:":
			current = vector{values["robotstxt:"], values["testurl:"], values["useragent:"], token == "ALLOWED"}
			vectors = append(vectors, current)
			field = ""
		}
	}
	return vectors
}

// pathOf cuts the path and query out of a URL without touching its escapes.
func pathOf(rawURL string) string {
	rawURL, _, _ = strings.Cut(rawURL, "#")
	if _, rest, ok := strings.Cut(rawURL, "://"); ok {
		rawURL = rest
	}
	if i := strings.IndexAny(rawURL, "/?;"); i >= 0 {
		return rawURL[i:]
	}
	return ""
}
