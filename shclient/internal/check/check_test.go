// SPDX-License-Identifier: Apache-2.0

package check

import (
	"bytes"
	"context"
	"encoding/json"
	"encoding/xml"
	"errors"
	"flag"
	"net/http"
	"net/http/httptest"
	"os"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/modelcontextprotocol/go-sdk/mcp"
)

func TestMain(m *testing.M) {
	if lives := os.Getenv("CHECK_TEST_LIVES"); lives != "" && !begins(lives) {
		os.Exit(3)
	}
	if options := os.Getenv("CHECK_TEST_SERVER"); strings.Contains(options, ";") {
		if err := serveFaulty(options); err != nil {
			os.Exit(1)
		}
		os.Exit(0)
	} else if options != "" { // this program as the server of a test
		if err := testServer().Run(context.Background(), &mcp.StdioTransport{}); err != nil {
			os.Exit(1)
		}
		os.Exit(0)
	}
	flag.Parse()
	os.Exit(m.Run())
}

func testServer() *mcp.Server {
	s := mcp.NewServer(&mcp.Implementation{Name: "test", Version: "1"}, nil)
	type in struct {
		Text string `json:"text"`
	}
	mcp.AddTool(s, &mcp.Tool{Name: "echo", Annotations: &mcp.ToolAnnotations{ReadOnlyHint: true}},
		func(_ context.Context, _ *mcp.CallToolRequest, in in) (*mcp.CallToolResult, any, error) {
			return &mcp.CallToolResult{Content: []mcp.Content{&mcp.TextContent{Text: in.Text}}}, nil, nil
		})
	return s
}

// httpTarget is a real server over HTTP, of both eras.
func httpTarget(t *testing.T) Target {
	return serve(t, &mcp.StreamableHTTPOptions{Stateless: true})
}

// sessionTarget is one of the legacy era, with sessions.
func sessionTarget(t *testing.T) Target { return serve(t, nil) }

func serve(t *testing.T, o *mcp.StreamableHTTPOptions) Target {
	t.Helper()
	s := testServer()
	server := httptest.NewServer(mcp.NewStreamableHTTPHandler(func(*http.Request) *mcp.Server { return s }, o))
	t.Cleanup(func() {
		server.CloseClientConnections()
		server.Close()
	})
	return Target{Name: server.URL, URL: server.URL + "/mcp?key=s3cr3t-query"}
}

func stdioTarget(t *testing.T) Target {
	t.Helper()
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	return Target{Name: "self", Command: []string{self}, Env: append(os.Environ(), "CHECK_TEST_SERVER=1", "GORACE=atexit_sleep_ms=0")}
}

func rule(id string, level Level, check func(context.Context, *Probe) error) Rule {
	return Rule{ID: id, Level: level, Transports: Both, Section: "basic#x", Demand: "a demand", Check: check}
}

// outcomes are rules that end in each way.
func outcomes() []Rule {
	ping := func(ctx context.Context, p *Probe) error {
		s, err := p.Session(ctx)
		if err != nil {
			return err
		}
		_, err = s.Request(ctx, p, "tools/list", map[string]any{"_secret": "s3cr3t-token <b>`|\x00"})
		return err
	}
	return []Rule{
		rule("a.kept", Must, ping),
		rule("a.must", Must, func(ctx context.Context, p *Probe) error {
			err := ping(ctx, p)
			p.Brokenf("the token is s3cr3t-token\x1b[31m `|")
			return err
		}),
		rule("a.should", Should, func(ctx context.Context, p *Probe) error {
			p.Brokenf("not nice")
			return nil
		}),
		rule("b.skipped", Must, func(context.Context, *Probe) error { return Skipf("no %s", "tools") }),
		rule("b.unclear", Must, func(context.Context, *Probe) error { return errors.New("out of tea") }),
	}
}

