// SPDX-License-Identifier: Apache-2.0

//go:build unix

package logins_test

import (
	"bufio"
	"bytes"
	"encoding/json"
	"errors"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/atrawog/mcp-oauth-gateway/examples/internal/need"
)

// screenshotsVariable names a directory for pictures of all pages. They are for
// people to look at; no test compares them.
const screenshotsVariable = "LOGINS_SCREENSHOTS"

// A chromium is a running browser, in which any number of people can be.
type chromium struct {
	t      *testing.T
	number atomic.Int64

	mu sync.Mutex
	// mu guards what stands below.
	stdin   *json.Encoder
	waiting map[int64]chan answer
	ended   bool
}

type answer struct {
	Number int64
	Result json.RawMessage
	Error  string
}

// startChromium runs the browser until the test ends; testdata/chromium.mjs is
// the other side.
func startChromium(t *testing.T) *chromium {
	t.Helper()
	requireClients(t)
	program, err := findChromium()
	if err != nil {
		need.Missing(t, err.Error())
	}
	cmd := exec.Command("node", inTestdata("chromium.mjs"), program)
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	cmd.WaitDelay = 5 * time.Second
	var stderr bytes.Buffer
	cmd.Stderr = &stderr
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
	c := &chromium{t: t, stdin: json.NewEncoder(stdin), waiting: map[int64]chan answer{}}
	read := make(chan struct{})
	go func() {
		defer close(read)
		c.read(bufio.NewReader(stdout))
	}()
	t.Cleanup(func() {
		stdin.Close()
		kill := time.AfterFunc(time.Minute, func() { _ = syscall.Kill(-cmd.Process.Pid, syscall.SIGKILL) })
		<-read
		err := cmd.Wait()
		kill.Stop()
		_ = syscall.Kill(-cmd.Process.Pid, syscall.SIGKILL) // what the browser left, usually nothing
		if err != nil {
			t.Errorf("the browser: %v\n%s", err, &stderr)
		}
	})
	return c
}

func findChromium() (string, error) {
	if path := os.Getenv("CHROMIUM"); path != "" {
		return path, nil
	}
	for _, name := range []string{"chromium", "chromium-browser", "google-chrome"} {
		if path, err := exec.LookPath(name); err == nil {
			return path, nil
		}
	}
	return "", errors.New("chromium is absent: apt-get install chromium, or name one in CHROMIUM")
}

func (c *chromium) read(lines *bufio.Reader) {
	for {
		line, err := lines.ReadBytes('\n')
		var a answer
		if err == nil {
			err = json.Unmarshal(line, &a)
		}
		c.mu.Lock()
		if err != nil { // nothing more will come
			c.ended = true
			for _, w := range c.waiting {
				w <- answer{Error: "the browser ended"}
			}
			clear(c.waiting)
			c.mu.Unlock()
			return
		}
		if w := c.waiting[a.Number]; w != nil {
			delete(c.waiting, a.Number)
			w <- a
		}
		c.mu.Unlock()
	}
}

func (c *chromium) order(order map[string]any) (json.RawMessage, error) {
	number, w := c.number.Add(1), make(chan answer, 1)
	order["number"] = number
	c.mu.Lock()
	if c.ended {
		c.mu.Unlock()
		return nil, errors.New("the browser ended")
	}
	c.waiting[number] = w
	err := c.stdin.Encode(order)
	c.mu.Unlock()
	if err != nil {
		return nil, err
	}
	a := <-w
	if a.Error != "" {
		return nil, errors.New(a.Error)
	}
	return a.Result, nil
}

// A look is how a page is shown.
type look struct {
	name          string // in names of files
	scheme        string // light or dark
	width, height int
	noScript      bool
}

var (
	desktopLight = look{name: "desktop-light", scheme: "light", width: 1280, height: 800}
	desktopDark  = look{name: "desktop-dark", scheme: "dark", width: 1280, height: 800}
	phoneLight   = look{name: "phone-light", scheme: "light", width: 390, height: 844}
	phoneDark    = look{name: "phone-dark", scheme: "dark", width: 390, height: 844}
	noScript     = look{name: "no-script", scheme: "light", width: 1280, height: 800, noScript: true}
)

// A visit is a person at a browser without any cookies.
type visit struct {
	*chromium
	t    *testing.T
	id   int64
	look look

	mayRefuse string
}

var visits atomic.Int64

