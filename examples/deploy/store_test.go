// SPDX-License-Identifier: Apache-2.0

//go:build unix

package deploy_test

import (
	"os/exec"
	"strings"
	"testing"
)

const storePassword = "a password of the store"

func valkey(t *testing.T) string { return startStore(t, valkeyServer(t)) }

func redis(t *testing.T) string { return startStore(t, fromSystem(t, "redis-server", "redis-server")) }

// startStore runs Redis or Valkey until the test ends, and returns its URL.
func startStore(t *testing.T, program string) string {
	t.Helper()
	addr := freeAddr(t)
	cmd := exec.Command(program, "-") // reads its configuration
	cmd.Stdin = strings.NewReader("bind 127.0.0.1\nport " + portOf(addr) + "\nrequirepass \"" + storePassword + "\"\nsave \"\"\nappendonly no\n")
	said := newWatched("Ready to accept connections")
	cmd.Stdout, cmd.Stderr = said, said
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	ended := make(chan struct{})
	go func() { _ = cmd.Wait(); close(ended) }()
	t.Cleanup(func() {
		_ = cmd.Process.Kill() // gone already: fine
		<-ended
		if t.Failed() {
			t.Logf("the store said:\n%s", said)
		}
	})
	select {
	case <-said.found:
	case <-ended:
		t.Fatalf("%s has ended:\n%s", program, said)
	}
	return "redis://" + addr + "/0"
}
