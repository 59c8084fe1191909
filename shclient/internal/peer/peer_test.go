// SPDX-License-Identifier: Apache-2.0

package peer

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"regexp"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/atrawog/mcp-oauth-gateway/shproxy/jsonrpc"
)

var idOf = regexp.MustCompile(`"id":(\d+)`)

// serve is a server that answers each line by the first of its rules whose key
// the line holds: with ID as the id of the line. An empty answer is silence.
func serve(conn net.Conn, rules [][2]string, seen *[]string) {
	defer conn.Close()
	lines := bufio.NewScanner(conn)
	for lines.Scan() {
		line := lines.Text()
		*seen = append(*seen, line)
		for _, rule := range rules {
			if !strings.Contains(line, rule[0]) {
				continue
			}
			if rule[1] == "EXIT" {
				return
			}
			if rule[1] != "" {
				id := idOf.FindStringSubmatch(line)
				fmt.Fprintln(conn, strings.ReplaceAll(rule[1], "ID", id[1]))
			}
			break
		}
	}
}

const (
	discovered  = `{"jsonrpc":"2.0","id":ID,"result":{"supportedVersions":["2026-07-28"],"capabilities":{}}}`
	initialized = `{"jsonrpc":"2.0","id":ID,"result":{"protocolVersion":"2025-11-25","capabilities":{},"serverInfo":{"name":"s","version":"1"}}}`
	unknown     = `{"jsonrpc":"2.0","id":ID,"error":{"code":-32601,"message":"no such method"}}`
)

// dialer connects with servers that have the rules, and counts them.
func dialer(rules [][2]string, seen *[]string, dialled *[]bool) func(context.Context, bool) (io.ReadWriteCloser, error) {
	return func(_ context.Context, modern bool) (io.ReadWriteCloser, error) {
		*dialled = append(*dialled, modern)
		ours, theirs := net.Pipe()
		go serve(theirs, rules, seen)
		return ours, nil
	}
}

func TestEra(t *testing.T) {
	yes, no := true, false
	for name, test := range map[string]struct {
		rules   [][2]string
		shared  bool
		modern  *bool
		want    string // the methods that the server sees
		dialled int
		is      bool
		fails   string
	}{
		"modern":            {rules: [][2]string{{"server/discover", discovered}}, want: "server/discover", dialled: 1, is: true},
		"legacy over HTTP":  {rules: [][2]string{{"server/discover", unknown}, {"initialize\"", initialized}}, want: "server/discover initialize notifications/initialized", dialled: 2},
		"legacy on stdio":   {rules: [][2]string{{"server/discover", unknown}, {"initialize\"", initialized}}, shared: true, want: "server/discover initialize notifications/initialized", dialled: 1},
		"silent":            {rules: [][2]string{{"server/discover", ""}, {"initialize\"", initialized}}, shared: true, want: "server/discover notifications/cancelled initialize notifications/initialized", dialled: 1},
		"ends on discover":  {rules: [][2]string{{"server/discover", "EXIT"}, {"initialize\"", initialized}}, shared: true, want: "server/discover initialize notifications/initialized", dialled: 2},
		"told to be legacy": {rules: [][2]string{{"initialize\"", initialized}}, modern: &no, want: "initialize notifications/initialized", dialled: 1},
		"wrongly told":      {rules: [][2]string{{"server/discover", unknown}}, modern: &yes, want: "server/discover", dialled: 1, fails: "the server refuses to connect"},
		"neither":           {rules: [][2]string{{"\"id\"", unknown}}, want: "server/discover initialize", dialled: 2, fails: "the server refuses to connect"},
		"noise first": {
			rules: [][2]string{{"server/discover", "starting…\n" + `{"jsonrpc":"2.0","id":"x","method":"ping"}` + "\n" + discovered}},
			want:  "server/discover", dialled: 1, is: true,
		},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				var seen []string
				var dialled []bool
				c, err := Open(t.Context(), Options{Dial: dialer(test.rules, &seen, &dialled), Shared: test.shared, Modern: test.modern})
				if c != nil {
					if c.Modern() != test.is || !c.Hello().Result.Present() {
						t.Errorf("modern: %t, hello %s", c.Modern(), c.Hello().Frame)
					}
					c.Close()
				}
				synctest.Wait()
				if test.fails == "" && err != nil || test.fails != "" && (err == nil || !strings.HasPrefix(err.Error(), test.fails)) {
					t.Errorf("error %v, want %q", err, test.fails)
				}
				var methods []string
				for _, line := range seen {
					m, err := jsonrpc.Scan([]byte(line))
					if err != nil {
						t.Errorf("%s: %v", line, err)
					} else if m.Method.Present() {
						methods = append(methods, strings.Trim(string(m.Method.Of([]byte(line))), `"`))
					}
				}
				if got := strings.Join(methods, " "); got != test.want || len(dialled) != test.dialled {
					t.Errorf("the server sees %s in %d connections, want %s in %d", got, len(dialled), test.want, test.dialled)
				}
			})
		})
	}
}

