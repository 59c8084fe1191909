// SPDX-License-Identifier: Apache-2.0

package torture

import (
	"bufio"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"os/exec"
	"strings"
	"testing"
	"time"
)

// A backend is the server's process, and the next one, which waits for its turn
// so that a restart takes no longer than it must.
type backend struct {
	t       testing.TB
	orders  orders
	running *process
	next    *process
	kills   int
}

func newBackend(t testing.TB, o orders) *backend {
	b := &backend{t: t, orders: o}
	b.running, b.next = b.spawn(), b.spawn()
	b.tell(orderListen)
	t.Cleanup(func() {
		b.running.end()
		b.next.end()
	})
	return b
}

// become makes the next process a server of another kind.
func (b *backend) become(kind string) {
	if b.orders.Kind != kind {
		b.orders.Kind = kind
		b.next.end()
		b.next = b.spawn()
	}
}

// kill ends the server without a warning.
func (b *backend) kill() {
	b.running.end()
	b.kills++
}

// restart puts the next process in the place of the one that was killed.
func (b *backend) restart() {
	b.t.Helper()
	b.running, b.next = b.next, b.spawn()
	b.tell(orderListen)
}

// tell gives the server an order, and waits until it is carried out. It returns
// what the server says to it.
func (b *backend) tell(order string) string {
	b.t.Helper()
	reply, err := b.running.tell(order)
	if err != nil {
		b.t.Fatalf("server: %s: %v", order, err)
	}
	return reply
}

// A process is one run of the server.
type process struct {
	cmd     *exec.Cmd
	stdin   io.WriteCloser
	replies chan string
}

func (b *backend) spawn() *process {
	b.t.Helper()
	args, err := json.Marshal(b.orders)
	if err != nil {
		b.t.Fatal(err)
	}
	p := &process{cmd: exec.Command(self(b.t), roleServer, string(args)), replies: make(chan string, 1)}
	p.cmd.Stderr = os.Stderr
	stdout, err := p.cmd.StdoutPipe()
	if err != nil {
		b.t.Fatal(err)
	}
	if p.stdin, err = p.cmd.StdinPipe(); err != nil {
		b.t.Fatal(err)
	}
	if err := p.cmd.Start(); err != nil {
		b.t.Fatal(err)
	}
	go func() {
		defer close(p.replies)
		for lines := bufio.NewScanner(stdout); lines.Scan(); {
			p.replies <- lines.Text()
		}
	}()
	return p
}

func (p *process) tell(order string) (string, error) {
	if _, err := io.WriteString(p.stdin, order+"\n"); err != nil {
		return "", err
	}
	select {
	case reply := <-p.replies:
		said, ok := strings.CutPrefix(reply, "ok ")
		if !ok {
			return "", fmt.Errorf("got %q", reply)
		}
		return said, nil
	case <-time.After(patience):
		return "", fmt.Errorf("no reply within %s", patience)
	}
}

// end kills the process and waits for it. It may be called more than once.
func (p *process) end() {
	_ = p.cmd.Process.Kill() // unless it has ended
	for range p.replies {    // before Wait closes the pipe
	}
	_ = p.cmd.Wait() // says how it was killed
}

// self is the test binary.
func self(t testing.TB) string {
	t.Helper()
	name, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	return name
}
