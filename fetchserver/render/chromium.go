// SPDX-License-Identifier: Apache-2.0

package render

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"sync"
	"time"
)

// InstallHint says how to get what this package needs.
const InstallHint = "apt-get install chromium"

// names are those of programs that are Chromium, best first.
var names = []string{"chromium", "chromium-browser", "chromium-headless-shell", "google-chrome", "google-chrome-stable", "chrome", "chrome-headless-shell", "msedge"}

// places are where programs are that no PATH leads to.
var places = map[string][]string{
	"darwin": {"/Applications/Chromium.app/Contents/MacOS/Chromium", "/Applications/Google Chrome.app/Contents/MacOS/Google Chrome"},
	"windows": {
		`C:\Program Files\Google\Chrome\Application\chrome.exe`, `C:\Program Files (x86)\Google\Chrome\Application\chrome.exe`,
		`C:\Program Files (x86)\Microsoft\Edge\Application\msedge.exe`,
	},
}

// Find returns the path of a Chromium: that of path if it is not empty, or one
// that the system has. The error says how to install one.
func Find(path string) (string, error) {
	if path != "" {
		found, err := exec.LookPath(path)
		if err != nil {
			return "", fmt.Errorf("render: %s is not a program that can be run; name a Chromium: %w", path, err)
		}
		return found, nil
	}
	for _, name := range append(names, places[runtime.GOOS]...) {
		if found, err := exec.LookPath(name); err == nil {
			return found, nil
		}
	}
	return "", errors.New("render: there is no Chromium: " + InstallHint + ", or name one")
}

// off are features of Chromium that speak with its maker, look around in the
// network, or run what nobody asked for.
var off = strings.Join([]string{
	"AutofillServerCommunication", "CertificateTransparencyComponentUpdater", "DialMediaRouteProvider", "DnsOverHttps",
	"HttpsFirstBalancedModeAutoEnable", "HttpsUpgrades", "InterestFeedContentSuggestions", "IsolateOrigins", "MediaRouter",
	"OptimizationHints", "Prerender2", "Translate", "WebBluetooth", "WebUSB", "site-per-process",
}, ",")

// arguments returns the command line. Whatever the browser sends has to go
// through the proxy, names are resolved there.
func (o *Options) arguments(profile, proxy string) []string {
	args := []string{
		"--headless", "--user-data-dir=" + profile, "--no-first-run", "--no-default-browser-check",

		"--proxy-server=http://" + proxy, "--proxy-bypass-list=<-loopback>",
		"--host-resolver-rules=MAP * ~NOTFOUND , EXCLUDE 127.0.0.1",
		"--disable-quic", "--force-webrtc-ip-handling-policy=disable_non_proxied_udp", "--webrtc-ip-handling-policy=disable_non_proxied_udp",
		"--no-pings", "--dns-prefetch-disable",

		"--disable-background-networking", "--disable-component-update", "--disable-domain-reliability", "--disable-sync",
		"--disable-breakpad", "--disable-crash-reporter", "--disable-client-side-phishing-detection", "--safebrowsing-disable-auto-update",
		"--metrics-recording-only", "--disable-field-trial-config", "--disable-default-apps", "--disable-extensions",
		"--disable-component-extensions-with-background-pages", "--disable-features=" + off,

		"--deny-permission-prompts", "--disable-notifications", "--disable-file-system", "--disable-speech-api", "--noerrdialogs",
		"--password-store=basic", "--use-mock-keychain", "--disable-search-engine-choice-screen", "--disable-hang-monitor",
		"--block-new-web-contents",

		"--disable-gpu", "--disable-3d-apis", "--disable-remote-fonts", "--mute-audio", "--hide-scrollbars", "--force-color-profile=srgb",
		"--disable-background-timer-throttling", "--disable-backgrounding-occluded-windows", "--disable-renderer-backgrounding",
		"--disable-dev-shm-usage", "--disable-site-isolation-trials", "--blink-settings=imagesEnabled=false",
		"--js-flags=--max-old-space-size=" + fmt.Sprint(max(o.MaxMemory>>20, 64)),

		"--lang=en-US", "--accept-lang=en", "--window-size=1280,1024", "--user-agent=" + o.UserAgent,
	}
	if o.NoSandbox {
		args = append(args, "--no-sandbox")
	}
	return append(args, "about:blank")
}

