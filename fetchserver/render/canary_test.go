// SPDX-License-Identifier: Apache-2.0

package render_test

import (
	"context"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/atrawog/mcp-oauth-gateway/fetchserver/fetch"
	"github.com/atrawog/mcp-oauth-gateway/fetchserver/render"
)

// canary notes what reaches it: the paths of HTTP requests, and packets.
type canary struct {
	mu   sync.Mutex
	seen map[string]int
}

func (c *canary) sing(what string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.seen == nil {
		c.seen = make(map[string]int)
	}
	c.seen[what]++
}

func (c *canary) heard() []string {
	c.mu.Lock()
	defer c.mu.Unlock()
	var all []string
	for what := range c.seen {
		all = append(all, what)
	}
	slices.Sort(all)
	return all
}

// listen has the canary on TCP and UDP at an address.
func (c *canary) listen(t *testing.T, address string) netip.AddrPort {
	t.Helper()
	l, err := net.Listen("tcp", address)
	if err != nil {
		t.Skipf("no canary can listen on %s: %v", address, err)
	}
	s := &httptest.Server{Listener: l, Config: &http.Server{
		Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			c.sing(strings.TrimPrefix(r.URL.Path, "/"))
			w.Header().Set("Access-Control-Allow-Origin", "*")
			w.Header().Set("Content-Type", "text/javascript")
		}),
		ConnState: func(_ net.Conn, state http.ConnState) {
			if state == http.StateNew {
				c.sing("a connection")
			}
		},
	}}
	s.Start()
	t.Cleanup(s.Close)
	udp, err := net.ListenPacket("udp", l.Addr().String())
	if err != nil {
		t.Skipf("no canary can listen on UDP: %v", err)
	}
	done := make(chan struct{})
	t.Cleanup(func() { udp.Close(); <-done })
	go func() {
		defer close(done)
		buf := make([]byte, 1500)
		for {
			if _, _, err := udp.ReadFrom(buf); err != nil {
				return
			}
			c.sing("a packet")
		}
	}()
	return netip.MustParseAddrPort(l.Addr().String())
}

// attack is a page that tries all it can to reach the host and port T. It says
// so when it is through.
const attack = `<!DOCTYPE html><html><head>
<link rel=stylesheet href="http://T/stylesheet"><link rel=preload as=fetch href="http://T/preload" crossorigin><link rel=prefetch href="http://T/prefetch">
<link rel=preconnect href="http://T"><link rel=dns-prefetch href="http://T"><link rel=icon href="http://T/icon"><link rel=manifest href="http://T/manifest">
<link rel=modulepreload href="http://T/modulepreload"><link rel=prerender href="http://T/prerender">
<script type=speculationrules>{"prerender":[{"urls":["http://T/speculation"],"eagerness":"immediate"}]}</script>
<style>@import "http://T/import"; body{background:url(http://T/background)} @font-face{font-family:x;src:url(http://T/font)} p{font-family:x}</style>
</head><body><p>text</p>
<script src="http://T/script"></script><script type=module>import("http://T/module").catch(() => {})</script>
<img src="http://T/img"><img srcset="http://T/srcset 2x"><picture><source srcset="http://T/source"></picture><svg><image href="http://T/svg"/></svg>
<iframe src="http://T/iframe"></iframe><iframe srcdoc='<iframe src="http://T/inner"></iframe>'></iframe><iframe src="data:text/html,<script src=http://T/data></script>"></iframe>
<iframe name=sink></iframe><form id=f method=post target=sink action="http://T/form"><input name=a value=b></form>
<form id=g target=_blank action="http://T/form-window"></form>
<object data="http://T/object"></object><embed src="http://T/embed"><video src="http://T/video"></video><audio src="http://T/audio" preload=auto></audio>
<a id=ping href="#x" ping="http://T/ping">a</a>
<script>
const busy = setInterval(() => document.body.append(document.createElement('i')), 50); // so that nobody takes it for complete
const T = 'T', tries = [], worker = src => new Worker(URL.createObjectURL(new Blob([src], {type: 'text/javascript'})));
const attempt = f => { try { const p = f(); if (p && p.then) tries.push(p.catch(() => {})); } catch {} };
attempt(() => fetch('http://' + T + '/fetch', {mode: 'no-cors'}));
attempt(() => fetch('http://' + T + '/fetch-keepalive', {mode: 'no-cors', keepalive: true}));
attempt(() => fetch('http://' + T + '/fetch-post', {method: 'POST', body: 'x', headers: {'content-type': 'application/json'}}));
attempt(() => new Promise(done => { const x = new XMLHttpRequest(); x.onloadend = done; x.open('GET', 'http://' + T + '/xhr'); x.send(); }));
attempt(() => new Promise(done => { const x = new XMLHttpRequest(); x.open('GET', 'http://' + T + '/xhr-sync', false); try { x.send() } finally { done() } }));
attempt(() => new Promise(done => { const w = new WebSocket('ws://' + T + '/websocket'); w.onopen = w.onerror = w.onclose = done; }));
attempt(() => new Promise(done => { const s = new EventSource('http://' + T + '/eventsource'); s.onopen = s.onerror = done; }));
attempt(() => navigator.sendBeacon('http://' + T + '/beacon', 'x'));
attempt(() => { new Image().src = 'http://' + T + '/image'; });
attempt(() => { window.open('http://' + T + '/window'); });
attempt(() => document.getElementById('f').submit());
attempt(() => document.getElementById('g').submit());
attempt(() => document.getElementById('ping').click());
attempt(() => new Promise(done => { const w = worker("fetch('http://T/worker', {mode: 'no-cors'}).catch(() => {}).then(() => postMessage(1))"); w.onmessage = w.onerror = done; }));
attempt(() => new Promise(done => { const w = worker("try { importScripts('http://T/importscripts') } catch {} postMessage(1)"); w.onmessage = w.onerror = done; }));
attempt(() => { new SharedWorker('data:text/javascript,fetch("http://T/sharedworker", {mode: "no-cors"})'); });
attempt(() => navigator.serviceWorker.register('sw.js').then(() => new Promise(done => setTimeout(done, 500))));
attempt(() => new WebTransport('https://' + T + '/webtransport').ready);
attempt(() => {
  const pc = new RTCPeerConnection({iceServers: [{urls: 'stun:' + T}, {urls: 'turn:' + T + '?transport=udp', username: 'u', credential: 'c'}, {urls: 'turn:' + T + '?transport=tcp', username: 'u', credential: 'c'}]});
  pc.createDataChannel('x');
  return pc.createOffer().then(o => pc.setLocalDescription(o)).then(() => new Promise(done => { pc.onicegatheringstatechange = () => pc.iceGatheringState === 'complete' && done(); setTimeout(done, 700); }));
});
attempt(() => CSS.paintWorklet && CSS.paintWorklet.addModule('http://' + T + '/worklet'));
Promise.race([Promise.all(tries), new Promise(done => setTimeout(done, 6000))]).then(() => { clearInterval(busy); const p = document.createElement('p'); p.textContent = 'through ' + tries.length; document.body.append(p); });
</script></body></html>`

