// SPDX-License-Identifier: Apache-2.0

package remote

import (
	"errors"
	"io"
	"net/http"
	"strings"
	"testing"
	"testing/iotest"
)

// A reply that is too large does not get through, be it JSON or an event; a
// stream may be longer than any of its events.
func TestLargeReplies(t *testing.T) {
	const most = 1 << 10 // of offer
	event := "id: 1\ndata: " + strings.Repeat("x", most) + "\n\n"
	large := "data: " + strings.Repeat("x", most+eventOverhead) + "\n\n"
	for _, test := range []struct {
		name, kind, body string
		known            bool // the length
		status, arrives  int  // -1: not all of it
	}{
		{"fits", "application/json", strings.Repeat("x", most), true, 200, most},
		{"fits, length unknown", "application/json", strings.Repeat("x", most), false, 200, most},
		{"too large", "application/json", strings.Repeat("x", most+1), true, 502, -1},
		{"too large, length unknown", "application/json", strings.Repeat("x", 100*most), false, 200, -1},
		{"events", "text/event-stream; charset=utf-8", strings.Repeat(event, 100), false, 200, 100 * len(event)},
		{"large event", "text/event-stream", event + large, false, 200, -1},
	} {
		t.Run(test.name, func(t *testing.T) {
			here := offer(t, func(w http.ResponseWriter, _ *http.Request) {
				w.Header().Set("Content-Type", test.kind)
				if !test.known {
					_ = http.NewResponseController(w).Flush()
				}
				_, _ = io.WriteString(w, test.body)
			}, nil)
			resp, err := http.Post(here.URL, "application/json", strings.NewReader("{}"))
			if err != nil {
				t.Fatal(err)
			}
			defer resp.Body.Close()
			body, err := io.ReadAll(resp.Body)
			switch {
			case resp.StatusCode != test.status:
				t.Errorf("%s", resp.Status)
			case test.status == 502:
				if want := `{"jsonrpc":"2.0","id":null,"error":{"code":-32000,"message":"server \"there\" answered with more than 1024 bytes"}}`; string(body) != want {
					t.Errorf("got  %s\nwant %s", body, want)
				}
			case (err == nil) != (test.arrives >= 0) || err == nil && len(body) != test.arrives:
				t.Errorf("%d bytes arrived, %v", len(body), err)
			}
		})
	}
}

// Events are told apart however their lines end and their bytes come.
func TestEvents(t *testing.T) {
	x := strings.Repeat("x", 9)
	for body, fits := range map[string]bool{
		x + "\n\n" + x + "\n\n":         true,
		x + "\r\n\r\n" + x + "\r\n\r\n": true,
		x + "\r\r" + x + "\r\r":         true,
		x + "x\n\n":                     true,
		x + "xx\n\n":                    false,
		x + "\n" + x + "\n\n":           false,
		x + "\r\n" + x:                  false,
		strings.Repeat(":"+x+"\n", 9):   true,
		x + "\n:" + x + "\n" + "y\n\n":  false, // as long as the comment lasts
		":" + x + x:                     false,
		x + "\n:\n:\ny\n\n":             true,
		"":                              true,
	} {
		for name, wrap := range map[string]func(io.Reader) io.Reader{"whole": func(r io.Reader) io.Reader { return r }, "byte by byte": iotest.OneByteReader} {
			e := &events{ReadCloser: io.NopCloser(wrap(strings.NewReader(body))), most: 10}
			got, err := io.ReadAll(e)
			if fits && (err != nil || string(got) != body) || !fits && !errors.Is(err, errLarge) {
				t.Errorf("%q, %s: %q, %v", body, name, got, err)
			}
		}
	}
}
