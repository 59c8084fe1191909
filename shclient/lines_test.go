// SPDX-License-Identifier: Apache-2.0

package shclient

import (
	"bytes"
	"context"
	"errors"
	"io"
	"testing"
)

// pieces reads n bytes at a time.
type pieces struct {
	r io.Reader
	n int
}

func (p pieces) Read(b []byte) (int, error) { return p.r.Read(b[:min(len(b), p.n)]) }

// FuzzLineReader holds that lines come out whole and in order, however the
// input is cut, and that none is longer than allowed.
func FuzzLineReader(f *testing.F) {
	f.Add([]byte("{}\n{\"s\":\"grüße\"}\r\n\n  \n{}"), 3, 20)
	f.Add([]byte("longer than allowed\nok\n"), 1, 5)
	f.Add([]byte("\n\n\n"), 2, 1)
	f.Add([]byte("123456"), 10, 5)
	f.Add(bytes.Repeat([]byte("x"), 200_000), 4096, 100_000)
	f.Fuzz(func(t *testing.T, input []byte, piece, limit int) {
		piece, limit = max(piece, 1), max(limit, 1)
		var want []string // "too long" for a line that is refused
		raw := bytes.Split(input, []byte("\n"))
		for i, l := range raw {
			space := 0
			if i == len(raw)-1 {
				space = 1 // where the line break would be
			}
			trimmed := bytes.TrimSpace(l)
			switch {
			case len(l) > limit+space || len(trimmed) > limit:
				want = append(want, "too long")
			case len(trimmed) > 0:
				want = append(want, "line "+string(trimmed))
			}
		}
		ctx, cancel := context.WithCancel(t.Context())
		defer cancel()
		r := startLineReader(ctx, pieces{bytes.NewReader(input), piece}, limit, 0)
		for l := range r.queue {
			got := "line " + string(l.frame)
			if errors.Is(l.err, errLineTooLong) {
				got = "too long"
			}
			if len(want) == 0 || got != want[0] {
				t.Fatalf("got %q, want the first of %q", got, want)
			}
			want = want[1:]
			r.taken(l)
		}
		if len(want) > 0 || r.err != nil {
			t.Errorf("missing %q, err = %v", want, r.err)
		}
	})
}

// failing is a stdin that breaks.
type failing struct{}

func (failing) Read([]byte) (int, error) { return 0, errors.New("disk on fire") }

func TestRunReportsABrokenInput(t *testing.T) {
	b, err := NewBridge(Options{URL: "http://127.0.0.1:1/"}, nil)
	if err != nil {
		t.Fatal(err)
	}
	if err := b.Run(t.Context(), failing{}, io.Discard); err == nil || err.Error() != "shclient: reading messages: disk on fire" {
		t.Errorf("err = %v", err)
	}
}

type full struct{}

func (full) Write([]byte) (int, error) { return 0, errors.New("no space left") }

func TestRunReportsABrokenOutput(t *testing.T) {
	b, err := NewBridge(Options{URL: "http://127.0.0.1:1/"}, nil)
	if err != nil {
		t.Fatal(err)
	}
	in, w := io.Pipe()
	defer w.Close()
	go io.WriteString(w, "nonsense\n")
	if err := b.Run(t.Context(), in, full{}); err == nil || err.Error() != "shclient: writing a message: no space left" {
		t.Errorf("err = %v", err)
	}
}
