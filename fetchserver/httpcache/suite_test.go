// SPDX-License-Identifier: Apache-2.0

package httpcache_test

import (
	"bytes"
	"context"
	"encoding/json"
	"io"
	"maps"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/atrawog/mcp-oauth-gateway/fetchserver/httpcache"
)

// proxy is a reverse proxy with the cache in front of it, for clients that are
// written for proxies.
type proxy struct {
	cache  *httpcache.Cache[[]byte]
	origin string
}

func (p *proxy) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	body, err := io.ReadAll(r.Body)
	if err != nil {
		return
	}
	target := p.origin + r.URL.RequestURI()
	resp, info, err := p.cache.Do(r.Context(), &httpcache.Request{Method: r.Method, URL: target, Header: r.Header},
		func(ctx context.Context, conditional http.Header) (*httpcache.Response[[]byte], error) {
			req, err := http.NewRequestWithContext(ctx, r.Method, target, bytes.NewReader(body))
			if err != nil {
				return nil, err
			}
			req.Header = r.Header.Clone()
			req.Header.Del("Connection")
			maps.Copy(req.Header, conditional)
			resp, err := (&http.Transport{DisableKeepAlives: true, DisableCompression: true}).RoundTrip(req)
			if err != nil {
				return nil, err
			}
			defer resp.Body.Close()
			value, err := io.ReadAll(resp.Body)
			return &httpcache.Response[[]byte]{Status: resp.StatusCode, Header: resp.Header, Value: value, Size: int64(len(value))}, err
		})
	switch {
	case err == httpcache.ErrNotCached:
		w.WriteHeader(http.StatusGatewayTimeout)
		return
	case err != nil:
		w.WriteHeader(http.StatusBadGateway)
		return
	}
	maps.Copy(w.Header(), resp.Header)
	w.Header().Del("Connection")
	if info.Status == httpcache.Hit || info.Status == httpcache.Revalidated {
		w.Header().Set("Age", strconv.Itoa(int(info.Age/time.Second)))
	}
	w.WriteHeader(resp.Status)
	_, _ = w.Write(resp.Value)
}

// notPrivate are required tests of the suite that this cache does not pass,
// with the reason.
var notPrivate = map[string]string{}

// TestPublicSuite runs github.com/http-tests/cache-tests against the cache.
func TestPublicSuite(t *testing.T) {
	dir := os.Getenv("HTTP_CACHE_TESTS")
	if dir == "" {
		t.Skip("HTTP_CACHE_TESTS does not name a clone of https://github.com/http-tests/cache-tests with its packages: npm install --ignore-scripts")
	}
	if _, err := exec.LookPath("node"); err != nil {
		t.Skip("node is missing: apt-get install nodejs")
	}
	origin := startSuiteOrigin(t, dir)
	cache := httpcache.New[[]byte](nil)
	defer cache.Close()
	front := httptest.NewServer(&proxy{cache: cache, origin: origin})
	defer front.Close()

	results := runSuite(t, dir, front.URL)
	kinds := suiteKinds(t, dir)
	passed, total := map[string]int{}, map[string]int{}
	for _, id := range slices.Sorted(maps.Keys(results)) {
		kind := kinds[id]
		total[kind]++
		ok := string(results[id]) == "true"
		if ok {
			passed[kind]++
			continue
		}
		if kind == "required" && notPrivate[id] == "" && !strings.Contains(string(results[id]), "Setup") {
			t.Errorf("%s: %s", id, results[id])
		} else {
			t.Logf("%s (%s): %s %s", id, kind, results[id], notPrivate[id])
		}
	}
	for _, kind := range slices.Sorted(maps.Keys(total)) {
		t.Logf("%s: %d of %d", kind, passed[kind], total[kind])
	}
	if total["required"] < 100 {
		t.Errorf("only %d required tests ran", total["required"])
	}
}

func startSuiteOrigin(t *testing.T, dir string) string {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	port := strconv.Itoa(l.Addr().(*net.TCPAddr).Port)
	l.Close()
	ctx, stop := context.WithCancel(t.Context())
	cmd := exec.CommandContext(ctx, "node", "test-engine/server/server.mjs")
	cmd.Dir = dir
	cmd.Env = append(os.Environ(), "npm_config_protocol=http", "npm_config_port="+port, "npm_config_pidfile="+filepath.Join(t.TempDir(), "pid"))
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { stop(); _ = cmd.Wait() })
	for {
		conn, err := net.Dial("tcp", "127.0.0.1:"+port)
		if err == nil {
			conn.Close()
			return "http://127.0.0.1:" + port
		}
		if ctx.Err() != nil {
			t.Fatal(err)
		}
		time.Sleep(20 * time.Millisecond) // until the process listens
	}
}

func runSuite(t *testing.T, dir, base string) map[string]json.RawMessage {
	cmd := exec.CommandContext(t.Context(), "node", "--no-warnings", "test-engine/cli.mjs")
	cmd.Dir = dir
	cmd.Env = append(os.Environ(), "npm_config_base="+base, "npm_package_config_id=")
	out, err := cmd.Output()
	if err != nil {
		t.Fatal(err)
	}
	var results map[string]json.RawMessage
	if err := json.Unmarshal(out, &results); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	return results
}

// suiteKinds tells which tests of the suite are required, optimal, or checks.
func suiteKinds(t *testing.T, dir string) map[string]string {
	cmd := exec.CommandContext(t.Context(), "node", "--input-type=module", "-e",
		`import s from './tests/index.mjs'; const k={}; for (const x of s) for (const t of x.tests) k[t.id]=t.cdn_only?'cdn':(t.kind||'required'); console.log(JSON.stringify(k))`)
	cmd.Dir = dir
	out, err := cmd.Output()
	if err != nil {
		t.Fatal(err)
	}
	var kinds map[string]string
	if err := json.Unmarshal(out, &kinds); err != nil {
		t.Fatal(err)
	}
	return kinds
}