// attackSite serves the attack on a target, which may be known later.
func attackSite(target func() string) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		if strings.HasSuffix(r.URL.Path, "/sw.js") {
			w.Header().Set("Content-Type", "text/javascript")
			fmt.Fprint(w, strings.ReplaceAll(`fetch('http://T/serviceworker', {mode: 'no-cors'}).catch(() => {}); oninstall = e => e.waitUntil(fetch('http://T/serviceworker', {mode: 'no-cors'}).catch(() => {}))`, "T", target()))
			return
		}
		html(w, strings.ReplaceAll(strings.ReplaceAll(attack, "//T", "//"+target()), "'T'", "'"+target()+"'"))
	}
}

// TestPrivateAddresses: nothing that a page tries gets to an address that may
// not be fetched from, nor to one that its name leads to later.
func TestPrivateAddresses(t *testing.T) {
	var bird canary
	target := bird.listen(t, "127.0.0.1:0").String()
	b, base := calm(t, attackSite(func() string { return target }))
	resp, err := b.Render(t.Context(), &fetch.Request{URL: base + "/"})
	if err != nil {
		t.Fatal(err)
	}
	if !strings.Contains(string(resp.Body), "through ") {
		t.Errorf("the page did not come to its end:\n%s", resp.Body)
	}
	for _, path := range []string{"/refresh", "/leave", "/redirect", "/frames"} {
		b, base := calm(t, func(w http.ResponseWriter, r *http.Request) {
			switch {
			case strings.HasSuffix(r.URL.Path, "/refresh"):
				html(w, `<meta http-equiv=refresh content="0;url=http://`+target+`/refresh"><p>stays</p>`)
			case strings.HasSuffix(r.URL.Path, "/leave"):
				html(w, `<p>stays</p><a download href="http://`+target+`/download"></a><script>document.links[0].click(); location.href = 'http://`+target+`/location'</script>`)
			case strings.HasSuffix(r.URL.Path, "/redirect"), strings.HasSuffix(r.URL.Path, "/away"):
				http.Redirect(w, r, "http://"+target+"/redirect", http.StatusFound)
			default:
				html(w, `<p>stays</p><iframe src="away"></iframe><script>fetch('away')</script><script src="away"></script>`)
			}
		})
		resp, err := b.Render(t.Context(), &fetch.Request{URL: base + path})
		switch {
		case path == "/redirect":
			wantCode(t, err, fetch.CodePort) // the address is judged later
		case err != nil || !strings.Contains(string(resp.Body), "stays"):
			t.Errorf("%s: error %v", path, err)
		}
	}
	if heard := bird.heard(); len(heard) > 0 {
		t.Errorf("the canary heard %q", heard)
	}
}

