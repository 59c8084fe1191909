// SPDX-License-Identifier: Apache-2.0

package torture

import (
	"bufio"
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"os/exec"
	"strings"
	"sync"
	"testing"
	"time"
)

// An era is the dialect of the program.
type era int

const (
	legacy era = iota
	modern
)

// A program drives a bridge over its stdin and stdout, as a client does that
// speaks stdio alone.
type program struct {
	*ledger
	t      testing.TB
	era    era
	cmd    *exec.Cmd
	stderr bytes.Buffer // to be read after the end
	watch  *watcher

	out    chan string   // lines for the bridge
	stop   chan struct{} // closed to close stdin
	pause  sync.Mutex    // held to stop reading
	read   chan struct{} // closed at the end of stdout
	wrote  chan struct{} // closed when nothing is written any more
	serial struct {
		sync.Mutex
		n int
	}
}

// startBridge runs the command "shclient args...".
func startBridge(t testing.TB, e era, env []string, args ...string) *program {
	t.Helper()
	p := &program{t: t, era: e, out: make(chan string), stop: make(chan struct{}), read: make(chan struct{}), wrote: make(chan struct{})}
	p.ledger = newLedger(func(line string) { go p.send(line) }) // the reader must not wait for the writer
	p.watch = newWatcher(t)
	p.cmd = exec.Command(self(t), args...)
	if binary := os.Getenv("SHCLIENT_TORTURE_BINARY"); binary != "" {
		p.cmd = exec.Command(binary, args...)
		p.watch = nil
	}
	p.cmd.Env = append(os.Environ(), env...)
	if p.watch != nil {
		p.cmd.Env = append(p.cmd.Env, bridgeEnv+"="+p.watch.address)
	}
	p.cmd.Stderr = &p.stderr
	stdin, err := p.cmd.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	stdout, err := p.cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := p.cmd.Start(); err != nil {
		t.Fatal(err)
	}
	go p.write(stdin)
	go p.listen(stdout)
	t.Cleanup(func() {
		_ = p.cmd.Process.Kill() // unless it has ended
		<-p.read
		_ = p.cmd.Wait() // unless leave has
	})
	return p
}

func (p *program) write(stdin io.WriteCloser) {
	defer close(p.wrote)
	defer stdin.Close()
	for {
		select {
		case line := <-p.out:
			if _, err := io.WriteString(stdin, line+"\n"); err != nil {
				p.violate("the bridge does not read any more: %v", err)
				return
			}
		case <-p.stop:
			return
		}
	}
}

func (p *program) listen(stdout io.Reader) {
	defer close(p.read)
	lines := bufio.NewReaderSize(stdout, 4<<10)
	for {
		p.pause.Lock()
		//lint:ignore SA2001 the lock is the pause
		p.pause.Unlock()
		line, err := lines.ReadBytes('\n')
		if err == nil {
			p.take(line)
			continue
		}
		if len(line) > 0 || err != io.EOF {
			p.violate("stdout ends with %q: %v", line, err)
		}
		return
	}
}

// send gives the bridge a line.
func (p *program) send(line string) {
	select {
	case p.out <- line:
	case <-p.wrote:
	}
}

func (p *program) number() int {
	p.serial.Lock()
	defer p.serial.Unlock()
	p.serial.n++
	return p.serial.n
}

// id makes ids of all kinds that JSON-RPC knows.
func (p *program) id(n int) string {
	switch n % 4 {
	case 0:
		return fmt.Sprint(n)
	case 1:
		return fmt.Sprintf("%q", fmt.Sprint(n))
	case 2:
		return fmt.Sprint(-n) // and not more than the SDK's server can tell apart
	}
	return fmt.Sprintf(`"é€ %d"`, n)
}

const modernMeta = `"io.modelcontextprotocol/protocolVersion":"2026-07-28","io.modelcontextprotocol/clientInfo":{"name":"program","version":"1"},"io.modelcontextprotocol/clientCapabilities":{"elicitation":{},"sampling":{}}`

