// SPDX-License-Identifier: Apache-2.0

package child

import (
	"os"
	"strings"
	"testing"
)

func queue(o *outbox, frame []byte) error {
	_, err := o.queue(frame)
	return err
}

func TestOutboxIsBounded(t *testing.T) {
	r, w, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	o := newOutbox(w, 100)
	if err := queue(o, []byte(`{"long":"`+strings.Repeat("x", 200)+`"}`)); err != nil {
		t.Errorf("into an empty queue: %v", err)
	}
	if err := queue(o, []byte(`{}`)); err != ErrBusy {
		t.Errorf("into a full queue: %v", err)
	}
	go o.run()
	buf := make([]byte, 1000)
	if n, err := r.Read(buf); err != nil || n != 212 {
		t.Errorf("read %d, %v", n, err)
	}
	if err := queue(o, []byte("{\r\n}")); err != nil {
		t.Error(err)
	}
	if n, err := r.Read(buf); err != nil || string(buf[:n]) != "{  }\n" {
		t.Errorf("read %q, %v", buf[:n], err)
	}
	o.close()
	o.close()
	if err := queue(o, []byte("{}")); err != ErrClosed {
		t.Errorf("after close: %v", err)
	}
}

// The room that a large message took is not kept after it was written.
func TestOutboxForgetsLargeBuffers(t *testing.T) {
	o := newOutbox(nil, 100)
	if err := queue(o, make([]byte, 2*keep)); err != nil {
		t.Fatal(err)
	}
	if n := len(o.take()); n != 2*keep+1 {
		t.Errorf("took %d bytes", n)
	}
	if lines := o.take(); lines != nil || cap(o.spare) > keep || cap(o.lines) > keep {
		t.Errorf("kept %d and %d bytes", cap(o.spare), cap(o.lines))
	}
}
