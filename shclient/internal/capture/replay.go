// SPDX-License-Identifier: Apache-2.0

package capture

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"strings"
	"time"

	"github.com/atrawog/mcp-oauth-gateway/shproxy/jsonrpc"
)

// ReplayOptions says how a capture is played.
type ReplayOptions struct {
	Timeout time.Duration // of each answer
	Ignore  [][]string    // paths of answers that are not compared, such as result.content.*.text

	// Gone tells an error object that says that there is no server to be asked
	// from one that is its answer. The error that it returns ends the replay.
	// Nil means that every error is an answer.
	Gone func(fault []byte) error
}

// A ReplayReport is what came of a replay.
type ReplayReport struct {
	Requests int      `json:"requests"` // that were answered
	Redacted int      `json:"redacted"` // messages that went out with "[redacted]" in them
	Changes  []Change `json:"changes"`
}

// Replay says to a server what the client of the capture said, in its order, and
// compares the answers. A request follows when all that the client had been
// answered by then has been answered again. Ids stay those of the capture;
// cursors, requestState and ids of tasks are those that the server gives. What
// the server asks is answered as the client did. The connection stays open.
//
// The error is that of ctx, or that the server has ended; the report has what
// there is until then.
func Replay(ctx context.Context, server io.ReadWriter, c *Capture, o ReplayOptions) (*ReplayReport, error) {
	p := &player{options: o, server: server, capture: c, lines: make(chan []byte), done: make(chan struct{}),
		given: map[string]string{}, requests: map[string]*Entry{}, answers: map[string]*Entry{}, heard: map[string]bool{}}
	p.prepare()
	go p.read()
	defer close(p.done)
	err := p.play(ctx)
	p.finish()
	if p.report.Changes == nil {
		p.report.Changes = []Change{}
	}
	return &p.report, err
}

type player struct {
	options ReplayOptions
	server  io.ReadWriter
	capture *Capture
	report  ReplayReport

	lines chan []byte   // from the server; closed at its end
	done  chan struct{} // closed when nobody listens any more

	given    map[string]string // what the server of the capture gave, and this one in its place
	requests map[string]*Entry // of the client, by id, that wait for an answer
	answers  map[string]*Entry // that came, by id
	heard    map[string]bool   // methods of notifications that came
	outbox   [][]byte          // answers to what the server asked, not written yet

	asked   []*Entry          // requests of the server in the capture that were not made yet
	replies map[string]*Entry // answers of the client in the capture, by id
	told    []string          // methods of notifications in the capture
}

// prepare looks for what the server of the capture said by itself.
func (p *player) prepare() {
	p.replies = map[string]*Entry{}
	for i := range p.capture.Entries {
		switch e := &p.capture.Entries[i]; {
		case e.From == Client && e.m.Kind == jsonrpc.Response:
			p.replies[e.id()] = e
		case e.From == Server && e.m.Kind == jsonrpc.Request:
			p.asked = append(p.asked, e)
		case e.From == Server && e.m.Kind == jsonrpc.Notification:
			p.told = append(p.told, e.method())
		}
	}
}

func (p *player) read() {
	defer close(p.lines)
	lines := bufio.NewScanner(p.server)
	lines.Buffer(make([]byte, 0, 64<<10), maxLine)
	for lines.Scan() {
		if line := bytes.TrimSpace(lines.Bytes()); len(line) > 0 {
			select {
			case p.lines <- bytes.Clone(line):
			case <-p.done:
				return
			}
		}
	}
}

