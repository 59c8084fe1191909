// SPDX-License-Identifier: Apache-2.0

package replica_test

import (
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"

	"github.com/atrawog/mcp-oauth-gateway/shproxy/replica"
)

// Two replicas, here in one process, share a directory and a key. A request for
// a session of the first one that comes to the second is passed on.
func ExampleMember() {
	var directory replica.Directory = new(replica.Memory)
	ctx := context.Background()
	start := func() (*replica.Member, *httptest.Server) {
		listener, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			panic(err)
		}
		m, err := replica.New(replica.Options{Directory: directory, Key: []byte(strings.Repeat("secret", 6)), Listener: listener})
		if err != nil {
			panic(err)
		}
		// In a real program this is what checks who calls, and then a
		// shproxy.Proxy with m in its Options.Replicas.
		h := m.Wrap(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			fmt.Fprintln(w, r.Header.Get("Mcp-Session-Id") == m.Name()+".1")
		}))
		if err := m.Start(ctx, h); err != nil {
			panic(err)
		}
		return m, httptest.NewServer(h)
	}
	first, one := start()
	second, two := start()
	defer one.Close()
	defer two.Close()

	r, _ := http.NewRequest(http.MethodPost, two.URL, strings.NewReader("{}"))
	r.Header.Set("Mcp-Session-Id", first.Name()+".1")
	resp, err := http.DefaultClient.Do(r)
	if err != nil {
		panic(err)
	}
	answer, _ := io.ReadAll(resp.Body)
	fmt.Print("served by its owner: ", string(answer))
	fmt.Println("passed on:", second.Status().Forwarded["ok"])

	first.Retire(ctx) // no newcomers
	first.Drain(ctx)
	_ = first.Close(ctx)
	_ = second.Close(ctx)
	// Output:
	// served by its owner: true
	// passed on: 1
}

// The status tells what the replicas know of each other.
func ExampleStatus() {
	show := func(s replica.Status) {
		if s.State == replica.StateDraining {
			fmt.Println("this replica is about to end")
		}
		for _, other := range s.Others {
			fmt.Println(sessions(other))
		}
	}
	show(replica.Status{State: replica.StateServing, Others: []replica.Peer{{Name: "k5qz", Address: "10.0.0.7:7443", State: replica.StateServing, Sessions: 3}}})
	// Output:
	// k5qz at 10.0.0.7:7443 has 3 sessions
}

func sessions(p replica.Peer) string {
	return fmt.Sprintf("%s at %s has %d sessions", p.Name, p.Address, p.Sessions)
}
