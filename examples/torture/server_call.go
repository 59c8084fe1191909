// SPDX-License-Identifier: Apache-2.0

package main

import (
	"context"
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"strings"
	"time"
)

// A serverCall is one call as the server performs it.
type serverCall struct {
	s     *server
	id    json.RawMessage
	token json.RawMessage
	args  *arguments

	seq                         int
	answered, unsigned, refused int
	wrong                       []string
}

// run performs the script and answers, unless the script says otherwise or
// the client cancels.
func (c *serverCall) run(ctx context.Context) {
	if c.args.Pad != padding(c.args.Session, c.args.Call, len(c.args.Pad)) {
		c.wrong = append(c.wrong, "another padding")
	}
	for _, st := range c.args.Script {
		if answer := c.perform(ctx, st); !answer || ctx.Err() != nil {
			return
		}
	}
	t := c.tag()
	c.s.mu.Lock()
	t.Child, t.Owner = c.s.child, c.s.owner
	c.s.mu.Unlock()
	t.Answered, t.Unsigned, t.Refused, t.Wrong = c.answered, c.unsigned, c.refused, strings.Join(c.wrong, "; ")
	text := padding(c.args.Session, c.args.Call, c.args.Script.resultBytes())
	c.s.send(&message{ID: c.id, Result: &result{Meta: meta{Torture: t}, Content: []content{{"text", text}}}})
}

// perform does one step and reports whether the script goes on.
func (c *serverCall) perform(ctx context.Context, st step) bool {
	s := c.s
	switch st.Do {
	case doProgress, doLog, doChanged, doAsk:
		return c.talk(ctx, st)
	case doSleep:
		pause(ctx, st.Pause)
	case doNoise:
		s.noise(st.N)
	case doMalformed:
		for range st.N {
			s.write([]byte(`{"jsonrpc":"2.0","method":"notifications/message","params":{"level":` + "\n"))
		}
	case doStdout:
		s.write([]byte(strings.Repeat(strings.Repeat("o", 99)+"\n", st.Bytes/100)))
	case doStderr:
		fmt.Fprint(s.stderr, strings.Repeat(strings.Repeat("e", 99)+"\n", st.Bytes/100))
	case doStubborn:
		s.resist()
	case doFork:
		for range st.N {
			if err := c.fork(st); err != nil {
				c.wrong = append(c.wrong, err.Error())
			}
		}
	case doCloseIn:
		s.mu.Lock()
		s.closed = true
		s.mu.Unlock()
		_ = s.stdin.Close()
	case doResult: // see run
	default:
		return c.fail(ctx, st)
	}
	return true
}

// talk sends numbered messages.
func (c *serverCall) talk(ctx context.Context, st step) bool {
	for range st.N {
		t := c.tag()
		p := &params{Meta: meta{Torture: t}}
		switch st.Do {
		case doProgress:
			p.Token, p.Progress = c.token, t.Seq
			c.s.send(&message{Method: "notifications/progress", Params: p})
		case doLog:
			p.Level, p.Data = "info", "line"
			c.s.send(&message{Method: "notifications/message", Params: p})
		case doChanged:
			c.s.send(&message{Method: "notifications/tools/list_changed", Params: p})
		case doAsk:
			answer, err := c.s.ask(ctx, st.How, p)
			if err != nil {
				return false
			}
			c.judge(t, st.How, &answer)
		}
		if pause(ctx, st.Pause); ctx.Err() != nil {
			return false
		}
	}
	return true
}

// judge looks at the client's answer to the question t.
func (c *serverCall) judge(t *tag, method string, answer *message) {
	got := answer.tag()
	switch {
	case answer.Error != nil:
		c.refused++
	case got == nil && method == "ping":
		c.unsigned++
	case got == nil:
		c.wrong = append(c.wrong, "an answer without a tag")
	case got.Session != t.Session || got.Call != t.Call || got.Seq != t.Seq || got.By != t.Session:
		c.wrong = append(c.wrong, fmt.Sprintf("asked %s call %d message %d; %s answered %s call %d message %d",
			t.Session, t.Call, t.Seq, got.By, got.Session, got.Call, got.Seq))
	default:
		c.answered++
	}
}

// fail ends the script in some bad way.
func (c *serverCall) fail(ctx context.Context, st step) bool {
	s := c.s
	switch st.Do {
	case doHang, doDeaf:
		<-ctx.Done()
	case doGarble:
		s.write(fmt.Appendf(nil, `{"jsonrpc":"2.0","id":%s,"result":{"text":"%s"}}`+"\n", c.id, garbles[c.args.Call%len(garbles)]))
	case doCloseOut:
		c.announce()
		s.out.Lock()
		_ = s.stdout.Close()
		s.out.Unlock()
	case doCrash:
		fmt.Fprintln(s.stderr, "error: crashing as told")
		c.announce()
		switch st.How {
		case crashKill:
			self, _ := os.FindProcess(os.Getpid())
			_ = self.Kill()
		case crashHalf:
			s.write(fmt.Appendf(nil, `{"jsonrpc":"2.0","id":%s,"resu`, c.id))
			os.Exit(crashStatus)
		default:
			os.Exit(crashStatus)
		}
	}
	return false
}

// garbles make a string that is none in JSON.
var garbles = []string{"\xff", "\x01", `\x`, `"`}

// announce tells the client when the process will be gone: now.
func (c *serverCall) announce() {
	t := c.tag()
	t.Crash = time.Now().UnixNano()
	p := &params{Meta: meta{Torture: t}, Level: "info", Data: "last words"}
	c.s.send(&message{Method: "notifications/message", Params: p})
}

// fork starts a process that lives on for as long as it can. Those with a
// session of their own are out of reach of signals to the group.
func (c *serverCall) fork(st step) error {
	role := roleOrphan
	if st.How == forkDaemon {
		role = roleDaemon
	}
	cmd := exec.Command(os.Args[0], role, c.s.marker)
	if st.How == forkSession {
		ownSession(cmd)
	}
	if st.Hold {
		cmd.Stdout, cmd.Stderr = c.s.stdout, os.Stderr
	}
	if err := cmd.Start(); err != nil {
		return err
	}
	go func() { _ = cmd.Wait() }()
	return nil
}

func (c *serverCall) tag() *tag {
	c.seq++
	return &tag{Session: c.args.Session, Call: c.args.Call, Seq: c.seq}
}

func pause(ctx context.Context, milliseconds int) {
	if milliseconds == 0 {
		return
	}
	timer := time.NewTimer(time.Duration(milliseconds) * time.Millisecond)
	defer timer.Stop()
	select {
	case <-timer.C:
	case <-ctx.Done():
	}
}
