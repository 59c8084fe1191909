// SPDX-License-Identifier: Apache-2.0

//go:build unix

package interop_test

import (
	"bufio"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"os/exec"
	"slices"
	"sync"
	"syscall"
	"testing"
	"time"
)

// A driver does with one client what it is told. Foreign ones are programs
// that read commands and write what came of them, see testdata/driver.mjs.
type driver struct {
	hand func(command) error // gives the client a command

	mu      sync.Mutex
	lastID  int                // guarded by mu
	waiting map[int]chan reply // guarded by mu
	events  []event            // guarded by mu; not yet taken
	changed chan struct{}      // guarded by mu; closed at the next event
	broken  error              // guarded by mu; why nothing more will come
}

type command struct {
	ID     int    `json:"id"`
	Op     string `json:"op"`
	Params any    `json:"params"`
}

// A line is what a driver writes: a reply or an event.
type line struct {
	reply
	event
}

type reply struct {
	ID     int             `json:"id"`
	Result json.RawMessage `json:"result"`
	Error  *clientError    `json:"error"`
}

// An event is a notification or a request that the server sent. Progress has
// the id of the command that made the call.
type event struct {
	Method string          `json:"event"`
	Params json.RawMessage `json:"params"`
}

// clientError is an error as the client shows it to its user.
type clientError struct {
	Code    int    `json:"code"`
	Message string `json:"message"`
}

func (e *clientError) Error() string { return fmt.Sprintf("%s (code %d)", e.Message, e.Code) }

func newDriver(hand func(command) error) *driver {
	return &driver{hand: hand, waiting: map[int]chan reply{}, changed: make(chan struct{})}
}

// send gives a command and returns its id and where the reply will be.
func (d *driver) send(op string, params any) (int, <-chan reply, error) {
	c := make(chan reply, 1)
	d.mu.Lock()
	if d.broken != nil {
		defer d.mu.Unlock()
		return 0, nil, d.broken
	}
	d.lastID++
	id := d.lastID
	d.waiting[id] = c
	d.mu.Unlock()
	if params == nil {
		params = struct{}{}
	}
	return id, c, d.hand(command{ID: id, Op: op, Params: params})
}

func (d *driver) receive(l line) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if l.event.Method != "" {
		d.events = append(d.events, l.event)
		close(d.changed)
		d.changed = make(chan struct{})
		return
	}
	if c := d.waiting[l.reply.ID]; c != nil {
		delete(d.waiting, l.reply.ID)
		c <- l.reply
	}
}

// fail answers all that waits, since nothing more will come.
func (d *driver) fail(err error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.broken = err
	for id, c := range d.waiting {
		c <- reply{ID: id, Error: &clientError{Message: err.Error()}}
	}
	clear(d.waiting)
	close(d.changed)
	d.changed = make(chan struct{})
}

// take removes the first event that matches, and waits for it if need be.
func (d *driver) take(ctx context.Context, match func(event) bool) (event, error) {
	for {
		d.mu.Lock()
		i := slices.IndexFunc(d.events, match)
		if i >= 0 {
			found := d.events[i]
			d.events = slices.Delete(d.events, i, i+1)
			d.mu.Unlock()
			return found, nil
		}
		changed, broken := d.changed, d.broken
		d.mu.Unlock()
		if broken != nil {
			return event{}, broken
		}
		select {
		case <-changed:
		case <-ctx.Done():
			return event{}, context.Cause(ctx)
		}
	}
}

// pending lists the events that match and were not taken.
func (d *driver) pending(match func(event) bool) []event {
	d.mu.Lock()
	defer d.mu.Unlock()
	var found []event
	for _, e := range d.events {
		if match(e) {
			found = append(found, e)
		}
	}
	return found
}

// startDriver runs a driver as a program until the test ends. It must end by
// itself when its input does.
func startDriver(t *testing.T, args ...string) *driver {
	t.Helper()
	cmd := exec.Command(args[0], args[1:]...)
	cmd.Dir = inTestdata("")
	stderr := &output{}
	cmd.Stderr = stderr
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	cmd.WaitDelay = 5 * time.Second
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
	var writing sync.Mutex
	d := newDriver(func(c command) error {
		writing.Lock()
		defer writing.Unlock()
		return json.NewEncoder(stdin).Encode(c)
	})
	read := make(chan struct{})
	go func() {
		defer close(read)
		d.fail(d.read(stdout))
	}()
	t.Cleanup(func() {
		stdin.Close()
		kill := time.AfterFunc(time.Minute, func() {
			t.Errorf("%s did not end with its input", args[0])
			syscall.Kill(-cmd.Process.Pid, syscall.SIGKILL)
		})
		<-read
		err := cmd.Wait()
		kill.Stop()
		if err != nil {
			t.Errorf("the driver: %v", err)
		}
		if t.Failed() {
			t.Logf("the driver wrote:\n%s", stderr)
		}
	})
	return d
}

func (d *driver) read(stdout io.Reader) error {
	for r := bufio.NewReader(stdout); ; {
		text, err := r.ReadBytes('\n')
		if err != nil {
			return fmt.Errorf("the driver's output ended: %w", err)
		}
		var l line
		if err := json.Unmarshal(text, &l); err != nil {
			return fmt.Errorf("the driver wrote %.100q: %w", text, err)
		}
		d.receive(l)
	}
}

// output keeps what a program writes, and the beginning of it if it is much.
type output struct {
	mu   sync.Mutex
	text []byte // guarded by mu
}

const maxOutput = 64 << 10

func (o *output) Write(p []byte) (int, error) {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.text = append(o.text, p[:min(len(p), maxOutput-len(o.text))]...)
	return len(p), nil
}

func (o *output) String() string {
	o.mu.Lock()
	defer o.mu.Unlock()
	return string(o.text)
}
