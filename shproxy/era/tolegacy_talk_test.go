// SPDX-License-Identifier: Apache-2.0

package era

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/atrawog/mcp-oauth-gateway/shproxy/jsonrpc"
)

// legacyTalk feeds a ToLegacy one message at a time.
type legacyTalk struct {
	t    testing.TB
	tr   *ToLegacy
	now  time.Time
	last []byte // frame, which is gone when the next one comes
	out  Output
}

// newLegacyTalk returns one with a client that takes all questions, whose
// server has yet to be initialized.
func newLegacyTalk(t testing.TB, maxHeld int) *legacyTalk {
	return &legacyTalk{t: t, tr: NewToLegacy(ToLegacyConfig{
		Profile: Profile{Capabilities: []byte(allCapabilities)}, Process: "p", MaxHeld: maxHeld,
	})}
}

func (k *legacyTalk) start() *legacyTalk {
	k.request("0", "server/discover", "")
	k.server(`{"jsonrpc":"2.0","id":1,"result":%s}`, legacyHello)
	return k
}

func (k *legacyTalk) client(format string, args ...any) *Output {
	k.t.Helper()
	return k.give(k.tr.FromClient, format, args)
}

func (k *legacyTalk) server(format string, args ...any) *Output {
	k.t.Helper()
	return k.give(k.tr.FromServer, format, args)
}

func (k *legacyTalk) give(to func(time.Time, []byte, jsonrpc.Message, *Output), format string, args []any) *Output {
	k.t.Helper()
	for i := range k.last {
		k.last[i] = '!'
	}
	k.last = fmt.Appendf(nil, format, args...)
	m, err := jsonrpc.Scan(k.last)
	if err != nil {
		k.t.Fatalf("%.200s: %v", k.last, err)
	}
	k.out.Reset()
	to(k.now, k.last, m, &k.out)
	return k.checked()
}

func (k *legacyTalk) tick(d time.Duration) *Output {
	k.t.Helper()
	k.now = k.now.Add(d)
	k.out.Reset()
	k.tr.Tick(k.now, &k.out)
	return k.checked()
}

// checked is what came out, all of which has to be frames.
func (k *legacyTalk) checked() *Output {
	k.t.Helper()
	for _, frame := range k.out.ToServer {
		readMessage(k.t, frame)
	}
	for _, msg := range k.out.ToClient {
		readMessage(k.t, msg.Frame)
	}
	return &k.out
}

// request is one of the client; params are members with a comma behind.
func (k *legacyTalk) request(id, method, params string) *Output {
	k.t.Helper()
	return k.client(`{"jsonrpc":"2.0","id":%s,"method":"%s","params":{%s"_meta":{%s}}}`, id, method, params, modernMembers)
}

func (k *legacyTalk) call(id string) *Output {
	k.t.Helper()
	return k.request(id, "tools/call", `"name":"t",`)
}

// state is the requestState with which the last request was answered.
func (k *legacyTalk) state() string {
	k.t.Helper()
	if len(k.out.ToClient) == 1 {
		if m := readMessage(k.t, k.out.ToClient[0].Frame); m.Result != nil && m.Result.RequestState != "" {
			return m.Result.RequestState
		}
	}
	k.t.Fatalf("no state: %.500q", k.out.ToClient)
	return ""
}

func (k *legacyTalk) retry(id, state, responses string) *Output {
	k.t.Helper()
	return k.request(id, "tools/call", `"name":"t","requestState":"`+state+`","inputResponses":{`+responses+`},`)
}

// refused checks that the client is answered with an error, and nothing else.
func (k *legacyTalk) refused(text string) {
	k.t.Helper()
	if len(k.out.ToServer) > 0 || len(k.out.ToClient) != 1 || !strings.Contains(string(k.out.ToClient[0].Frame), text) ||
		readMessage(k.t, k.out.ToClient[0].Frame).Error == nil {
		k.t.Fatalf("no error with %q, but %.200q to the server and %.500q to the client", text, k.out.ToServer, k.out.ToClient)
	}
}

// refusedServer checks that the server is answered with an error, and nothing
// else.
func (k *legacyTalk) refusedServer(text string) {
	k.t.Helper()
	if len(k.out.ToClient) > 0 || len(k.out.ToServer) != 1 || !strings.Contains(string(k.out.ToServer[0]), text) ||
		readMessage(k.t, k.out.ToServer[0]).Error == nil {
		k.t.Fatalf("no error with %q, but %.200q to the server and %.500q to the client", text, k.out.ToServer, k.out.ToClient)
	}
}

// passed checks that exactly one message goes to the server, and none to the
// client.
func (k *legacyTalk) passed() {
	k.t.Helper()
	if len(k.out.ToServer) != 1 || len(k.out.ToClient) > 0 {
		k.t.Fatalf("%.200q to the server and %.500q to the client", k.out.ToServer, k.out.ToClient)
	}
}

// nothing checks that nothing is sent.
func (k *legacyTalk) nothing() {
	k.t.Helper()
	if len(k.out.ToServer)+len(k.out.ToClient) > 0 {
		k.t.Fatalf("%.200q to the server and %.500q to the client", k.out.ToServer, k.out.ToClient)
	}
}

// empty checks that nothing is left.
func (k *legacyTalk) empty() {
	k.t.Helper()
	t := k.tr
	if len(t.calls)+len(t.byClient)+len(t.askable)+len(t.asking)+len(t.parked)+len(t.orphans)+len(t.listens)+len(t.opening)+len(t.resources)+t.held > 0 {
		k.t.Fatalf("something is left: %+v", t)
	}
}

// waitingNone checks that no request waits for initialize.
func (k *legacyTalk) waitingNone() {
	k.t.Helper()
	if k.tr.held > 0 || len(k.tr.opened.waiting) > 0 {
		k.t.Fatalf("something is left: %+v", k.tr)
	}
}
