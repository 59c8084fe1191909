// SPDX-License-Identifier: Apache-2.0

package compat

import (
	"context"
	"encoding/json"
	"errors"
	"io"
	"reflect"
	"strings"
	"testing"
	"testing/synctest"
	"time"
)

func capabilities(text string) map[string]json.RawMessage {
	var c map[string]json.RawMessage
	if err := json.Unmarshal([]byte(text), &c); err != nil {
		panic(err)
	}
	return c
}

// speaking is a server that agrees to the versions, and answers others with
// the first of them.
func speaking(declared string, spoken ...string) map[string]Answer {
	answers := map[string]Answer{}
	for _, v := range versions() {
		a := Answer{Version: spoken[0], Server: Server{"s", "1"}, Capabilities: capabilities(declared)}
		for _, own := range spoken {
			if own == v {
				a.Version = v
			}
		}
		if v == "2026-07-28" != (a.Version == "2026-07-28") {
			a = Answer{Error: "no"}
		}
		answers[v] = a
	}
	return answers
}

const everything = `{"tools":{"listChanged":true},"resources":{"subscribe":true,"listChanged":false},"completions":{},"logging":{},"tasks":{},"extensions":{}}`

// Each row has the cells from 2024-11-05 to 2026-07-28.
func TestJudge(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct {
		answers map[string]Answer
		want    map[string]string
		remarks int
	}{
		"both eras": {
			speaking(everything, "2025-11-25", "2025-06-18", "2025-03-26", "2024-11-05", "2026-07-28"),
			map[string]string{
				"connects": "native native native native native", "tools": "native native native native native",
				"tools list changes": "native native native native native", "resource updates": "native native native native native",
				"resources list changes": "", "prompts": "", "completions": "- native native native native",
				"tasks": "- - - native -", "extensions": "- - - - native", "elicitation by URL": "- - - native native",
			}, 0,
		},
		"legacy": {
			speaking(everything, "2025-06-18", "2024-11-05"),
			map[string]string{
				"connects": "native translated native native translated", "tools": "native native native native translated",
				"logging": "native native native native limited", "tasks": "- - - native lost",
				"roots": "native native native native limited", "elicitation": "- - native native limited", "elicitation by URL": "- - - - -",
			}, 5,
		},
		"modern": {
			speaking(everything, "2026-07-28"),
			map[string]string{
				"connects": "translated translated translated translated native", "tools": "translated translated translated translated native",
				"logging": "limited limited limited limited native", "tasks": "- - - lost -", "sampling": "translated translated translated translated native",
				"elicitation": "- - translated translated native",
			}, 2,
		},
		"nothing": {
			map[string]Answer{},
			map[string]string{"connects": "lost lost lost lost lost", "tools": "", "roots": "lost lost lost lost lost"}, 0,
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			r := Judge(test.answers)
			got := map[string]string{}
			for _, v := range r.Versions {
				got["connects"] += " " + string(v.State)
			}
			for _, f := range r.Features {
				for _, s := range f.States {
					got[f.Name] += " " + string(s)
				}
			}
			for row, want := range test.want {
				if g := strings.TrimSpace(got[row]); g != want {
					t.Errorf("%s: %q, want %q", row, g, want)
				}
			}
			if len(r.Remarks) != test.remarks {
				t.Errorf("%d remarks: %q", len(r.Remarks), r.Remarks)
			}
			if ok, _ := r.Connects(); ok != (name != "nothing") {
				t.Errorf("Connects: %v", ok)
			}
		})
	}
}

// line is a server that answers each first message with a text.
type line struct {
	io.Reader
	io.Writer
	close func() error
}

func (l line) Close() error { return l.close() }

func answering(answer func(frame string) string) Dialer {
	return func(context.Context, bool) (io.ReadWriteCloser, error) {
		in, client := io.Pipe()
		server, out := io.Pipe()
		go func() {
			buf := make([]byte, 4096)
			n, _ := in.Read(buf)
			_, _ = io.WriteString(out, answer(string(buf[:n])))
			_, _ = in.Read(buf) // until it is closed
			out.Close()
		}()
		return line{server, client, func() error { return errors.Join(client.Close(), server.Close()) }}, nil
	}
}

func TestAsk(t *testing.T) {
	t.Parallel()
	dial := answering(func(frame string) string {
		switch {
		case strings.Contains(frame, `"server/discover"`):
			return `{"jsonrpc":"2.0","id":"compat","result":{"supportedVersions":["2027-01-01","2026-07-28"],"capabilities":{"tools":{}},"_meta":{"io.modelcontextprotocol/serverInfo":{"name":"m","version":"2"}}}}` + "\n"
		case strings.Contains(frame, `"2025-06-18"`):
			return "Welcome\n{\"jsonrpc\":\"2.0\",\"method\":\"n\"}\n" + `{"jsonrpc":"2.0","id":"compat","result":{"protocolVersion":"2024-11-05","serverInfo":{"name":"l","version":"1"}}}` + "\n"
		case strings.Contains(frame, `"2025-11-25"`):
			return `{"jsonrpc":"2.0","id":"compat","result":[]}` + "\n"
		}
		return `{"jsonrpc":"2.0","id":"compat","error":{"code":-32602,"message":"no"}}` + "\n"
	})
	got, err := Ask(t.Context(), dial, time.Minute)
	if err != nil {
		t.Fatal(err)
	}
	if e := got["2025-11-25"].Error; !strings.Contains(e, "the answer is none") {
		t.Errorf("an array: %q", e)
	}
	delete(got, "2025-11-25")
	want := map[string]Answer{
		"2024-11-05": {Error: "no (-32602)"}, "2025-03-26": {Error: "no (-32602)"},
		"2025-06-18": {Version: "2024-11-05", Server: Server{"l", "1"}},
		"2026-07-28": {Version: "2026-07-28", Server: Server{"m", "2"}, Capabilities: capabilities(`{"tools":{}}`)},
	}
	if !reflect.DeepEqual(got, want) {
		t.Errorf("got  %v\nwant %v", got, want)
	}
}

// What the bridge says of a server that cannot be reached is no answer of it.
func TestAskNobody(t *testing.T) {
	t.Parallel()
	for answer, want := range map[string]bool{
		`{"code":-32000,"message":"refused"}`:                             true,
		`{"code":-32000,"message":"refused","data":{"http_status":502}}`:  true,
		`{"code":-32000,"message":"not here","data":{"http_status":404}}`: false,
		`{"code":-32601,"message":"what?"}`:                               false,
	} {
		_, err := Ask(t.Context(), answering(func(string) string { return `{"jsonrpc":"2.0","id":"compat","error":` + answer + "}\n" }), time.Minute)
		if (err != nil) != want {
			t.Errorf("%s: %v", answer, err)
		}
	}
	broken := errors.New("broken")
	if _, err := Ask(t.Context(), func(context.Context, bool) (io.ReadWriteCloser, error) { return nil, broken }, time.Minute); !errors.Is(err, broken) {
		t.Errorf("dialing: %v", err)
	}
}

func TestAskTheSilent(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		got, err := Ask(t.Context(), answering(func(string) string { return "" }), 10*time.Second)
		if err != nil || got["2026-07-28"].Error != "no answer within 10s" {
			t.Errorf("%v, %v", got, err)
		}
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		if _, err := Ask(ctx, answering(func(string) string { return "" }), 10*time.Second); !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("in a hurry: %v", err)
		}
	})
}
