// SPDX-License-Identifier: Apache-2.0

package shproxy

import (
	"cmp"
	"fmt"
	"net/http"
	"path/filepath"
	"strings"
	"testing"

	"github.com/rogpeppe/go-internal/txtar"

	"github.com/atrawog/mcp-oauth-gateway/shproxy/internal/testserver"
)

// TestGolden plays the conversations of testdata/golden and compares every
// byte. The parts of an archive are, in the order of time:
//
//	client   what a client posts
//	child    the lines that the server is sent
//	server   the lines that the server says
//	reply    the status, the content type and the body that the oldest post
//	         without a reply gets
//	stream   the events of the standalone stream, which is open from the
//	         beginning
//
// The comment says what it is about; a line "version: X" in it chooses the
// protocol version, which is 2025-06-18 otherwise.
func TestGolden(t *testing.T) {
	t.Parallel()
	files, err := filepath.Glob("testdata/golden/*.txtar")
	if err != nil || len(files) < 10 {
		t.Fatalf("%d conversations, %v", len(files), err)
	}
	for _, file := range files {
		t.Run(strings.TrimSuffix(filepath.Base(file), ".txtar"), func(t *testing.T) {
			t.Parallel()
			archive, err := txtar.ParseFile(file)
			if err != nil {
				t.Fatal(err)
			}
			play(t, archive)
		})
	}
}

func play(t *testing.T, archive *txtar.Archive) {
	version := testVersion
	for line := range strings.Lines(string(archive.Comment)) {
		if text, ok := strings.CutPrefix(strings.TrimSpace(line), "version: "); ok {
			version = text
		}
	}
	g := newGolden(t, version)
	for i, part := range archive.Files {
		t.Logf("part %d: %s", i+1, part.Name)
		text := strings.TrimSuffix(string(part.Data), "\n")
		switch part.Name {
		case "client":
			g.post(text)
		case "child":
			for line := range strings.SplitSeq(text, "\n") {
				g.child.Expect(line)
			}
		case "server":
			for line := range strings.SplitSeq(text, "\n") {
				g.child.Says(line)
			}
		case "reply":
			g.reply(text)
		case "stream":
			for line := range strings.SplitSeq(text, "\n") {
				if got := g.stream.message(); got != line {
					t.Fatalf("the stream got  %s\nwant %s", got, line)
				}
			}
		default:
			t.Fatalf("unknown part %q", part.Name)
		}
	}
	if len(g.posts) > 0 {
		t.Errorf("%d posts have no reply", len(g.posts))
	}
}

// golden is one conversation.
type golden struct {
	t      *testing.T
	client *client
	child  *testserver.Actor
	stream *events
	modern bool
	posts  []chan string
}

func newGolden(t *testing.T, version string) *golden {
	t.Helper()
	_, url, stage := newStage(t, &Options{ReplayBytes: -1})
	if version != modernVersion {
		c, child := connectPuppet(t, url, stage, version)
		return &golden{t: t, client: c, child: child, stream: c.listen(t.Context())}
	}
	g := &golden{t: t, client: modernClient(t, url), modern: true}
	g.post(modernFrame("0", "server/discover", "", ""))
	g.child = stage.Next()
	g.child.Hears()
	g.child.Says(`{"jsonrpc":"2.0","id":1,"result":{"supportedVersions":["2026-07-28"]}}`)
	g.child.Hears()
	g.child.Says(`{"jsonrpc":"2.0","id":2,"result":{}}`)
	g.reply("200 application/json\n" + `{"jsonrpc":"2.0","id":0,"result":{}}`)
	return g
}

// post sends a message; its reply comes when it comes. Messages leave in the
// order of the archive as long as the next part waits for what this one does.
func (g *golden) post(frame string) {
	reply := make(chan string, 1)
	g.posts = append(g.posts, reply)
	r := g.client.request(g.t.Context(), http.MethodPost, frame)
	if g.modern {
		r = g.client.modernRequest(g.t.Context(), frame)
	}
	go func() {
		resp, err := testClient.Do(r)
		if err != nil {
			reply <- err.Error()
			return
		}
		defer resp.Body.Close()
		reply <- fmt.Sprintf("%d %s\n%s", resp.StatusCode, cmp.Or(resp.Header.Get("Content-Type"), "-"), g.client.body(resp))
	}()
}

func (g *golden) reply(want string) {
	g.t.Helper()
	if len(g.posts) == 0 {
		g.t.Fatal("nothing was posted")
	}
	got := strings.TrimRight(<-g.posts[0], "\n")
	g.posts = g.posts[1:]
	if got != want {
		g.t.Fatalf("the client got\n%s\nwant\n%s", got, want)
	}
}
