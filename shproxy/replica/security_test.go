// SPDX-License-Identifier: Apache-2.0

package replica

import (
	"bytes"
	"context"
	"crypto/tls"
	"encoding/json"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"
	"time"
)

var otherKey = bytes.Repeat([]byte("o"), MinKey)

// put writes into the directory what it is given, as somebody could who has the
// password of Redis and no key.
func put(t *testing.T, d Directory, name string, record []byte) {
	t.Helper()
	if err := d.Put(t.Context(), name, record, time.Hour); err != nil {
		t.Fatal(err)
	}
}

// trap is a server at an address of an attacker's. Nobody must come to it.
func trap(t *testing.T) (address string, visits *atomic.Int64) {
	t.Helper()
	visits = new(atomic.Int64)
	server := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { visits.Add(1) }))
	server.Config.ConnState = func(net.Conn, http.ConnState) { visits.Add(1) }
	t.Cleanup(server.Close)
	return server.Listener.Addr().String(), visits
}

// Who can write to the directory, but has no key, cannot have requests sent
// anywhere.
func TestForgedRecords(t *testing.T) {
	t.Parallel()
	d := new(faulty)
	a := join(t, d, testKey, nil)
	address, visits := trap(t)
	name := newName()
	r := record{Protocol: protocol, Name: name, Address: address, State: StateServing, Count: 1 << 62}
	keys, err := newKeys(testKey, newName())
	if err != nil {
		t.Fatal(err)
	}
	forger, err := newKeys(otherKey, name)
	if err != nil {
		t.Fatal(err)
	}
	plain, _ := json.Marshal(r)
	genuine := r.encode(keys)
	old := r
	old.Protocol = "shproxy replica 0"
	nowhere := r
	nowhere.Address = "127.0.0.1"
	names := []string{name}
	put(t, d, name, genuine[1:])
	for _, forged := range [][]byte{
		r.encode(forger), plain, append([]byte("."), plain...), {}, bytes.Repeat([]byte("x"), 2*maxRecord),
		bytes.Replace(genuine, []byte(address), []byte("192.0.2.1:1"), 1), genuine, old.encode(keys), nowhere.encode(keys),
		[]byte(keys.mac([]byte("null")) + ".null"), []byte(keys.mac([]byte("{")) + ".{"),
	} {
		other := newName() // for the genuine one, not its own
		names = append(names, other)
		put(t, d, other, forged)
	}
	put(t, d, "../../x\n", genuine)
	for _, name := range names {
		a.wantStatus(name+".1", http.StatusNotFound)
	}
	if others := a.Status().Others; len(others) != 0 {
		t.Errorf("known are %+v", others)
	}
	a.eventually(func() bool {
		return strings.Count(a.log.String(), "a record of the directory is not used") == len(names)+1
	})
	if a.Pass(httptest.NewRecorder(), httptest.NewRequest(http.MethodPost, "/", nil), "", nil) {
		t.Error("a newcomer is sent somewhere")
	}
	if visits.Load() != 0 {
		t.Error("somebody came to the attacker's address")
	}
}

// Replicas with different keys do not know each other.
func TestOtherKey(t *testing.T) {
	t.Parallel()
	d := new(faulty)
	a, b := join(t, d, testKey, nil), join(t, d, otherKey, nil)
	a.wantStatus(b.name+".1", http.StatusNotFound)
	b.wantStatus(a.name+".1", http.StatusNotFound)
	a.eventually(func() bool { return strings.Contains(a.log.String(), errForged.Error()) })
	if n := a.Status().Unusable; n != 1 {
		t.Errorf("%d records are unusable", n)
	}
}

// Two replicas that tell the same address hear of it, since the requests of one
// come to the other.
func TestSameAddress(t *testing.T) {
	t.Parallel()
	d := new(faulty)
	a := joinShortly(t, d)
	b, err := New(Options{Directory: d, Key: testKey, Listener: listen(t), Address: a.Status().Address, Interval: shortInterval})
	if err != nil {
		t.Fatal(err)
	}
	if err := b.Start(t.Context(), http.NotFoundHandler()); err != nil {
		t.Fatal(err)
	}
	a.eventually(func() bool {
		return a.Status().Unusable == 1 && strings.Contains(a.log.String(), errSameAddress.Error())
	})
	if err := b.Close(t.Context()); err != nil {
		t.Error(err)
	}
	a.eventually(func() bool { return a.Status().Unusable == 0 })
}

