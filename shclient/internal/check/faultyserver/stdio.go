// SPDX-License-Identifier: Apache-2.0

package faultyserver

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"io"
)

// maxLine is the longest message that is read.
const maxLine = 4 << 20

// ServeLines speaks stdio: one message a line, until in ends or ctx is done. With the fault "stdin-close-ignored" it goes on
// until ctx is done. It answers in the order of the requests.
func (s *Server) ServeLines(ctx context.Context, in io.Reader, out io.Writer) error {
	l := &lines{s: s, out: bufio.NewWriter(out)}
	if s.on("stdout-noise") {
		l.raw("faultyserver is ready\n")
	}
	sc := bufio.NewScanner(in)
	sc.Buffer(nil, maxLine)
	for ctx.Err() == nil && sc.Scan() {
		if line := bytes.TrimSpace(sc.Bytes()); len(line) > 0 {
			l.receive(bytes.Clone(line))
		}
		if err := l.out.Flush(); err != nil {
			return err
		}
	}
	if s.on("stdin-close-ignored") {
		<-ctx.Done()
	}
	return sc.Err()
}

type lines struct {
	s       *Server
	out     *bufio.Writer
	session *session // after initialize
}

func (l *lines) raw(text string) { _, _ = l.out.WriteString(text) } // Flush reports what failed

func (l *lines) send(m any) {
	b := l.s.encode(m)
	switch {
	case l.s.on("embedded-newline"):
		var pretty bytes.Buffer
		if json.Indent(&pretty, b, "", "  ") == nil {
			b = pretty.Bytes()
		}
	case l.s.on("byte-order-mark"):
		l.raw("\ufeff")
	}
	l.raw(string(b) + "\n")
	if l.s.on("stdout-noise-later") {
		l.raw("sent a message\n")
	}
}

func (l *lines) receive(line []byte) {
	if line[0] == '[' {
		l.batch(line)
		return
	}
	if m := l.one(line); m != nil {
		l.send(m)
		if has(m, "result") && l.s.on("answered-twice") {
			l.send(m)
		}
	}
	l.pushed()
}

// batch answers several messages at once, which only some versions have.
func (l *lines) batch(line []byte) {
	var parts []json.RawMessage
	if json.Unmarshal(line, &parts) != nil || len(parts) == 0 || l.session == nil || !batches(l.session.version) || l.s.on("batch-refused") {
		if !l.s.on("batch-unanswered") {
			l.send(l.s.badMessage(request{}, &failure{code: invalidRequest, message: "no batches in this version"}))
		}
		return
	}
	answers := []any{}
	for _, part := range parts {
		if m := l.one(part); m != nil {
			answers = append(answers, m)
		}
	}
	if len(answers) > 0 {
		l.send(answers)
	}
}

// batches reports whether a version has JSON-RPC batches.
func batches(version string) bool { return version <= v0326 }

// one handles a message and gives its answer, nil if it has none.
func (l *lines) one(raw json.RawMessage) obj {
	q, f := parse(raw)
	if f != nil {
		if f.code == parseError && l.s.on("parse-error-unanswered") || f.code == invalidRequest && l.s.on("invalid-request-unanswered") {
			return nil
		}
		return l.s.badMessage(q, f)
	}
	if q.id == nil || q.method == "" {
		return l.s.strayAnswer(q)
	}
	x := &exchange{request: q, s: l.s, notify: func(m obj) { l.send(m) }}
	meta := object(q.params, "_meta")
	switch {
	case q.method == "initialize" && !has(meta, metaVersion):
		return l.initialize(x)
	case l.session != nil && !has(meta, metaVersion):
		x.version, x.session = l.session.version, l.session
	case !l.s.speaksModern():
		m := errorMessage(q.id, &failure{code: invalidRequest, message: "initialize first"})
		return m
	default:
		x.version = v2026
		if f := l.s.checkMeta(q); f != nil {
			m := errorMessage(q.id, f)
			l.s.spoil(x, m)
			return m
		}
	}
	if modern(x.version) && q.method == "subscriptions/listen" && !l.s.on("listen-unknown") {
		messages, f := l.s.listen(q)
		if f != nil {
			return errorMessage(q.id, f)
		}
		for _, m := range messages {
			l.send(m)
		}
		return nil // the answer comes when the subscription ends, and this one ends with the process
	}
	m, _ := l.s.answer(x)
	if len(x.after) > 0 {
		l.send(m)
		for _, late := range x.after {
			l.send(late)
		}
		return nil
	}
	return m
}

func (l *lines) initialize(x *exchange) obj {
	result, se, f := l.s.initialize(x.request)
	if f != nil {
		return errorMessage(x.id, f)
	}
	l.session, x.session, x.version = se, se, se.version
	m := obj{"jsonrpc": "2.0", "id": x.id, "result": result}
	l.s.spoil(x, m)
	if late := l.s.afterInitialize(); late != nil {
		l.send(m)
		l.send(late[0])
		return nil
	}
	return m
}

// pushed sends what the session has outside of requests.
func (l *lines) pushed() {
	if l.session == nil {
		return
	}
	l.session.mu.Lock()
	late := l.session.late
	l.session.late = nil
	l.session.mu.Unlock()
	for _, m := range late {
		l.send(m)
	}
}