func TestRun(t *testing.T) {
	for name, target := range map[string]Target{"HTTP": httpTarget(t), "stdio": stdioTarget(t)} {
		t.Run(name, func(t *testing.T) {
			target.Secrets = &Secrets{}
			target.Secrets.Add("s3cr3t-token")
			report, err := Run(t.Context(), target, Options{Timeout: patient, Rules: outcomes(), Versions: []string{V20251125, V20260728}})
			if err != nil {
				t.Fatal(err)
			}
			if report.OK() || report.Server != "test 1" || report.Transport != name {
				t.Errorf("%+v", report)
			}
			s := report.Summary
			if s.BrokenMust != 2 || s.BrokenShould != 2 || s.Skipped != 2 || s.Unclear != 2 || s.Kept != 2 {
				t.Errorf("%+v", s)
			}
			for _, v := range report.Versions {
				if !v.Spoken {
					t.Errorf("%+v", v)
				}
			}
			for format, write := range map[string]func(*bytes.Buffer) error{
				"text":     func(b *bytes.Buffer) error { return report.WriteText(b, Style{Exchanges: true, Skipped: true}) },
				"json":     func(b *bytes.Buffer) error { return report.WriteJSON(b) },
				"junit":    func(b *bytes.Buffer) error { return report.WriteJUnit(b) },
				"markdown": func(b *bytes.Buffer) error { return report.WriteMarkdown(b) },
			} {
				var b bytes.Buffer
				if err := write(&b); err != nil {
					t.Errorf("%s: %v", format, err)
				}
				checkWritten(t, format, b.String())
			}
		})
	}
}

// checkWritten looks at what every format has to say, and must not.
func checkWritten(t *testing.T, format, text string) {
	t.Helper()
	for _, want := range []string{"a.must", "a.should", "out of tea", "no tools", "the token is [redacted]", specification + V20260728 + "/basic#x", "tools/list"} {
		if !strings.Contains(text, want) {
			t.Errorf("%s does not have %q:\n%s", format, want, text)
		}
	}
	if strings.Contains(text, "s3cr3t") || strings.Contains(text, "\x1b") {
		t.Errorf("%s has what it must not:\n%s", format, text)
	}
	switch format {
	case "json":
		if !json.Valid([]byte(text)) {
			t.Errorf("no JSON: %s", text)
		}
	case "junit":
		var suites junitSuites
		if err := xml.Unmarshal([]byte(text), &suites); err != nil {
			t.Error(err)
		}
		if suites.Tests != 10 || suites.Failures != 2 || suites.Errors != 2 || suites.Skipped != 2 || len(suites.Suites) != 2 {
			t.Errorf("%+v", suites)
		}
	}
}

// patient is how long tests wait for answers that do come, on a machine that may
// be busy.
const patient = 2 * time.Minute

// TestGoodServers has a sane server keep every MUST, over each transport.
func TestGoodServers(t *testing.T) {
	targets := map[string]Target{"HTTP": httpTarget(t), "sessions": sessionTarget(t), "stdio": stdioTarget(t)}
	for name, target := range targets {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			o := Options{Timeout: patient}
			if target.Transport() == Stdio { // this server is silent for seconds after what is not JSON
				o.Versions = []string{V20250326, V20260728}
			}
			report, err := Run(t.Context(), target, o)
			if err != nil {
				t.Fatal(err)
			}
			var b bytes.Buffer
			if err := report.WriteText(&b, Style{Exchanges: true, Skipped: true}); err != nil {
				t.Fatal(err)
			}
			if !report.OK() || report.Summary.Unclear > 0 {
				t.Errorf("%s", b.String())
			}
			if report.Summary.Kept < 60 {
				t.Errorf("only %d results:\n%s", report.Summary.Kept, b.String())
			}
		})
	}
}

