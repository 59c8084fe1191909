// SPDX-License-Identifier: Apache-2.0

package child

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/atrawog/mcp-oauth-gateway/shproxy/jsonrpc"
)

// What the session hears of each line that a child prints, and what the child
// is told.
func TestStdout(t *testing.T) {
	const limit = 200_000
	big := strings.Repeat("b", limit)
	call := `{"jsonrpc":"2.0","id":%s,"method":"m"}`
	result := `{"jsonrpc":"2.0","id":%s,"result":{}}`
	tests := []struct {
		name, line string
		want       []string // frames, broken answers and answers to the child
		noise      int64
	}{
		{"response", fmt.Sprintf(result, "1"), []string{"response 1"}, 0},
		{"byte order mark", "\ufeff" + fmt.Sprintf(result, "1") + "\r", []string{"response 1"}, 0},
		{"text", "listening", nil, 1},
		{"log", `{"level":"error","id":1,"error":"x"}`, nil, 1},
		{"numbers", "[1,2]", nil, 1},
		{"log in brackets", "[INFO] ready", nil, 1},

		{"batch", "[" + fmt.Sprintf(result, "1") + " , " + fmt.Sprintf(call, `"x"`) + "]", []string{"response 1", `request "x"`}, 0},
		{"batch with a bad one", "[" + fmt.Sprintf(result, "1") + `,{"jsonrpc":"2.0","id":2,"result":1,"error":1},5,[]]`, []string{"response 1", "broken 2"}, 3},
		{"batch that is cut", "[" + fmt.Sprintf(result, "1") + ",", []string{"broken "}, 1},
		{"batch that is too large", "[" + fmt.Sprintf(result, "1") + strings.Repeat(","+fmt.Sprintf(result, "1"), 100) + "]", []string{"broken "}, 1},

		{"bad response", `{"jsonrpc":"2.0","id":1,"result":NaN}`, []string{"broken 1"}, 1},
		{"bad response with the id last", `{"jsonrpc":"2.0","result":NaN,"id":1}`, []string{"broken 1"}, 1},
		{"bad response without an id", `{"jsonrpc":"2.0","result":NaN}`, nil, 1},
		{"bad request", `{"jsonrpc":"2.0","id":1,"method":"m","params":NaN}`, []string{"refused 1 -32700"}, 1},
		{"bad request with a result", `{"jsonrpc":"2.0","id":1,"method":"m","result":1}`, []string{"refused 1 -32600"}, 1},
		{"bad notification", `{"jsonrpc":"2.0","method":"m","params":{"id":1},"params":{}}`, nil, 1},

		{"long response", `{"jsonrpc":"2.0","id":1,"result":"` + big + `"}`, []string{"broken 1"}, 1},
		{"long response with the id last", `{"jsonrpc":"2.0","result":"` + big + `","id":1}`, []string{"broken 1"}, 1},
		{"long response with the id nowhere", `{"jsonrpc":"2.0","a":"` + big + `","id":1,"b":"` + big + `"}`, []string{"broken "}, 1},
		{"long request", `{"jsonrpc":"2.0","id":1,"method":"m","params":{"x":"` + big + `"}}`, []string{"refused 1 -32600"}, 1},
		{"long request with the method last", `{"id":1,"params":{"x":"` + big + `"},"method":"m","jsonrpc":"2.0"}`, []string{"refused 1 -32600"}, 1},
		{"long notification", `{"jsonrpc":"2.0","method":"m","params":{"id":1,"x":"` + big + `"}}`, nil, 1},
		{"long text", big + big, nil, 1},
		{"long batch", "[" + fmt.Sprintf(result, `"`+big+`"`) + "]", []string{"broken "}, 1},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			file := filepath.Join(t.TempDir(), "line")
			if err := os.WriteFile(file, []byte(test.line+"\n"), 0o600); err != nil {
				t.Fatal(err)
			}
			// The child prints the line, and then all that it is told.
			cfg := shell(t, "cat "+file+`; echo '{"jsonrpc":"2.0","method":"printed"}'; exec cat`)
			cfg.MaxLine = limit
			spawner := NewSpawner()
			defer spawner.Close()
			heard := make(listener)
			c, err := spawner.Start(cfg, heard)
			if err != nil {
				t.Fatal(err)
			}
			var got []string
			for event := range heard {
				if event == "printed" {
					if err := c.Send([]byte(`{"jsonrpc":"2.0","method":"all"}`)); err != nil {
						t.Fatal(err)
					}
				} else if event == "all" {
					c.Stop()
				} else {
					got = append(got, event)
				}
			}
			if !slices.Equal(got, test.want) || c.Noise() != test.noise {
				t.Errorf("got %q and %d lines of noise, want %q and %d", got, c.Noise(), test.want, test.noise)
			}
		})
	}
}

// listener is a receiver that keeps the order of what it hears.
type listener chan string

func (l listener) Receive(frame []byte, m jsonrpc.Message, _ bool) {
	switch id := string(m.ID.Of(frame)); {
	case m.Kind == jsonrpc.Notification:
		l <- jsonrpc.Text(m.Method.Of(frame))
	case m.Error.Present():
		code, _ := jsonrpc.ErrorCode(frame, m)
		l <- fmt.Sprint("refused ", id, " ", code)
	default:
		l <- m.Kind.String() + " " + id
	}
}
func (l listener) Broken(id []byte, _ error) { l <- "broken " + string(id) }
func (l listener) Closed(*ExitError)         {}
func (l listener) Exited(*ExitError)         { close(l) }