// begin makes a call, of which params are the members of its params.
func (p *program) begin(method, params string, j job, mute bool) *call {
	n := p.number()
	c := &call{id: p.id(n), job: j, mute: mute}
	var meta []string
	if p.era == modern {
		meta = append(meta, modernMeta)
	}
	if method == "tools/call" {
		c.token = fmt.Sprintf(`"token %d"`, n)
		if n%2 == 0 {
			c.token = fmt.Sprint(n)
		}
		meta = append(meta, `"progressToken":`+c.token)
	}
	members := []string{params}
	if params == "" {
		members = nil
	}
	if len(meta) > 0 {
		members = append(members, `"_meta":{`+strings.Join(meta, ",")+`}`)
	}
	c.line = `{"jsonrpc":"2.0","id":` + c.id + `,"method":"` + method + `","params":{` + strings.Join(members, ",") + `}}`
	p.open(c)
	p.send(c.line)
	return c
}

// start makes the call for a job.
func (p *program) start(j job, mute bool) *call { return p.begin("tools/call", work(j), j, mute) }

func work(j job) string {
	arguments, _ := json.Marshal(j) // of strings and numbers
	return `"name":"work","arguments":` + string(arguments)
}

// finish waits for the end of a call, and makes it again with the answer if the
// server wants one. It returns nil if something is missing, which is noted.
func (p *program) finish(c *call) *message {
	for p.ledger.await(c, "answer", c.done) {
		m := c.answer
		if m.Result == nil || m.Result.Type != "input_required" {
			return m
		}
		var answers []string
		for name, request := range m.Result.Requests {
			if got := request.Params.nonce(); got != c.job.Nonce {
				p.violate("job %s is asked about %s", c.job.Nonce, got)
			}
			answers = append(answers, fmt.Sprintf("%q:%s", name, answerContent(request.Method, c.job.Nonce)))
		}
		if len(answers) != 1 {
			p.violate("job %s: %d questions, want 1", c.job.Nonce, len(answers))
		}
		params := work(c.job) + `,"inputResponses":{` + strings.Join(answers, ",") + `}`
		if m.Result.State != "" {
			state, _ := json.Marshal(m.Result.State) // of a string
			params += `,"requestState":` + string(state)
		}
		c = p.begin("tools/call", params, c.job, false)
	}
	return nil
}

// cancel cancels a call.
func (p *program) cancel(c *call) {
	p.ledger.mu.Lock()
	c.cancelled = true
	p.ledger.mu.Unlock()
	meta := ""
	if p.era == modern {
		meta = `,"_meta":{` + modernMeta + `}`
	}
	p.send(`{"jsonrpc":"2.0","method":"notifications/cancelled","params":{"requestId":` + c.id + meta + `}}`)
}

// hello opens the session, or looks at the server where there are none.
func (p *program) hello() *message {
	if p.era == modern {
		return p.finish(p.begin("server/discover", "", job{}, false))
	}
	m := p.finish(p.begin("initialize", `"protocolVersion":"2025-11-25","capabilities":{"elicitation":{},"sampling":{}},"clientInfo":{"name":"program","version":"1"}`, job{}, false))
	p.send(`{"jsonrpc":"2.0","method":"notifications/initialized"}`)
	return m
}

// leave closes the program's end, and waits for the bridge to follow. It returns
// how long that took.
func (p *program) leave() time.Duration {
	p.t.Helper()
	close(p.stop)
	<-p.wrote
	begun := time.Now()
	select {
	case <-p.read:
	case <-time.After(patience):
		p.t.Errorf("the bridge did not end within %s", patience)
		p.quit()
	}
	err := p.cmd.Wait()
	took := time.Since(begun)
	if stderr := p.stderr.String(); err != nil || strings.Contains(stderr, "DATA RACE") || strings.Contains(stderr, "panic:") {
		p.t.Errorf("the bridge ended with %v, and said:\n%s", err, tail(stderr))
	}
	return took
}

// tail is the end of a long text.
func tail(text string) string {
	if n := len(text) - 20_000; n > 0 {
		return "…" + text[n:]
	}
	return text
}
