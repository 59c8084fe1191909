// SPDX-License-Identifier: Apache-2.0

//go:build unix

package cli_test

import (
	"bufio"
	"fmt"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"github.com/atrawog/mcp-oauth-gateway/oauthdyn/authserver/store/bolt"
)

// halfRequest sends a request and half of its body. When it returns the server
// waits for the rest, which finish sends and returns the answer.
func halfRequest(t *testing.T, addr string) (finish func() *http.Response) {
	t.Helper()
	conn, err := net.Dial("tcp", addr)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = conn.Close() })
	const body = `{"redirect_uris":["https://client.example/cb"],"token_endpoint_auth_method":"none"}`
	_, err = fmt.Fprintf(conn, "POST /register HTTP/1.1\r\nHost: %s\r\nContent-Type: application/json\r\nContent-Length: %d\r\nExpect: 100-continue\r\n\r\n", addr, len(body))
	if err != nil {
		t.Fatal(err)
	}
	reader := bufio.NewReader(conn)
	if line, err := reader.ReadString('\n'); err != nil || !strings.Contains(line, "100 Continue") {
		t.Fatalf("%q, %v", line, err)
	}
	if _, err := reader.ReadString('\n'); err != nil { // the empty line
		t.Fatal(err)
	}
	if _, err := conn.Write([]byte(body[:10])); err != nil {
		t.Fatal(err)
	}
	return func() *http.Response {
		t.Helper()
		if _, err := conn.Write([]byte(body[10:])); err != nil {
			t.Fatal(err)
		}
		res, err := http.ReadResponse(reader, nil)
		if err != nil {
			t.Fatal(err)
		}
		return res
	}
}

// A request that is there when the signal comes is answered, and what it did is
// in the store and in the audit log. New ones are not taken.
func TestDrain(t *testing.T) {
	journal := filepath.Join(t.TempDir(), "audit.log")
	p := serve(t, nil, "--audit-log", journal, "--drain-timeout", "10m")
	finish := halfRequest(t, p.addr)
	p.signal(syscall.SIGTERM)
	p.logged("msg=stopping")
	for { // until the listener is closed; a connection that is taken late is closed unread
		conn, err := net.Dial("tcp", p.addr)
		if err != nil {
			break
		}
		_ = conn.Close()
	}
	if res := finish(); res.StatusCode != http.StatusCreated {
		t.Errorf("the open request: %s", res.Status)
	}
	if code := p.wait(); code != 0 {
		t.Errorf("exit code %d", code)
	}
	if text, err := os.ReadFile(journal); err != nil || !strings.Contains(string(text), `"event":"client.create","outcome":"success"`) {
		t.Errorf("audit log: %s, %v", text, err)
	}
	data := p.cmd.Args[5]
	db, err := bolt.Open(filepath.Join(data, "oauthdyn.db"), nil)
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	if clients, err := db.ListClients(t.Context(), "", 10); err != nil || len(clients) != 1 {
		t.Errorf("%v, %v", clients, err)
	}
}

// Requests that take too long are cut off.
func TestDrainTimeout(t *testing.T) {
	p := serve(t, nil, "--drain-timeout", "1ms")
	halfRequest(t, p.addr)
	p.signal(syscall.SIGTERM)
	p.logged("requests were cut off")
	if code := p.wait(); code != 0 {
		t.Errorf("exit code %d", code)
	}
}

// While load balancers find out, requests are still answered; a second signal
// ends that.
func TestDrainDelay(t *testing.T) {
	p := serve(t, nil, "--admin-addr", "127.0.0.1:0", "--drain-delay", "10m")
	admin := strings.TrimSuffix(p.logged(`msg="admin address" url=(\S+)`)[1], "/status")
	if status, body := get(t, admin+"/readyz"); status != 200 || body != `{"status":"ok"}`+"\n" {
		t.Errorf("ready: %d %s", status, body)
	}
	p.signal(syscall.SIGTERM)
	p.logged("msg=stopping")
	if status, body := get(t, admin+"/readyz"); status != 503 || body != `{"status":"stopping"}`+"\n" {
		t.Errorf("ready while stopping: %d %s", status, body)
	}
	if status, body := get(t, admin+"/healthz"); status != 200 || body != `{"status":"stopping"}`+"\n" {
		t.Errorf("health while stopping: %d %s", status, body)
	}
	if status, _ := get(t, "http://"+p.addr+"/jwks"); status != 200 {
		t.Errorf("a request while stopping: %d", status)
	}
	p.signalUntilEnd(syscall.SIGTERM)
	if code := p.wait(); code != -1 {
		t.Errorf("exit code %d", code)
	}
}
