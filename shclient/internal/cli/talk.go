// SPDX-License-Identifier: Apache-2.0

//lint:file-ignore SA1019 servers of the legacy era still log, sample and ask for roots

package cli

import (
	"bufio"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"

	"github.com/modelcontextprotocol/go-sdk/mcp"
	"github.com/spf13/cobra"
	"github.com/spf13/pflag"
	"golang.org/x/term"

	"github.com/atrawog/mcp-oauth-gateway/oauthdyn"
	"github.com/atrawog/mcp-oauth-gateway/shclient/internal/ask"
	"github.com/atrawog/mcp-oauth-gateway/shclient/internal/buildinfo"
	"github.com/atrawog/mcp-oauth-gateway/shclient/internal/render"
	"github.com/atrawog/mcp-oauth-gateway/shproxy/era"
	"github.com/atrawog/mcp-oauth-gateway/shproxy/jsonrpc"
)

// logLevels are those of log messages (RFC 5424 section 6.2.1), as MCP spells
// them.
var logLevels = []string{"debug", "info", "notice", "warning", "error", "critical", "alert", "emergency"}

// talkFlags say how to treat what a server tells and asks while a command runs.
type talkFlags struct {
	sampling bool
	roots    []string
	level    string
}

func (f *talkFlags) register(flags *pflag.FlagSet) {
	flags.BoolVar(&f.sampling, "sampling", false, "let the server ask for what a model would say, and ask you for it")
	flags.StringArrayVar(&f.roots, "root", nil, "`dir`ectory that the server may know you work in (more than once)")
	flags.StringVar(&f.level, "level", "", "show log messages of the server from this `level` on: "+strings.Join(logLevels, ", "))
}

// talk is the other half of a conversation: what a server tells and asks while
// commands run. Progress and log messages go to stderr; questions to the
// person there, if there is one.
type talk struct {
	app   *app
	flags *talkFlags
	bar   *render.Bar
	asker *ask.Asker

	mu  sync.Mutex
	ctx context.Context // mu guards it: that of the command that runs now
}

// talk returns the talk with a target, and the client to have it with. In a
// shell it is that of the shell, and the flags of a single command do not count.
func (a *app) talk(cmd *cobra.Command, t target, f *talkFlags) (*talk, *mcp.Client, error) {
	if a.inside != nil {
		return a.inside.talk, nil, nil
	}
	return a.newTalk(cmd, t, f)
}

func (a *app) newTalk(cmd *cobra.Command, t target, f *talkFlags) (*talk, *mcp.Client, error) {
	if f.level != "" && !slices.Contains(logLevels, f.level) {
		return nil, nil, usage(cmd, "--level %s: want %s", f.level, strings.Join(logLevels, ", "))
	}
	screen := a.screen(a.stderr)
	k := &talk{app: a, flags: f, bar: render.NewBar(a.stderr, screen, nil), ctx: cmd.Context()}
	k.asker = &ask.Asker{Server: t.String(), Out: a.stderr, Screen: screen, Open: a.openPage}
	if in, ok := a.stdin.(*os.File); ok && screen.Terminal() && term.IsTerminal(int(in.Fd())) {
		k.asker.ReadLine = readLines(in, a.stderr)
	}
	capabilities := &mcp.ClientCapabilities{
		Elicitation: &mcp.ElicitationCapabilities{Form: &mcp.FormElicitationCapabilities{}, URL: &mcp.URLElicitationCapabilities{}},
	}
	options := &mcp.ClientOptions{
		Logger:                      a.logger(),
		Capabilities:                capabilities,
		ProgressNotificationHandler: k.progress,
		LoggingMessageHandler:       k.log,
		ElicitationHandler:          k.elicit,
	}
	if f.sampling {
		options.CreateMessageHandler = k.sample
	}
	if len(f.roots) > 0 {
		capabilities.RootsV2 = &mcp.RootCapabilities{}
	}
	client := mcp.NewClient(&mcp.Implementation{Name: "shclient", Version: buildinfo.Version()}, options)
	for _, dir := range f.roots {
		root, err := newRoot(dir)
		if err != nil {
			return nil, nil, usage(cmd, "--root: %s", plain(err))
		}
		client.AddRoots(root)
	}
	client.AddSendingMiddleware(k.mark)
	return k, client, nil
}

func newRoot(dir string) (*mcp.Root, error) {
	dir, err := filepath.Abs(dir)
	if err != nil {
		return nil, err
	}
	if info, err := os.Stat(dir); err != nil {
		return nil, err
	} else if !info.IsDir() {
		return nil, fmt.Errorf("%s is not a directory", dir)
	}
	path := filepath.ToSlash(dir)
	if !strings.HasPrefix(path, "/") {
		path = "/" + path // a drive
	}
	return &mcp.Root{Name: filepath.Base(dir), URI: (&url.URL{Scheme: "file", Path: path}).String()}, nil
}

