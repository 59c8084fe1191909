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
	if info.NotModified {
		maps.Copy(w.Header(), resp.Header)
		w.WriteHeader(http.StatusNotModified)
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

// notPassed are required tests of the suite that this cache does not pass, with
// the reason.
var notPassed = map[string]string{
	"cc-resp-immutable-stale":         "expects the request field that a browser adds when its user reloads",
	"headers-store-Transfer-Encoding": "net/http refuses the response",
	"partial-use-headers":             "parts are not kept",
	"partial-use-stored-headers":      "parts are not kept",
}

// TestPublicSuite runs github.com/http-tests/cache-tests against the cache.
func TestPublicSuite(t *testing.T) {
	dir := os.Getenv("HTTP_CACHE_TESTS")
	if dir == "" {
		t.Skip("HTTP_CACHE_TESTS does not name a clone of https://github.com/http-tests/cache-tests with its packages: npm install --ignore-scripts")
	}
	if _, err := exec.LookPath("node"); err != nil {
		t.Fatal("node is missing: apt-get install nodejs npm")
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
		if kind == "required" && notPassed[id] == "" {
			t.Errorf("%s: %s", id, compact(results[id]))
		} else {
			t.Logf("%s (%s): %s %s", id, kind, compact(results[id]), notPassed[id])
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
	out, err := node(t, dir, `
import { runTests, getResults } from './test-engine/client/runner.mjs'
import suites from './tests/index.mjs'
for (const suite of suites) {
	suite.tests = suite.tests.filter(t => !t.browser_skip && !t.cdn_only)
	suite.tests.forEach(t => { delete t.browser_only })
}
await runTests(suites, false, '`+base+`')
console.log(JSON.stringify(getResults()))`)
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
	out, err := node(t, dir, `
import suites from './tests/index.mjs'
console.log(JSON.stringify(Object.fromEntries(suites.flatMap(s => s.tests).map(t => [t.id, t.kind || 'required']))))`)
	if err != nil {
		t.Fatal(err)
	}
	var kinds map[string]string
	if err := json.Unmarshal(out, &kinds); err != nil {
		t.Fatal(err)
	}
	return kinds
}

// node runs a script among the files of the suite.
func node(t *testing.T, dir, script string) ([]byte, error) {
	cmd := exec.CommandContext(t.Context(), "node", "--no-warnings", "--input-type=module", "-e", script)
	cmd.Dir = dir
	return cmd.Output()
}

// compact is a result of the suite on one line.
func compact(result json.RawMessage) string {
	var b bytes.Buffer
	_ = json.Compact(&b, result) // it was decoded once already
	return b.String()
}