func (p *player) play(ctx context.Context) error {
	for i := range p.capture.Entries {
		e := &p.capture.Entries[i]
		var err error
		switch {
		case e.From == Client && (e.m.Kind == jsonrpc.Request || e.m.Kind == jsonrpc.Notification):
			if err = p.say(ctx, e); errors.Is(err, errEnded) {
				err = fmt.Errorf("%w before it took %s (line %d)", err, describe(e), e.Line)
			}
		case e.From == Server && e.m.Kind == jsonrpc.Response && p.requests[e.id()] != nil:
			err = p.await(ctx, e)
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// errEnded is a server that is gone, errDeaf one that does not read.
var (
	errEnded = errors.New("the server has ended")
	errDeaf  = errors.New("the server does not read what is written to it")
)

// say sends a message of the client. The server may have to be listened to
// before it reads.
func (p *player) say(ctx context.Context, e *Entry) error {
	if e.m.Kind == jsonrpc.Request {
		p.requests[e.id()] = e
	}
	if bytes.Contains(e.Message, []byte(Redacted)) {
		p.report.Redacted++
	}
	return p.write(ctx, p.renamed(e))
}

// maxOutbox is how many answers may wait for a server that asks and does not
// read.
const maxOutbox = 1000

// write writes a frame, and the answers to what the server asks meanwhile.
func (p *player) write(ctx context.Context, frame []byte) error {
	p.outbox = append(p.outbox, frame)
	return p.flush(ctx)
}

// flush writes what waits.
func (p *player) flush(ctx context.Context) error {
	for len(p.outbox) > 0 && len(p.outbox) <= maxOutbox {
		next := p.outbox[0]
		p.outbox = p.outbox[1:]
		if err := p.writeOne(ctx, next); err != nil {
			return err
		}
	}
	if len(p.outbox) > 0 {
		return errDeaf
	}
	return nil
}

// writeOne writes a frame, and listens while the server does not read.
func (p *player) writeOne(ctx context.Context, frame []byte) error {
	sent := make(chan error, 1)
	line := append(bytes.Clone(frame), '\n')
	jsonrpc.Fold(line[:len(line)-1])
	go func() {
		_, err := p.server.Write(line)
		sent <- err
	}()
	timer := time.NewTimer(p.options.Timeout)
	defer timer.Stop()
	for {
		select {
		case err := <-sent:
			if err != nil {
				return errEnded
			}
			return nil
		case line, ok := <-p.lines:
			if !ok {
				return errEnded
			}
			p.take(line)
		case <-timer.C:
			return errDeaf
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}

// renamed is a message of the client with what the server gave, in place of what
// that of the capture did.
func (p *player) renamed(e *Entry) []byte {
	var edits []jsonrpc.Edit
	for name, value := range jsonrpc.Members(e.Message, e.m.Params) {
		for _, own := range opaqueParams {
			if now, ok := p.given[jsonrpc.Text(value.Of(e.Message))]; ok && jsonrpc.Is(e.Message, name, own) {
				edits = append(edits, jsonrpc.Edit{Span: value, With: jsonrpc.AppendString(nil, now)})
			}
		}
	}
	return jsonrpc.AppendSplice(nil, e.Message, edits...)
}

// await waits for the answer that the capture has in recorded, and compares.
func (p *player) await(ctx context.Context, recorded *Entry) error {
	timer := time.NewTimer(p.options.Timeout)
	defer timer.Stop()
	request := p.requests[recorded.id()]
	delete(p.requests, recorded.id())
	what := describe(request)
	for p.answers[recorded.id()] == nil {
		select {
		case line, ok := <-p.lines:
			if !ok {
				return fmt.Errorf("%w before it answered %s (line %d)", errEnded, what, request.Line)
			}
			p.take(line)
			if err := p.flush(ctx); err != nil {
				return err
			}
		case <-timer.C:
			p.report.Changes = append(p.report.Changes, Change{Subject: what, Path: "$", Kind: Removed, Before: result(recorded),
				Breaking: true, Why: fmt.Sprintf("no answer within %v", p.options.Timeout)})
			return nil
		case <-ctx.Done():
			return ctx.Err()
		}
	}
	if answer := p.answers[recorded.id()]; p.options.Gone != nil && answer.m.Error.Present() && !recorded.m.Error.Present() {
		if err := p.options.Gone(answer.m.Error.Of(answer.Message)); err != nil {
			return err
		}
	}
	p.report.Requests++
	p.compare(what, request, recorded, p.answers[recorded.id()])
	return nil
}

func (p *player) compare(what string, request, recorded, answer *Entry) {
	p.learn(recorded, answer)
	var changes []Change
	x := exchange{request: request}
	if worked := recorded.m.Result.Present() && answer.m.Result.Present(); worked && x.isListing() {
		changes, _ = Compare(surfaceOf(request, recorded), surfaceOf(request, answer))
	} else {
		changes = compareAnswers(what, recorded, answer)
	}
	p.keep(changes)
}

// surfaceOf is what one answer says of a server.
func surfaceOf(request, answer *Entry) *Surface {
	c := Capture{Entries: []Entry{*request, *answer}}
	return c.Surface()
}

// learn keeps what the server gave in place of that of the capture.
func (p *player) learn(recorded, answer *Entry) {
	for _, name := range opaqueResults {
		was, _ := jsonrpc.Lookup(recorded.Message, recorded.m.Result, name)
		is, ok := jsonrpc.Lookup(answer.Message, answer.m.Result, name)
		if text := jsonrpc.Text(was.Of(recorded.Message)); ok && text != "" {
			p.given[text] = jsonrpc.Text(is.Of(answer.Message))
		}
	}
}

// ignored reports whether a path is below one of those to ignore.
func (p *player) ignored(path string) bool {
	steps := strings.FieldsFunc(strings.TrimPrefix(path, "$"), func(r rune) bool { return r == '.' || r == '[' || r == ']' || r == '\'' })
	for _, want := range p.options.Ignore {
		if len(want) <= len(steps) && matches(want, steps[:len(want)]) {
			return true
		}
	}
	return false
}

// take deals with a line of the server.
func (p *player) take(line []byte) {
	e := &Entry{From: Server, Message: line}
	var err error
	if e.m, err = jsonrpc.Scan(line); err != nil {
		return // noise
	}
	switch e.m.Kind {
	case jsonrpc.Response:
		p.answers[e.id()] = e
	case jsonrpc.Notification:
		p.heard[e.method()] = true
	case jsonrpc.Request:
		p.outbox = append(p.outbox, p.reply(e))
	}
}

// reply is the answer to a request of the server: that of the client of the
// capture, if it was asked the same.
func (p *player) reply(e *Entry) []byte {
	for i, recorded := range p.asked {
		if recorded.method() != e.method() {
			continue
		}
		p.asked = append(p.asked[:i:i], p.asked[i+1:]...)
		reply := p.replies[recorded.id()]
		if reply == nil {
			break
		}
		before, after := decode(recorded.m.Params.Of(recorded.Message)), decode(e.m.Params.Of(e.Message))
		p.keep(differences("question "+e.method(), "$.params", withoutMeta(before), withoutMeta(after)))
		return jsonrpc.AppendSplice(nil, reply.Message, jsonrpc.Edit{Span: reply.m.ID, With: e.m.ID.Of(e.Message)})
	}
	if e.method() == "ping" {
		return append(append([]byte(`{"jsonrpc":"2.0","id":`), e.m.ID.Of(e.Message)...), `,"result":{}}`...)
	}
	p.keep([]Change{{Subject: "question " + e.method(), Path: "$", Kind: Added, After: decode(e.Message),
		Breaking: true, Why: "the client of the capture was not asked"}})
	return jsonrpc.AppendError(nil, e.m.ID.Of(e.Message), jsonrpc.MethodNotFound, "the capture has no answer to this", nil)
}

// keep keeps changes that are not ignored.
func (p *player) keep(changes []Change) {
	for _, c := range changes {
		if !p.ignored(c.Path) {
			p.report.Changes = append(p.report.Changes, c)
		}
	}
}

func withoutMeta(v any) any {
	if object, ok := v.(map[string]any); ok {
		delete(object, "_meta") // progress tokens and the like are the server's own
	}
	return v
}

// finish reports what the server did not say by itself.
func (p *player) finish() {
	for _, e := range p.asked {
		if e.method() != "ping" {
			p.report.Changes = append(p.report.Changes, Change{Subject: "question " + e.method(), Path: "$", Kind: Removed, Before: decode(e.Message)})
		}
	}
	seen := map[string]bool{}
	for _, method := range p.told {
		if !p.heard[method] && !seen[method] {
			p.report.Changes = append(p.report.Changes, Change{Subject: method, Path: "$", Kind: Removed})
		}
		seen[method] = true
	}
}