// A session id holds the name of a replica and no address, whatever it looks
// like.
func TestSessionIDIsNoAddress(t *testing.T) {
	t.Parallel()
	a := join(t, new(faulty), testKey, nil)
	address, visits := trap(t)
	for _, id := range []string{
		address, address + ".1", "http://" + address + "/.1", "@" + address + ".1", "//" + address, address + "/" + strings.Repeat("a", 8) + ".1",
		strings.Repeat("a", nameLength) + "@" + address + ".1", strings.Repeat("a", 1<<14) + ".1", ".", "..", "%00.1",
	} {
		for name := range map[string]bool{id: true, strings.ToUpper(id): true} {
			if _, named := owner(name); named {
				t.Errorf("%q is taken for a name", name)
			}
			a.wantStatus(name, http.StatusOK) // by this replica, which has none of that name
		}
		w := httptest.NewRecorder()
		if a.Pass(w, httptest.NewRequest(http.MethodPost, "/", nil), id, nil) && id != "" {
			t.Errorf("Pass goes to %q", id)
		}
	}
	if visits.Load() != 0 {
		t.Error("somebody came to the attacker's address")
	}
}

// The record of a replica that has died, written again, leads to nobody but
// that replica.
func TestReplayedRecord(t *testing.T) {
	t.Parallel()
	d := new(faulty)
	a := joinShortly(t, d)
	b := joinShortly(t, d)
	a.knows(1)
	records, err := d.List(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	address := b.o.Address
	b.die()

	var got atomic.Pointer[string]
	listen := func() net.Listener {
		t.Helper()
		l, err := net.Listen("tcp", address)
		if err != nil {
			t.Skip("the port was taken by another program: ", err)
		}
		return l
	}
	note := http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		text := r.Header.Get("Authorization")
		got.Store(&text)
	})
	again := func() {
		t.Helper()
		put(t, d, b.name, records[b.name])
		for _, m := range []*tester{a, joinShortly(t, d)} { // one that has known it, and one that has not
			resp, body := m.send(b.name+".1", "{}", "Authorization", "Bearer secret")
			if resp.StatusCode != http.StatusNotFound && resp.StatusCode != http.StatusServiceUnavailable {
				t.Errorf("%s %s", resp.Status, body)
			}
			m.eventually(func() bool {
				resp, _ := m.send(b.name+".1", "{}", "Authorization", "Bearer secret")
				return resp.StatusCode == http.StatusNotFound
			})
			for _, other := range m.Status().Others {
				if other.Name == b.name {
					m.eventually(func() bool { return !strings.Contains(strings.Join(names(m.Status()), " "), b.name) })
				}
			}
		}
		if got.Load() != nil {
			t.Fatalf("the attacker reads %q", *got.Load())
		}
	}
	t.Run("Nobody", func(t *testing.T) { again() })
	t.Run("Plain", func(t *testing.T) {
		server := &http.Server{Handler: note}
		l := listen()
		go func() { _ = server.Serve(l) }()
		defer server.Close()
		again()
	})
	t.Run("OtherKey", func(t *testing.T) {
		keys, err := newKeys(otherKey, b.name)
		if err != nil {
			t.Fatal(err)
		}
		config := keys.server()
		config.ClientAuth = tls.RequestClientCert
		l := tls.NewListener(listen(), config)
		server := &http.Server{Handler: note}
		go func() { _ = server.Serve(l) }()
		defer server.Close()
		again()
	})
	t.Run("OtherReplica", func(t *testing.T) {
		c := joinAt(t, listen(), shortInterval, d, testKey, func(*Member) http.Handler { return note })
		a.eventually(func() bool { return strings.Contains(strings.Join(names(a.Status()), " "), c.name) })
		again()
	})
}

func names(s Status) (all []string) {
	for _, p := range s.Others {
		all = append(all, p.Name)
	}
	return all
}