// openPage opens a page in the browser that BROWSER names, or the system's.
func (a *app) openPage(ctx context.Context, page string) error {
	browser := oauthdyn.Browser{}
	if command, _ := a.lookupEnv("BROWSER"); strings.TrimSpace(command) != "" {
		browser.Command = strings.Fields(command)
		if _, err := exec.LookPath(command); err == nil {
			browser.Command = []string{command} // a path with blanks in it
		}
	}
	return browser.Open(ctx, page)
}

// readLines reads from a terminal. A read cannot be taken back: one that was
// given up goes on, and gets the next line that is asked for.
func readLines(in io.Reader, out io.Writer) ask.ReadLine {
	type outcome struct {
		line string
		err  error
	}
	r := bufio.NewReader(in)
	var pending chan outcome
	return func(ctx context.Context, prompt string) (string, error) {
		fmt.Fprint(out, prompt)
		if pending == nil {
			pending = make(chan outcome, 1)
			go func(done chan<- outcome) { // ends with the process, if nothing is entered
				line, err := r.ReadString('\n')
				if err == io.EOF && line != "" {
					err = nil
				}
				done <- outcome{strings.TrimRight(line, "\r\n"), err}
			}(pending)
		}
		select {
		case o := <-pending:
			pending = nil
			return o.line, o.err
		case <-ctx.Done():
			return "", ctx.Err()
		}
	}
}

// begin says which command runs from now on. The function that it returns ends
// its progress; call it before results are written, and at the end at any rate.
func (k *talk) begin(ctx context.Context) (end func()) {
	k.mu.Lock()
	defer k.mu.Unlock()
	k.ctx = ctx
	k.bar.Start()
	return k.bar.Stop
}

// within ends a question with the command on whose behalf it is asked.
func (k *talk) within(ctx context.Context) (context.Context, context.CancelFunc) {
	k.mu.Lock()
	defer k.mu.Unlock()
	ctx, cancel := context.WithCancel(ctx)
	stop := context.AfterFunc(k.ctx, cancel)
	return ctx, func() { stop(); cancel() }
}

// mark asks for progress and log messages with the requests that may have them.
func (k *talk) mark(next mcp.MethodHandler) mcp.MethodHandler {
	return func(ctx context.Context, method string, req mcp.Request) (mcp.Result, error) {
		if era.MayBeAsked(method) {
			params := req.GetParams()
			meta := params.GetMeta()
			if meta == nil {
				meta = map[string]any{}
			}
			if k.app.screen(k.app.stderr).Terminal() {
				meta["progressToken"] = "shclient"
			}
			if k.flags.level != "" && isModern(req.GetSession()) {
				meta[jsonrpc.MetaLogLevel] = k.flags.level
			}
			params.SetMeta(meta)
		}
		return next(ctx, method, req)
	}
}

func isModern(session mcp.Session) bool {
	s, ok := session.(*mcp.ClientSession)
	return ok && s.InitializeResult() != nil && s.InitializeResult().ProtocolVersion >= era.Modern
}

// start asks a legacy server for log messages, if the person has.
func (k *talk) start(ctx context.Context, session *mcp.ClientSession) error {
	init := session.InitializeResult()
	if k.flags.level == "" || isModern(session) || init == nil || init.Capabilities == nil || init.Capabilities.Logging == nil {
		return nil
	}
	return session.SetLoggingLevel(ctx, &mcp.SetLoggingLevelParams{Level: mcp.LoggingLevel(k.flags.level)})
}

func (k *talk) progress(_ context.Context, req *mcp.ProgressNotificationClientRequest) {
	k.bar.Update(req.Params.Progress, req.Params.Total, req.Params.Message)
}

func (k *talk) log(_ context.Context, req *mcp.LoggingMessageRequest) {
	data, err := json.Marshal(req.Params.Data)
	if err != nil {
		return
	}
	k.bar.Print(k.app.screen(k.app.stderr).Log(string(req.Params.Level), req.Params.Logger, data))
}

func (k *talk) elicit(ctx context.Context, req *mcp.ElicitRequest) (*mcp.ElicitResult, error) {
	ctx, cancel := k.within(ctx)
	defer cancel()
	k.bar.Clear()
	return k.asker.Elicit(ctx, req.Params)
}

func (k *talk) sample(ctx context.Context, req *mcp.CreateMessageRequest) (*mcp.CreateMessageResult, error) {
	ctx, cancel := k.within(ctx)
	defer cancel()
	k.bar.Clear()
	return k.asker.Sample(ctx, req.Params)
}
