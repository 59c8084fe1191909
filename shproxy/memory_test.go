// SPDX-License-Identifier: Apache-2.0

package shproxy

import (
	"bufio"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"runtime"
	"runtime/debug"
	"strconv"
	"strings"
	"testing"

	"github.com/atrawog/mcp-oauth-gateway/shproxy/internal/testserver"
)

// proxyMode makes the test binary a proxy around a server, so that the memory
// of the proxy alone can be seen.
const proxyMode = "proxy"

// runProxy serves until its input ends. At /peak it tells how much memory it
// has had at most since the question before.
func runProxy() int {
	debug.SetGCPercent(10) // so that the peak is what is used, not what was
	proxy, err := New(testServer(testserver.Good), nil)
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	defer proxy.Close()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	mux := http.NewServeMux()
	mux.Handle("/mcp", proxy)
	mux.HandleFunc("/peak", func(w http.ResponseWriter, _ *http.Request) {
		fmt.Fprintln(w, peak())
		debug.FreeOSMemory()
		_ = os.WriteFile("/proc/self/clear_refs", []byte("5"), 0) // the peak is now
	})
	go http.Serve(listener, mux)
	fmt.Println("http://" + listener.Addr().String())
	_, _ = io.Copy(io.Discard, os.Stdin)
	return 0
}

// peak is the largest resident set of the process, in bytes.
func peak() int {
	status, err := os.ReadFile("/proc/self/status")
	if err != nil {
		return -1
	}
	for line := range strings.Lines(string(status)) {
		if text, ok := strings.CutPrefix(line, "VmHWM:"); ok {
			kib, _ := strconv.Atoi(strings.Fields(text)[0])
			return kib << 10
		}
	}
	return -1
}

// A large message takes no more than three times its size in the proxy, in
// either direction.
func TestMemoryOfLargeMessages(t *testing.T) {
	t.Parallel()
	if runtime.GOOS != "linux" || raceEnabled {
		t.Skip("needs /proc, and no race detector")
	}
	url := startProxy(t)
	c := &client{t: t, url: url + "/mcp"}
	c.session = c.post(initializeFrame).Header.Get("Mcp-Session-Id")
	measured := func() int {
		t.Helper()
		resp := c.do(must(http.NewRequestWithContext(t.Context(), http.MethodGet, url+"/peak", nil)))
		n, err := strconv.Atoi(strings.TrimSpace(c.body(resp)))
		if err != nil || n <= 0 {
			t.Fatalf("peak %d, %v", n, err)
		}
		return n
	}
	const size = 10 << 20
	small := toolFrame("1", "echo", map[string]any{"text": ""}, "")
	large := strings.Replace(small, `"text":""`, `"text":"","x":"`+strings.Repeat("x", size)+`"`, 1)
	for _, test := range []struct{ name, frame string }{
		{"to the server", large},
		{"to the client", toolFrame("1", "big", map[string]any{"count": size}, "")},
	} {
		c.body(c.post(small))
		measured()
		c.body(c.post(small))
		before := measured()
		resp := c.post(test.frame)
		n, err := io.Copy(io.Discard, resp.Body)
		if resp.StatusCode != 200 || err != nil || test.frame != large && n < size {
			t.Fatalf("%s: %d bytes, %v", resp.Status, n, err)
		}
		used := measured() - before
		t.Logf("%s: %.1f times its size", test.name, float64(used)/size)
		if used > 3*size {
			t.Errorf("%s: %d bytes for a message of %d", test.name, used, size)
		}
	}
}

// startProxy runs a proxy in a process of its own and returns its address.
func startProxy(t *testing.T) string {
	t.Helper()
	exe, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command(exe)
	cmd.Env = append(os.Environ(), testserver.Env+"="+proxyMode)
	cmd.Stderr = os.Stderr
	stdin, err := cmd.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	stdout, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = stdin.Close()
		_ = cmd.Wait()
	})
	line, err := bufio.NewReader(stdout).ReadString('\n')
	if err != nil {
		t.Fatal(err)
	}
	return strings.TrimSpace(line)
}

func must[T any](v T, err error) T {
	if err != nil {
		panic(err)
	}
	return v
}