func TestLocked(t *testing.T) {
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusUnauthorized) }))
	defer server.Close()
	target := Target{Name: "locked", URL: server.URL}
	if _, err := Run(t.Context(), target, Options{Rules: outcomes()}); !errors.Is(err, ErrUnauthorized) {
		t.Errorf("error %v", err)
	}
	anonymous := rule("c.anonymous", Must, func(ctx context.Context, p *Probe) error {
		resp, err := p.Do(ctx, HTTPRequest{Anonymous: true})
		if err == nil && resp.Status == http.StatusUnauthorized {
			p.Brokenf("no challenge")
		}
		return err
	})
	anonymous.Anonymous = true
	report, err := Run(t.Context(), target, Options{Rules: append(outcomes(), anonymous)})
	if err != nil {
		t.Fatal(err)
	}
	if len(report.Results) != 1 || report.Summary.BrokenMust != 1 {
		t.Errorf("%+v", report)
	}
}

func TestNoServer(t *testing.T) {
	server := httptest.NewServer(http.NotFoundHandler())
	defer server.Close()
	for _, target := range []Target{{URL: server.URL}, {URL: "http://127.0.0.1:1/"}, {Command: []string{"/no/such/program"}}} {
		if _, err := Run(t.Context(), target, Options{}); err == nil {
			t.Errorf("%+v: no error", target)
		}
	}
}

func TestSelect(t *testing.T) {
	for _, test := range []struct {
		only, skip []string
		want       string
		err        bool
	}{
		{nil, nil, "a.kept a.must a.should b.skipped b.unclear", false},
		{[]string{"a.*"}, nil, "a.kept a.must a.should", false},
		{[]string{"a.*"}, []string{"*.must"}, "a.kept a.should", false},
		{[]string{"nothing"}, nil, "", true},
		{nil, []string{"["}, "", true},
	} {
		rules, err := Select(outcomes(), test.only, test.skip)
		if (err != nil) != test.err {
			t.Errorf("%v: error %v", test, err)
		}
		var ids []string
		for _, r := range rules {
			ids = append(ids, r.ID)
		}
		if got := strings.Join(ids, " "); got != test.want {
			t.Errorf("%v: %s", test, got)
		}
	}
}

// TestRules holds the rules to their form.
func TestRules(t *testing.T) {
	form := regexp.MustCompile(`^[a-z0-9]+\.[a-z0-9-]+$`)
	section := regexp.MustCompile(`^[a-z/-]+(#[a-z0-9-]+)?$`)
	seen := map[string]bool{}
	for _, r := range Rules() {
		if seen[r.ID] {
			t.Errorf("%s is there twice", r.ID)
		}
		seen[r.ID] = true
		if !form.MatchString(r.ID) || r.Level != Must && r.Level != Should || r.Transports == 0 || r.Check == nil {
			t.Errorf("%s is not whole", r.ID)
		}
		if !section.MatchString(r.Section) {
			t.Errorf("%s: section %q", r.ID, r.Section)
		}
		for version, other := range r.Elsewhere {
			if !section.MatchString(other) || !slices.Contains(Versions(), version) {
				t.Errorf("%s: section %q in %s", r.ID, other, version)
			}
		}
		if d := r.Demand; d == "" || strings.ContainsAny(d, "|\n") || strings.HasSuffix(d, ".") || strings.ToUpper(d[:1]) == d[:1] && d[1:2] == strings.ToLower(d[1:2]) {
			t.Errorf("%s: demand %q is no line that begins in lower case", r.ID, d)
		}
		for _, v := range []string{r.Since, r.Until} {
			if v != "" && !slices.Contains(Versions(), v) {
				t.Errorf("%s: version %q", r.ID, v)
			}
		}
	}
}

var update = flag.Bool("update", false, "write docs/check.md")

const docsHead = `# What shclient check looks at

Each rule is a demand of the specification that can be seen from outside. It is tried in every protocol version that it
belongs to and that the server speaks. The level links to the section in the newest of these versions.

Written by ` + "`go test ./internal/check -run TestDocs -update`" + `.

`

func TestDocs(t *testing.T) {
	const file = "../../docs/check.md"
	want := docsHead + Table(Rules())
	if *update {
		if err := os.WriteFile(file, []byte(want), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	got, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	if string(got) != want {
		t.Errorf("%s is not what the rules say; run go test ./internal/check -run TestDocs -update", file)
	}
}