// Nobody but a replica can speak to the listener for replicas.
func TestListenerIsForReplicas(t *testing.T) {
	t.Parallel()
	d := new(faulty)
	var served atomic.Int64
	a := join(t, d, testKey, func(*Member) http.Handler {
		return http.HandlerFunc(func(http.ResponseWriter, *http.Request) { served.Add(1) })
	})
	forger, err := newKeys(otherKey, newName())
	if err != nil {
		t.Fatal(err)
	}
	genuine, err := newKeys(testKey, newName())
	if err != nil {
		t.Fatal(err)
	}
	old := genuine.client(a.name)
	old.MinVersion, old.MaxVersion = tls.VersionTLS12, tls.VersionTLS12
	for name, config := range map[string]*tls.Config{
		"no certificate": {InsecureSkipVerify: true},
		"another key":    {InsecureSkipVerify: true, Certificates: []tls.Certificate{forger.own}},
		"TLS 1.2":        old,
	} {
		client := &http.Client{Transport: &http.Transport{TLSClientConfig: config}}
		resp, err := client.Get("https://" + a.o.Address + "/mcp")
		if err == nil {
			resp.Body.Close()
			t.Errorf("%s: %s", name, resp.Status)
		}
	}
	conn, err := net.Dial("tcp", a.o.Address)
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	_, _ = io.WriteString(conn, "GET /mcp HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
	_, _ = io.Copy(io.Discard, conn)
	if served.Load() != 0 {
		t.Error("a stranger was served")
	}
	client := &http.Client{Transport: &http.Transport{TLSClientConfig: genuine.client(a.name)}}
	resp, err := client.Get("https://" + a.o.Address + "/mcp")
	if err != nil || served.Load() != 1 {
		t.Fatalf("a replica is not served: %v", err)
	}
	resp.Body.Close()
	client.CloseIdleConnections()
}

// What was passed on is not passed on again, and is recognized by the listener
// it came by, not by anything in it.
func TestOneHop(t *testing.T) {
	t.Parallel()
	d := new(faulty)
	a, b, c := join(t, d, testKey, nil), join(t, d, testKey, nil), join(t, d, testKey, nil)
	for _, m := range []*tester{a, b, c} {
		m.knows(2)
	}
	to, _ := a.known(b.name)
	r := httptest.NewRequestWithContext(t.Context(), http.MethodPost, "http://mcp.example/mcp", strings.NewReader("{}"))
	r.Header.Set(headerSession, c.name+".1")
	w := httptest.NewRecorder()
	if p := a.try(w, r, to, false); p.err != nil || w.Code != http.StatusNotFound || w.Header().Get("Answered-By") != b.name {
		t.Errorf("%v, %d by %s", p.err, w.Code, w.Header().Get("Answered-By"))
	}
	if got := c.Status().Received; got != 0 {
		t.Errorf("the owner got %d requests", got)
	}
	// Everything that a client sends is still there, and nothing was added.
	plain := join(t, d, testKey, func(m *Member) http.Handler {
		return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			r.Header.Del("Accept-Encoding")
			r.Header.Del("Content-Length")
			r.Header.Del("User-Agent")
			_ = r.Header.Write(w)
		})
	})
	a.knows(3)
	header := []string{
		"Authorization", "Bearer x", "X-Forwarded-For", "192.0.2.1", "X-Forwarded-Host", "evil.example", "X-Forwarded-Proto", "https",
		"Forwarded", "for=192.0.2.1", "Via", "1.1 evil", "Dpop", "proof", "Cookie", "a=b", "Origin", "https://app.example",
	}
	_, direct := plain.send(plain.name+".1", "", header...)
	_, passed := a.send(plain.name+".1", "", header...)
	if direct != passed {
		t.Errorf("directly:\n%s\npassed on:\n%s", direct, passed)
	}
}

