// SPDX-License-Identifier: Apache-2.0

package era

import (
	"encoding/json"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/rogpeppe/go-internal/txtar"

	"github.com/atrawog/mcp-oauth-gateway/shproxy/jsonrpc"
)

var update = flag.Bool("update", false, "write what came out into the conversations")

// TestConversations plays testdata/tolegacy and testdata/tomodern, and
// compares every byte. The parts of an archive are, in the order of time:
//
//	client     lines that the client says
//	server     lines that the server says
//	tick       how much time passes, like "25ms"; "due" is until something is due
//	to server  what the server is sent of all that
//	to client  what the client is sent; "[id] " in front of what belongs to a call
//	dropped    how many messages went nowhere
//
// What comes out of a part stands directly behind it. The lines of the comment
// that look like "name: JSON" configure the translator: capabilities,
// clientInfo. A requestState of ours is written <state-1>, <state-2>, … in the
// order in which they were made.
func TestConversations(t *testing.T) {
	t.Parallel()
	for kind := range translators {
		files, err := filepath.Glob("testdata/" + kind + "/*.txtar")
		if err != nil || len(files) == 0 {
			t.Fatalf("no conversations in testdata/%s: %v", kind, err)
		}
		for _, file := range files {
			t.Run(kind+"/"+strings.TrimSuffix(filepath.Base(file), ".txtar"), func(t *testing.T) {
				t.Parallel()
				archive, err := txtar.ParseFile(file)
				if err != nil {
					t.Fatal(err)
				}
				p := newPlay(t, kind, string(archive.Comment))
				archive.Files = p.all(archive.Files)
				if *update && !t.Failed() {
					if err := os.WriteFile(file, txtar.Format(archive), 0o644); err != nil {
						t.Fatal(err)
					}
				}
			})
		}
	}
}

// translators are what there is to be tested, by the directory of its
// conversations, made from their settings.
var translators = map[string]func(settings map[string]string) Translator{}

// play is one conversation.
type play struct {
	t      *testing.T
	tr     Translator
	now    time.Time
	states []string
}

var setting = regexp.MustCompile(`(?m)^(\w+): (.*)$`)

func newPlay(t *testing.T, kind, comment string) *play {
	t.Helper()
	settings := map[string]string{}
	for _, m := range setting.FindAllStringSubmatch(comment, -1) {
		settings[m[1]] = m[2]
	}
	p := &play{t: t, now: time.Date(2026, 7, 28, 0, 0, 0, 0, time.UTC)}
	p.tr = translators[kind](settings)
	return p
}

// all plays the parts and returns them with what really came out.
func (p *play) all(parts []txtar.File) (real []txtar.File) {
	for i := 0; i < len(parts); {
		input := parts[i]
		i++
		out := &Output{}
		p.input(input, out)
		got := p.output(out)
		var want []txtar.File
		for ; i < len(parts) && isOutput(parts[i].Name); i++ {
			want = append(want, parts[i])
		}
		real = append(append(real, input), got...)
		if *update {
			continue
		}
		if g, w := string(txtar.Format(&txtar.Archive{Files: got})), string(txtar.Format(&txtar.Archive{Files: want})); g != w {
			p.t.Fatalf("after part %d (%s)\n%s\ncame out\n%s\nwant\n%s", len(real)-len(got), input.Name, input.Data, g, w)
		}
	}
	return real
}

func isOutput(name string) bool {
	return name == "to server" || name == "to client" || name == "dropped"
}

func (p *play) input(part txtar.File, out *Output) {
	text := strings.TrimSpace(string(part.Data))
	if part.Name == "tick" {
		p.tick(text, out)
		return
	}
	for line := range strings.SplitSeq(text, "\n") {
		for i, state := range p.states {
			line = strings.ReplaceAll(line, fmt.Sprintf("<state-%d>", i+1), state)
		}
		frame := []byte(line)
		m, err := jsonrpc.Scan(frame)
		if err != nil {
			p.t.Fatalf("%s: %v", line, err)
		}
		switch part.Name {
		case "client":
			p.tr.FromClient(p.now, frame, m, out)
		case "server":
			p.tr.FromServer(p.now, frame, m, out)
		default:
			p.t.Fatalf("unknown part %q", part.Name)
		}
	}
}

func (p *play) tick(text string, out *Output) {
	if text == "due" {
		if p.tr.Due().IsZero() {
			p.t.Fatal("nothing is due")
		}
		p.now = p.tr.Due()
	} else {
		d, err := time.ParseDuration(text)
		if err != nil {
			p.t.Fatal(err)
		}
		p.now = p.now.Add(d)
	}
	p.tr.Tick(p.now, out)
}

func (p *play) output(out *Output) (parts []txtar.File) {
	add := func(name string, lines []string) {
		if len(lines) > 0 {
			parts = append(parts, txtar.File{Name: name, Data: []byte(strings.Join(lines, "\n") + "\n")})
		}
	}
	var server, client []string
	for _, frame := range out.ToServer {
		server = append(server, p.line(frame))
	}
	for _, m := range out.ToClient {
		checkScanned(p.t, m)
		related := ""
		if m.Related != nil {
			related = "[" + string(m.Related) + "] "
		}
		client = append(client, related+p.line(m.Frame))
	}
	add("to server", server)
	add("to client", client)
	if out.Dropped > 0 {
		add("dropped", []string{fmt.Sprint(out.Dropped)})
	}
	return parts
}

// line is a frame that was sent, which has to be one.
func (p *play) line(frame []byte) string {
	if _, err := jsonrpc.Scan(frame); err != nil {
		p.t.Fatalf("%s: %v", frame, err)
	}
	var answer struct{ Result struct{ RequestState string } }
	_ = json.Unmarshal(frame, &answer) // an error response has none
	if state := answer.Result.RequestState; strings.HasPrefix(state, statePrefix) {
		p.states = append(p.states, state)
	}
	text := string(frame)
	for i, state := range p.states {
		text = strings.ReplaceAll(text, state, fmt.Sprintf("<state-%d>", i+1))
	}
	return text
}