// TestReach has a browser that may reach more, in the ways in which it may.
func TestReach(t *testing.T) {
	var bird, other canary
	target := bird.listen(t, "127.0.0.1:0")
	attacker := httptest.NewServer(attackSite(target.String))
	t.Cleanup(attacker.Close)
	encrypted := httptest.NewTLSServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { t.Error("a page was asked for") }))
	encrypted.Config.ErrorLog = slog.NewLogLogger(slog.DiscardHandler, slog.LevelError)
	t.Cleanup(encrypted.Close)
	rebinding := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Connection", "close") // so that the name is resolved again
		if r.URL.Path == "/data" {
			fmt.Fprint(w, "from the site")
			return
		}
		html(w, `<p id=p></p><script>
			(async () => { for (let n = 0; n < 5; n++) { try { p.append(await (await fetch('/data?' + n)).text()); } catch { p.append(' refused '); } } })();
		</script>`)
	}))
	t.Cleanup(rebinding.Close)
	endpoint := func(s *httptest.Server) netip.AddrPort { return netip.MustParseAddrPort(s.Listener.Addr().String()) }
	resolver := nameServer(t, func(_ string, before int) netip.Addr {
		if before < 2 {
			return endpoint(rebinding).Addr()
		}
		return netip.MustParseAddr("127.0.0.2")
	})
	b := newBrowser(t, render.Options{MaxSettle: 20 * time.Second}, fetch.Options{
		AllowEndpoints: []netip.AddrPort{target, endpoint(attacker), endpoint(encrypted), endpoint(rebinding)}, Resolver: resolver,
	})

	// The attack is one: with the target allowed, it gets through in many
	// ways, though not in those that pages do not need.
	t.Run("attack", func(t *testing.T) {
		if _, err := b.Render(t.Context(), &fetch.Request{URL: attacker.URL}); err != nil {
			t.Fatal(err)
		}
		heard := bird.heard()
		for _, want := range []string{
			"stylesheet", "script", "module", "import", "iframe", "inner", "data", "form", "fetch", "fetch-keepalive", "fetch-post", "xhr", "xhr-sync",
			"websocket", "eventsource", "worker", "importscripts", "serviceworker",
		} {
			if !slices.Contains(heard, want) {
				t.Errorf("%s did not get through", want)
			}
		}
		for _, refused := range []string{"img", "image", "video", "audio", "font", "icon", "beacon", "ping", "window", "a packet"} {
			if slices.Contains(heard, refused) {
				t.Errorf("%s got through", refused)
			}
		}
	})
	// A name leads to the site first, and then to another address where a
	// canary listens on the same port.
	t.Run("rebinding", func(t *testing.T) {
		port := endpoint(rebinding).Port()
		other.listen(t, fmt.Sprintf("127.0.0.2:%d", port))
		resp, err := b.Render(t.Context(), &fetch.Request{URL: fmt.Sprintf("http://rebind.example:%d/", port)})
		if err != nil {
			t.Fatal(err)
		}
		if body := string(resp.Body); !strings.Contains(body, "from the site") || !strings.Contains(body, "refused") {
			t.Errorf("body: %s", body)
		}
		if heard := other.heard(); len(heard) > 0 {
			t.Errorf("the canary heard %q", heard)
		}
	})
	// Encrypted pages go through a tunnel, and the browser judges the
	// certificate at its end.
	t.Run("certificate", func(t *testing.T) {
		_, err := b.Render(t.Context(), &fetch.Request{URL: encrypted.URL})
		wantCode(t, err, fetch.CodeTLS)
	})
}

// TestProxyIsPrivate: another process on this machine cannot use the proxy.
func TestProxyIsPrivate(t *testing.T) {
	b, base := calm(t, func(w http.ResponseWriter, _ *http.Request) { html(w, "fine") })
	for _, credentials := range []string{"", "Basic cGFnZTo=", "Basic cGFnZTpndWVzcw==", "Bearer x"} {
		req, err := http.NewRequestWithContext(context.Background(), http.MethodGet, base+"/", nil)
		if err != nil {
			t.Fatal(err)
		}
		if credentials != "" {
			req.Header.Set("Proxy-Authorization", credentials)
		}
		conn, err := net.Dial("tcp", b.ProxyAddress())
		if err != nil {
			t.Fatal(err)
		}
		defer conn.Close()
		if err := req.WriteProxy(conn); err != nil {
			t.Fatal(err)
		}
		answer := make([]byte, 12)
		if _, err := conn.Read(answer); err != nil || string(answer) != "HTTP/1.1 407" {
			t.Errorf("with %q the proxy answers %q, error %v", credentials, answer, err)
		}
	}
}
