// SPDX-License-Identifier: Apache-2.0

package inbody

import (
	"errors"
	"io"
	"net/http/httptest"
	"strings"
	"testing"
	"time"
)

// writer notes the deadlines that are set.
type writer struct {
	*httptest.ResponseRecorder
	deadlines []time.Time
}

func (w *writer) SetReadDeadline(t time.Time) error {
	w.deadlines = append(w.deadlines, t)
	return nil
}

func TestDeadlineIsLifted(t *testing.T) {
	w := new(writer)
	b := New(w, io.NopCloser(strings.NewReader("{}")))
	b.Limit(time.Minute)
	if data, err := io.ReadAll(b); err != nil || string(data) != "{}" {
		t.Errorf("%q, %v", data, err)
	}
	if len(w.deadlines) != 2 || w.deadlines[0].IsZero() || !w.deadlines[1].IsZero() {
		t.Errorf("deadlines: %v", w.deadlines)
	}
}

// The writer is left alone once the handler has returned, which does not wait
// for what a client may never send.
func TestOver(t *testing.T) {
	w := new(writer)
	from, to := io.Pipe()
	b := New(w, from)
	b.Limit(time.Minute)
	read := make(chan error)
	go func() {
		_, err := b.Read(make([]byte, 1))
		read <- err
	}()
	time.Sleep(10 * time.Millisecond) // it may have begun or not
	b.Over()
	left := errors.New("left")
	to.CloseWithError(left)
	if err := <-read; !errors.Is(err, left) {
		t.Error(err)
	}
	if len(w.deadlines) != 1 {
		t.Errorf("deadlines: %v", w.deadlines)
	}
	if err := b.Close(); err != nil {
		t.Error(err)
	}
}
