// SPDX-License-Identifier: Apache-2.0

package main

import (
	"bufio"
	"encoding/json"
	"io"
	"reflect"
	"strings"
	"testing"
	"time"
)

// converse plays a conversation with a server. Lines with ">" are sent to it,
// those with "<" have to be what it writes next, and may leave members out;
// nothing else may come. META stands for the _meta of a modern request, STATE
// for the last requestState.
func converse(t *testing.T, newEra func(*server) era, conversation string) {
	t.Helper()
	in, stdin := io.Pipe()
	stdout, out := io.Pipe()
	s := newServer(out)
	s.era = newEra(s)
	go func() {
		if err := s.serve(in); err != nil {
			t.Error(err)
		}
		out.Close()
	}()
	written := make(chan string)
	go func() {
		defer close(written)
		for lines := bufio.NewScanner(stdout); lines.Scan(); {
			written <- lines.Text()
		}
	}()
	state := ""
	for line := range strings.Lines(conversation) {
		direction, text, _ := strings.Cut(strings.TrimSpace(line), " ")
		text = strings.NewReplacer("META", meta2026, "STATE", state).Replace(text)
		switch direction {
		case ">":
			if _, err := io.WriteString(stdin, text+"\n"); err != nil {
				t.Fatal(err)
			}
		case "<":
			select {
			case got, ok := <-written:
				if !ok || !within(decode(t, text), decode(t, got)) {
					t.Fatalf("it wrote %s, want %s", got, text)
				}
				var answer struct{ Result struct{ RequestState string } }
				_ = json.Unmarshal([]byte(got), &answer) // results without it are fine
				if answer.Result.RequestState != "" {
					state = answer.Result.RequestState
				}
			case <-time.After(time.Minute):
				t.Fatalf("it wrote nothing, want %s", text)
			}
		}
	}
	stdin.Close()
	for more := range written {
		t.Errorf("it wrote %s, too", more)
	}
}

const meta2026 = `"_meta":{"io.modelcontextprotocol/protocolVersion":"2026-07-28","io.modelcontextprotocol/clientCapabilities":{"elicitation":{},"sampling":{},"roots":{}}}`

func decode(t *testing.T, text string) (v any) {
	t.Helper()
	if err := json.Unmarshal([]byte(text), &v); err != nil {
		t.Fatalf("%v: %s", err, text)
	}
	return v
}

// within reports whether all that want has is in got.
func within(want, got any) bool {
	w, ok := want.(map[string]any)
	if !ok {
		return reflect.DeepEqual(want, got)
	}
	g, ok := got.(map[string]any)
	for name, value := range w {
		ok = ok && within(value, g[name])
	}
	return ok
}