// process is a running Chromium with its children.
type process struct {
	*conn
	cmd     *exec.Cmd
	pid     int // also that of its group
	profile string
	output  tail
	exited  chan struct{} // closed when it has ended and nothing of it is left
	once    sync.Once
}

// maxProfile bounds the name of the profile, in which Chromium makes a socket
// with a name of 46 bytes: all of it must fit into 107 (unix(7)).
const maxProfile = 107 - 46

// startProcess starts a Chromium, which may still fail: then it closes the
// connection.
func startProcess(o *Options, path, proxy string) (_ *process, err error) {
	profile, err := os.MkdirTemp(o.TempDir, "chromium")
	if err != nil {
		return nil, err
	}
	if runtime.GOOS == "linux" && len(profile) > maxProfile {
		os.Remove(profile)
		return nil, fmt.Errorf("render: the directory for temporary files, %s, has a longer name than Chromium can use", filepath.Dir(profile))
	}
	p := &process{profile: profile, exited: make(chan struct{})}
	var files []*os.File
	defer func() {
		for _, f := range files {
			f.Close()
		}
		if err != nil {
			os.RemoveAll(profile)
		}
	}()
	theirIn, ourOut, err := os.Pipe()
	if err != nil {
		return nil, err
	}
	files = append(files, theirIn)
	ourIn, theirOut, err := os.Pipe()
	if err != nil {
		ourOut.Close()
		return nil, err
	}
	files = append(files, theirOut)
	p.conn = newConn(ourIn, ourOut)
	p.cmd = exec.Command(path, o.arguments(profile, proxy)...)
	p.cmd.Dir = profile
	p.cmd.Env = environment(profile)
	p.cmd.Stdout, p.cmd.Stderr = &p.output, &p.output
	p.cmd.WaitDelay = time.Second // for the output, which children may hold open
	connect(p.cmd, theirIn, theirOut)
	ownGroup(p.cmd)

	started := make(chan error, 1)
	go func() {
		// The kernel takes the end of a thread for that of the parent.
		runtime.LockOSThread()
		defer runtime.UnlockOSThread()
		err := p.cmd.Start()
		started <- err
		if err != nil {
			return
		}
		_ = p.cmd.Wait() // however it ended
		endGroup(p.cmd.Process.Pid)
		p.w.Close()
		removeAll(profile)
		close(p.exited)
	}()
	if err := <-started; err != nil {
		ourIn.Close()
		ourOut.Close()
		return nil, err
	}
	p.pid = p.cmd.Process.Pid
	go p.read() // ends with the process
	return p, nil
}

// kill ends the browser and all of its children, and waits until nothing is
// left. Nothing of its state is worth an orderly end.
func (p *process) kill() {
	p.once.Do(func() { killGroup(p.pid) })
	<-p.exited
	<-p.gone
}

// removeAll removes a directory into which a dying process may still write.
func removeAll(dir string) {
	for range 20 {
		if os.RemoveAll(dir) == nil {
			return
		}
		time.Sleep(10 * time.Millisecond)
	}
}

// why returns what the browser said last about an end that nobody wanted.
func (p *process) why() string {
	text := p.output.String()
	switch {
	case strings.Contains(text, "No usable sandbox"), strings.Contains(text, "no-sandbox is not supported"), strings.Contains(text, "Failed to move to new namespace"):
		return "the system does not let it have a sandbox; see https://chromium.googlesource.com/chromium/src/+/main/docs/linux/sandboxing.md, or allow that it runs without"
	case text == "":
		return "it said nothing"
	}
	lines := strings.Split(strings.TrimSpace(text), "\n")
	last := len(lines) - 1
	for i, l := range lines {
		if strings.Contains(l, ":FATAL:") {
			last = i
		}
	}
	return "it said: " + strings.TrimSpace(lines[last])
}

// tail keeps the end of what is written to it.
type tail struct {
	mu   sync.Mutex
	text []byte
}

func (t *tail) Write(b []byte) (int, error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	const most = 4 << 10
	t.text = append(t.text, b...)
	if len(t.text) > most {
		t.text = append([]byte(nil), t.text[len(t.text)-most:]...)
	}
	return len(b), nil
}

func (t *tail) String() string {
	t.mu.Lock()
	defer t.mu.Unlock()
	return string(t.text)
}
