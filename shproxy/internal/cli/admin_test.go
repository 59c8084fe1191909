// SPDX-License-Identifier: Apache-2.0

package cli

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"testing"
	"time"

	"github.com/atrawog/mcp-oauth-gateway/shproxy"
	"github.com/atrawog/mcp-oauth-gateway/shproxy/internal/testserver"
)

// wrap makes a proxy for a command, under the name and path of its own.
func wrap(t *testing.T, name, command string, args ...string) adminServer {
	t.Helper()
	env := append(os.Environ(), "GORACE=atexit_sleep_ms=0")
	proxy, err := shproxy.New(shproxy.Server{Name: "not " + name, Command: command, Args: args, Env: env}, nil)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
		defer cancel()
		if err := proxy.Shutdown(ctx); err != nil {
			t.Errorf("Shutdown: %v", err)
		}
	})
	return adminServer{Name: name, Path: "/" + name + "/mcp", Proxy: proxy}
}

func newTestAdmin(t *testing.T, servers ...adminServer) string {
	t.Helper()
	admin := httptest.NewServer((&admin{servers: func() []adminServer { return servers }, since: time.Now()}).handler())
	t.Cleanup(admin.Close)
	return admin.URL
}

// get reads a page; header is a list of names and values.
func get(t *testing.T, url string, header ...string) (*http.Response, string) {
	t.Helper()
	r, err := http.NewRequestWithContext(t.Context(), http.MethodGet, url, nil)
	if err != nil {
		t.Fatal(err)
	}
	for i := 0; i < len(header); i += 2 {
		r.Header.Set(header[i], header[i+1])
		if header[i] == "Host" {
			r.Host = header[i+1]
		}
	}
	resp, err := http.DefaultClient.Do(r)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatal(err)
	}
	return resp, string(body)
}

// openSession starts a session of the server.
func openSession(t *testing.T, s adminServer) (url, session string) {
	t.Helper()
	server := httptest.NewServer(s.Proxy)
	t.Cleanup(server.Close)
	resp, err := http.Post(server.URL, "application/json", strings.NewReader(initialize))
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	session = resp.Header.Get("Mcp-Session-Id")
	if _, err := io.Copy(io.Discard, resp.Body); err != nil || resp.StatusCode != http.StatusOK || session == "" {
		t.Fatalf("initialize: %s, %v", resp.Status, err)
	}
	return server.URL, session
}

// One server that does not work makes the whole not ready, names itself, and
// does not hide the others.
func TestReady(t *testing.T) {
	good, bad := wrap(t, "good", "testserver", testserver.Good), wrap(t, "bad", "testserver", testserver.Exit)
	resp, body := get(t, newTestAdmin(t, good)+"/readyz")
	if resp.StatusCode != http.StatusOK || resp.Header.Get("Content-Type") != "application/json" || resp.Header.Get("Cache-Control") != "no-store" {
		t.Errorf("%s %v", resp.Status, resp.Header)
	}
	var answer readiness
	if err := json.Unmarshal([]byte(body), &answer); err != nil || answer.Status != "ok" || fmt.Sprint(answer.Servers) != "[{good true }]" {
		t.Errorf("%s, %v", body, err)
	}
	resp, body = get(t, newTestAdmin(t, good, bad)+"/readyz")
	if err := json.Unmarshal([]byte(body), &answer); err != nil || resp.StatusCode != http.StatusServiceUnavailable || answer.Status != "failed" || len(answer.Servers) != 2 {
		t.Fatalf("%s %s, %v", resp.Status, body, err)
	}
	if s := answer.Servers[0]; s.Name != "good" || !s.Ready || s.Error != "" {
		t.Errorf("%+v", s)
	}
	if s := answer.Servers[1]; s.Name != "bad" || s.Ready || !strings.Contains(s.Error, "no configuration") || strings.Contains(s.Error, "shproxy:") {
		t.Errorf("%+v", s)
	}
}

// Monitors may ask as often as they like: it costs one process in a while.
func TestReadyIsCached(t *testing.T) {
	if runtime.GOOS == "windows" {
		t.Skip("needs a shell")
	}
	starts := filepath.Join(t.TempDir(), "starts")
	url := newTestAdmin(t, wrap(t, "good", "/bin/sh", "-c", `echo x >>"$0"; exec testserver good`, starts))
	answers := make(chan int)
	for range 5 {
		go func() {
			resp, err := http.Get(url + "/readyz")
			if err != nil {
				answers <- 0
				return
			}
			_ = resp.Body.Close()
			answers <- resp.StatusCode
		}()
	}
	for range 5 {
		if status := <-answers; status != http.StatusOK {
			t.Errorf("status %d", status)
		}
	}
	if text, err := os.ReadFile(starts); err != nil || string(text) != "x\n" {
		t.Errorf("starts: %q, %v", text, err)
	}
}