// visit starts one. Whatever the browser complained about, and requests that
// leave the allowed addresses, fail the test at its end.
func (c *chromium) visit(t *testing.T, l look, allowed ...string) *visit {
	t.Helper()
	v := &visit{chromium: c, t: t, id: visits.Add(1), look: l}
	v.do("start", map[string]any{"colorScheme": l.scheme, "width": l.width, "height": l.height, "javaScript": !l.noScript})
	t.Cleanup(func() {
		if t.Failed() {
			if text, err := c.order(map[string]any{"order": "text", "id": v.id}); err == nil {
				t.Logf("the last page: %s", text)
			}
		}
		var seen struct{ Requests, Complaints []string }
		v.get(&seen, "end", nil)
		for _, complaint := range seen.Complaints {
			if v.mayRefuse == "" || !strings.Contains(complaint, v.mayRefuse) {
				t.Errorf("the browser complains: %s", complaint)
			}
		}
		for _, address := range seen.Requests {
			if !hasAnyPrefix(address, allowed) {
				t.Errorf("a request leaves the server: %s", address)
			}
		}
		if len(seen.Requests) == 0 {
			t.Error("no request was seen")
		}
	})
	return v
}

func hasAnyPrefix(s string, prefixes []string) bool {
	for _, p := range prefixes {
		if strings.HasPrefix(s, p) {
			return true
		}
	}
	return false
}

func (v *visit) do(order string, params map[string]any) { v.t.Helper(); v.get(nil, order, params) }

// get lets the person do something, and reads what came of it.
func (v *visit) get(result any, order string, params map[string]any) {
	v.t.Helper()
	all := map[string]any{"order": order, "id": v.id}
	maps.Copy(all, params)
	data, err := v.order(all)
	if err == nil && result != nil {
		err = json.Unmarshal(data, result)
	}
	if err != nil {
		v.t.Fatalf("%s %v: %v", order, params, err)
	}
}

// open opens an address and checks its status.
func (v *visit) open(url string, status int) {
	v.t.Helper()
	var got int
	if v.get(&got, "open", map[string]any{"url": url}); got != status {
		v.t.Errorf("%s: status %d, want %d", url, got, status)
	}
}

func (v *visit) fill(label, value string) {
	v.t.Helper()
	v.do("fill", map[string]any{"label": label, "value": value})
}

func (v *visit) click(name string) { v.t.Helper(); v.do("click", map[string]any{"name": name}) }

func (v *visit) press(key string) { v.t.Helper(); v.do("press", map[string]any{"key": key}) }

// text is what can be read on the page.
func (v *visit) text() (text string) { v.t.Helper(); v.get(&text, "text", nil); return text }

// at waits for the page with a heading, and looks at it closely: axe-core finds
// nothing, and nothing has to be scrolled sideways.
func (v *visit) at(heading, name string) {
	v.t.Helper()
	v.do("wait", map[string]any{"heading": heading})
	v.picture(name)
	if v.look.noScript {
		return // nor has axe-core
	}
	var overflow float64
	if v.get(&overflow, "overflow", nil); overflow > 0 {
		v.t.Errorf("%s: the page is %v pixels wider than the window", name, overflow)
	}
	var found struct{ Violations, Incomplete []string }
	v.get(&found, "audit", nil)
	for _, violation := range append(found.Violations, found.Incomplete...) {
		v.t.Errorf("%s: axe-core: %s", name, violation)
	}
}

// picture keeps one of the page, if anybody wants to see it.
func (v *visit) picture(name string) {
	v.t.Helper()
	dir := os.Getenv(screenshotsVariable)
	if dir == "" {
		return
	}
	if err := os.MkdirAll(dir, 0o755); err != nil {
		v.t.Fatal(err)
	}
	v.do("screenshot", map[string]any{"path": filepath.Join(dir, name+"-"+v.look.name+".png")})
}

// refused expects pages with a status that the browser complains of.
func (v *visit) refused(status string) { v.mayRefuse = "responded with a status of " + status }

// arrive waits for an address and returns it.
func (v *visit) arrive(prefix string) (url string) {
	v.t.Helper()
	v.do("arrive", map[string]any{"prefix": prefix})
	v.get(&url, "url", nil)
	return url
}

// tabTo presses Tab until the control with a name has the focus, which has to be
// visible.
func (v *visit) tabTo(name string) {
	v.t.Helper()
	var passed []string
	for range 30 {
		v.press("Tab")
		var focus struct {
			Name    string
			Tag     string
			Visible bool
		}
		v.get(&focus, "focus", nil)
		if focus.Tag != "body" && !focus.Visible {
			v.t.Errorf("the focus on %s %q cannot be seen", focus.Tag, focus.Name)
		}
		if focus.Name == name {
			return
		}
		passed = append(passed, focus.Name)
	}
	v.t.Fatalf("Tab does not lead to %q, but to %q", name, passed)
}