func TestCall(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var seen []string
		var dialled []bool
		var told []string
		rules := [][2]string{
			{"server/discover", discovered},
			{"a/b", `{"jsonrpc":"2.0","method":"n"}` + "\n" + `{"jsonrpc":"2.0","id":7,"method":"roots/list"}` + "\n" + `{"jsonrpc":"2.0", "id":ID, "result":{"n":1.0, "é":"\u00e9"}}`},
			{"slow", ""},
			{"end", "EXIT"},
		}
		c, err := Open(t.Context(), Options{
			Dial:         dialer(rules, &seen, &dialled),
			Info:         []byte(`{"name":"n","version":"1"}`),
			Notification: func(frame []byte, _ jsonrpc.Message) { told = append(told, string(frame)) },
		})
		if err != nil {
			t.Fatal(err)
		}
		defer c.Close()
		answer, err := c.Call(t.Context(), "a/b", []byte("{\n\"x\": 1.0}"))
		if err != nil || string(answer.ResultBytes()) != `{"n":1.0, "é":"\u00e9"}` || len(told) != 1 {
			t.Errorf("%s %v, told %q", answer.Frame, err, told)
		}
		synctest.Wait()
		const meta = `{"_meta":{"io.modelcontextprotocol/protocolVersion":"2026-07-28","io.modelcontextprotocol/clientInfo":{"name":"n","version":"1"},"io.modelcontextprotocol/clientCapabilities":{}},"x": 1.0}`
		for _, want := range []string{
			`{"jsonrpc":"2.0","id":2,"method":"a/b","params":` + meta + `}`,
			`{"jsonrpc":"2.0","id":7,"error":{"code":-32601,"message":"this client has no such method"}}`,
		} {
			if !strings.Contains(strings.Join(seen, "\n"), want) {
				t.Errorf("the server does not see %s but\n%s", want, strings.Join(seen, "\n"))
			}
		}
		ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
		defer cancel()
		if _, err := c.Call(ctx, "slow", []byte(`{"_meta":{"own":1}}`)); !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("a call without an answer: %v", err)
		}
		synctest.Wait()
		if n := len(seen); seen[n-2] != `{"jsonrpc":"2.0","id":3,"method":"slow","params":{"_meta":{"own":1}}}` ||
			seen[n-1] != `{"jsonrpc":"2.0","method":"notifications/cancelled","params":{"requestId":3}}` {
			t.Errorf("the server sees %q", seen[n-2:])
		}
		if _, err := c.Call(t.Context(), "a", []byte(`{"x":`)); err == nil {
			t.Error("half a document is sent")
		}
		if _, err := c.Call(t.Context(), "end", nil); !errors.Is(err, ErrEnded) {
			t.Errorf("a call that the server ends with: %v", err)
		}
	})
}