func TestHealth(t *testing.T) {
	one, other := wrap(t, "one", "testserver", testserver.Good), wrap(t, "other", "testserver", testserver.Exit)
	url := newTestAdmin(t, one, other)
	if resp, body := get(t, url+"/healthz"); resp.StatusCode != http.StatusOK || !strings.Contains(body, `"ok"`) {
		t.Errorf("%s %s", resp.Status, body)
	}
	if err := one.Proxy.Shutdown(t.Context()); err != nil {
		t.Fatal(err)
	}
	if resp, body := get(t, url+"/healthz"); resp.StatusCode != http.StatusOK {
		t.Errorf("one of two has ended: %s %s", resp.Status, body)
	}
	if err := other.Proxy.Shutdown(t.Context()); err != nil {
		t.Fatal(err)
	}
	if resp, body := get(t, url+"/healthz"); resp.StatusCode != http.StatusServiceUnavailable || !strings.Contains(body, `"stopping"`) {
		t.Errorf("both have ended: %s %s", resp.Status, body)
	}
	if resp, _ := get(t, newTestAdmin(t)+"/healthz"); resp.StatusCode != http.StatusOK {
		t.Errorf("without servers: %s", resp.Status)
	}
}

func TestStatusJSON(t *testing.T) {
	good := wrap(t, "good", "testserver", testserver.Good)
	_, session := openSession(t, good)
	resp, body := get(t, newTestAdmin(t, good)+"/status")
	var answer report
	if err := json.Unmarshal([]byte(body), &answer); err != nil || resp.StatusCode != http.StatusOK || resp.Header.Get("Content-Type") != "application/json" {
		t.Fatalf("%s %s, %v", resp.Status, body, err)
	}
	if answer.Version != version() || len(answer.Servers) != 1 {
		t.Fatalf("%s", body)
	}
	if s := answer.Servers[0]; s.Name != "good" || s.Path != "/good/mcp" || s.State != shproxy.StateOK || s.Sessions != 1 || s.Started != 1 {
		t.Errorf("%s", body)
	}
	if strings.Contains(body, session) {
		t.Error("the status tells the id of a session")
	}
	if _, body := get(t, newTestAdmin(t)+"/status"); !strings.Contains(body, `"servers": []`) {
		t.Errorf("without servers: %s", body)
	}
}

// A page that reaches the loopback address by DNS rebinding sees nothing.
func TestAdminChecksHost(t *testing.T) {
	url := newTestAdmin(t)
	for host, want := range map[string]int{
		"localhost": 200, "LOCALHOST:9090": 200, "a.localhost:1": 200, "127.0.0.1:80": 200, "[::1]:80": 200, "[::1]": 200, "192.0.2.1": 200,
		"evil.example": 403, "localhost.evil.example:80": 403, "notlocalhost": 403,
	} {
		if resp, body := get(t, url+"/status", "Host", host); resp.StatusCode != want {
			t.Errorf("%s: %s %s", host, resp.Status, body)
		}
	}
	if resp, body := get(t, url+"/status", "Origin", "https://evil.example"); resp.StatusCode != http.StatusForbidden {
		t.Errorf("from a foreign page: %s %s", resp.Status, body)
	}
	r := httptest.NewRequest(http.MethodGet, "http://shproxy.monitoring.svc/healthz", nil)
	r = r.WithContext(context.WithValue(t.Context(), http.LocalAddrContextKey, &net.TCPAddr{IP: net.IPv4(192, 0, 2, 1)}))
	w := httptest.NewRecorder()
	(&admin{servers: func() []adminServer { return nil }}).handler().ServeHTTP(w, r)
	if w.Code != http.StatusOK {
		t.Errorf("at another address: %d %s", w.Code, w.Body)
	}
}

func TestAdminRoutes(t *testing.T) {
	url := newTestAdmin(t)
	if resp, _ := get(t, url); resp.Request.URL.Path != "/status" || resp.StatusCode != http.StatusOK {
		t.Errorf("/ leads to %v, %s", resp.Request.URL, resp.Status)
	}
	if resp, _ := get(t, url+"/no"); resp.StatusCode != http.StatusNotFound {
		t.Errorf("/no: %s", resp.Status)
	}
	for _, path := range []string{"/healthz", "/readyz", "/status", "/metrics"} {
		resp, err := http.Post(url+path, "text/plain", nil)
		if err != nil {
			t.Fatal(err)
		}
		_ = resp.Body.Close()
		if resp.StatusCode != http.StatusMethodNotAllowed || resp.Header.Get("Allow") != "GET, HEAD" {
			t.Errorf("POST %s: %s %v", path, resp.Status, resp.Header)
		}
	}
}

// A server that could not be made is not left out.
func TestAdminUnavailable(t *testing.T) {
	url := newTestAdmin(t, adminServer{Name: "lost", Path: "/lost/mcp", Err: errors.New("working directory: lost")})
	if resp, body := get(t, url+"/readyz"); resp.StatusCode != http.StatusServiceUnavailable || !strings.Contains(body, "working directory: lost") {
		t.Errorf("/readyz: %s %s", resp.Status, body)
	}
	if resp, _ := get(t, url+"/healthz"); resp.StatusCode != http.StatusOK {
		t.Errorf("/healthz: %s", resp.Status)
	}
	if _, body := get(t, url+"/status"); !strings.Contains(body, `"state": "failed"`) || !strings.Contains(body, "working directory: lost") {
		t.Errorf("/status: %s", body)
	}
	if _, body := get(t, url+"/status", "Accept", "text/html"); !strings.Contains(body, "working directory: lost") {
		t.Errorf("the page: %s", body)
	}
	if _, body := get(t, url+"/metrics"); !strings.Contains(body, `shproxy_server_state{server="lost",state="failed"} 1`) {
		t.Errorf("/metrics: %s", body)
	}
}