// When a client leaves, the owner learns of it; when the owner breaks off, the
// client does.
func TestCancel(t *testing.T) {
	t.Parallel()
	d := new(faulty)
	left, stop := make(chan struct{}), make(chan struct{})
	b := join(t, d, testKey, func(*Member) http.Handler {
		return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			_, _ = io.WriteString(w, "data: 1\n\n")
			_ = http.NewResponseController(w).Flush()
			if r.Method == http.MethodDelete {
				<-stop
				panic(http.ErrAbortHandler)
			}
			<-r.Context().Done()
			close(left)
		})
	})
	a := join(t, d, testKey, nil)
	open := func(ctx context.Context, method string) io.Reader {
		t.Helper()
		r, err := http.NewRequestWithContext(ctx, method, a.url, nil)
		if err != nil {
			t.Fatal(err)
		}
		r.Header.Set(headerSession, b.name+".1")
		resp, err := http.DefaultClient.Do(r)
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { resp.Body.Close() })
		first := make([]byte, len("data: 1\n\n"))
		if _, err := io.ReadFull(resp.Body, first); err != nil { // at once, not at the end
			t.Fatal(err)
		}
		return resp.Body
	}
	ctx, cancel := context.WithCancel(t.Context())
	open(ctx, http.MethodGet)
	cancel()
	<-left
	rest := open(t.Context(), http.MethodDelete)
	close(stop)
	if _, err := io.ReadAll(rest); err == nil {
		t.Error("the client takes what it got for the whole")
	}
}

// One that ends while it works on a request leaves the client with an error, and
// not with a second try.
func TestBroken(t *testing.T) {
	t.Parallel()
	d := new(faulty)
	begun, calls := make(chan struct{}, 10), new(atomic.Int64)
	b := join(t, d, testKey, func(*Member) http.Handler {
		return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			calls.Add(1)
			begun <- struct{}{}
			<-r.Context().Done()
		})
	})
	a := join(t, d, testKey, nil)
	go func() {
		<-begun
		b.die()
	}()
	if resp, body := a.send(b.name+".1", "{}"); resp.StatusCode != http.StatusBadGateway || !json.Valid([]byte(body)) {
		t.Errorf("%s %s", resp.Status, body)
	}
	a.wantStatus(b.name+".1", http.StatusNotFound)
	if calls.Load() != 1 {
		t.Errorf("it was sent %d times", calls.Load())
	}
	if f := a.Status().Forwarded; f["failed"] != 1 || f["gone"] != 1 {
		t.Errorf("counted %v", f)
	}
}

// One that ends between the header and the body of its answer does not make the
// one in front look as if it had failed: a load balancer would leave out that one
// too.
func TestBrokenAfterHeader(t *testing.T) {
	t.Parallel()
	d := new(faulty)
	b := join(t, d, testKey, func(*Member) http.Handler {
		return http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Length", "5")
			_ = http.NewResponseController(w).Flush()
			panic(http.ErrAbortHandler)
		})
	})
	a := join(t, d, testKey, nil)
	for range 50 {
		resp := a.raw(b.name+".1", "Content-Length: 2\r\n", "{}") // fails without the header of an answer
		if resp.StatusCode != http.StatusOK && resp.StatusCode != http.StatusBadGateway {
			t.Errorf("%s", resp.Status)
		}
	}
	if f := a.Status().Forwarded; f["ok"]+f["failed"] != 50 {
		t.Errorf("counted %v", f)
	}
}

func FuzzDecode(f *testing.F) {
	keys, err := newKeys(testKey, newName())
	if err != nil {
		f.Fatal(err)
	}
	name := strings.Repeat("a", nameLength)
	r := record{Protocol: protocol, Name: name, Address: "127.0.0.1:1", State: StateServing, Count: 1}
	genuine := r.encode(keys)
	f.Add(genuine)
	f.Add([]byte("."))
	f.Add([]byte{})
	f.Fuzz(func(t *testing.T, data []byte) {
		if got, err := keys.decode(name, data); err == nil && (got != r || !bytes.Equal(data, genuine)) {
			t.Errorf("a record that was not made is taken: %q", data)
		}
	})
}

func FuzzOwner(f *testing.F) {
	f.Add(strings.Repeat("a", nameLength) + ".1")
	f.Add("127.0.0.1:80.1")
	f.Fuzz(func(t *testing.T, id string) {
		name, named := owner(id)
		if named && (len(name) != nameLength || !strings.HasPrefix(id, name+".") || strings.ContainsAny(name, ":/@.%[]\x00\n ")) {
			t.Errorf("%q names %q", id, name)
		}
	})
}
