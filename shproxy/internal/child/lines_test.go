// SPDX-License-Identifier: Apache-2.0

package child

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"testing"
	"testing/iotest"
)

func readLines(r io.Reader, limit int) (lines []string) {
	l := newLineReader(r, limit)
	for {
		line, owned, err := l.next()
		switch {
		case errors.Is(err, errLongLine):
			rest := l.rest[max(0, len(l.rest)-restSize):]
			lines = append(lines, longLine(string(line), string(rest)))
		case err != nil:
			return append(lines, err.Error())
		default:
			if owned {
				line = append(line, "!"...)[:len(line)] // ours to change
			}
			lines = append(lines, string(line))
		}
	}
}

// longLine describes a line over the limit by its two ends.
func longLine(line, rest string) string {
	return fmt.Sprintf("LONG %s... %d %.10s...%s", line[:min(5, len(line))], len(rest), rest, rest[max(0, len(rest)-5):])
}

func tooLong(line string) string { return longLine(line, line[max(0, len(line)-restSize):]) }

func TestLineReader(t *testing.T) {
	big := strings.Repeat("b", 3*chunkSize+17)
	bigEnd := big + "the end"
	exact := strings.Repeat("e", chunkSize)
	tests := []struct {
		name, input string
		limit       int
		want        []string
	}{
		{"none", "", 10, []string{"EOF"}},
		{"two", "a\n\nb\n", 10, []string{"a", "", "b", "EOF"}},
		{"no end", "a\nb", 10, []string{"a", "b", "EOF"}},
		{"long", "a\n0123456789x\nb\n", 10, []string{"a", tooLong("0123456789x"), "b", "EOF"}},
		{"long without end", "0123456789x", 10, []string{tooLong("0123456789x"), "EOF"}},
		{"at the limit", "0123456789\n", 10, []string{"0123456789", "EOF"}},
		{"big", "a\n" + big + "\nb\n" + big + "\n" + big, 1 << 20, []string{"a", big, "b", big, big, "EOF"}},
		{"exact", exact + "\n" + exact + "\nb", 1 << 20, []string{exact, exact, "b", "EOF"}},
		{"exact and more", exact + exact + "\nb\n", 1 << 20, []string{exact + exact, "b", "EOF"}},
		{"too big", big + "\nb\n" + bigEnd, 3 * chunkSize, []string{tooLong(big), "b", tooLong(bigEnd), "EOF"}},
		{"too big by one", "a" + exact + "\n" + exact + exact + "bc\n" + exact + "b\n", chunkSize, []string{tooLong("a" + exact), tooLong(exact + exact + "bc"), tooLong(exact + "b"), "EOF"}},
		{"too big by little", exact + bigEnd + "\n", 4*chunkSize + 20, []string{tooLong(exact + bigEnd), "EOF"}},
	}
	for _, test := range tests {
		for _, wrap := range []struct {
			name string
			of   func(io.Reader) io.Reader
		}{
			{"whole", func(r io.Reader) io.Reader { return r }},
			{"halves", iotest.HalfReader},
			{"with error", iotest.DataErrReader},
		} {
			t.Run(test.name+"/"+wrap.name, func(t *testing.T) {
				got := readLines(wrap.of(strings.NewReader(test.input)), test.limit)
				if !slices.Equal(got, test.want) {
					t.Errorf("got %d lines: %.100q\nwant %d: %.100q", len(got), got, len(test.want), test.want)
				}
			})
		}
	}
}

// A large line takes its size, and the chunks that it came in, and no more.
func TestLongLineMemory(t *testing.T) {
	const size = 8 << 20
	input := append(bytes.Repeat([]byte("x"), size), '\n')
	var line []byte
	allocated := testing.Benchmark(func(b *testing.B) {
		for b.Loop() {
			l := newLineReader(bytes.NewReader(input), size)
			var err error
			if line, _, err = l.next(); err != nil {
				b.Fatal(err)
			}
		}
	}).AllocedBytesPerOp()
	if len(line) != size || allocated > 2*size+4*chunkSize {
		t.Errorf("a line of %d bytes took %d", len(line), allocated)
	}
}

// FuzzLineReader compares with a plain split.
func FuzzLineReader(f *testing.F) {
	f.Add("a\n\nbcd\nlonger than ten\n", uint8(3), uint8(10), uint16(0))
	f.Add("x", uint8(1), uint8(0), uint16(40000))
	f.Fuzz(func(t *testing.T, text string, step, limit uint8, repeat uint16) {
		input := text + strings.Repeat("r", int(repeat)*4) + text
		limitBytes := int(limit) * 1024
		got := readLines(&stepReader{input, int(step)*97 + 1}, limitBytes)
		var want []string
		lines := strings.Split(input, "\n")
		for i, line := range lines {
			switch {
			case i == len(lines)-1 && line == "":
			case len(line) > limitBytes:
				want = append(want, tooLong(line))
			default:
				want = append(want, line)
			}
		}
		if want = append(want, "EOF"); !slices.Equal(got, want) {
			t.Errorf("got %d lines %.80q, want %d %.80q", len(got), got, len(want), want)
		}
	})
}

type stepReader struct {
	rest string
	step int
}

func (r *stepReader) Read(p []byte) (int, error) {
	if r.rest == "" {
		return 0, io.EOF
	}
	n := copy(p[:min(r.step, len(p))], r.rest)
	r.rest = r.rest[n:]
	return n, nil
}
