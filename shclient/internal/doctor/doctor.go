// SPDX-License-Identifier: Apache-2.0

// Package doctor finds out where the way to an MCP server breaks, in the order
// in which a client goes it: network, HTTP, authorization, the stored login and
// the first call; or, for a server on stdio, its program, its start, what it
// writes, and the first call. It asks nobody to sign in.
package doctor

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"slices"
	"strings"
	"syscall"
	"time"
	"unicode"

	"github.com/modelcontextprotocol/go-sdk/mcp"

	"github.com/atrawog/mcp-oauth-gateway/oauthdyn"
	"github.com/atrawog/mcp-oauth-gateway/oauthdyn/doctor"
	"github.com/atrawog/mcp-oauth-gateway/shclient"
)

// Options say what to examine: a server at a URL, or one on stdio that Start
// starts.
type Options struct {
	Name string // of the server, as it is shown
	Hint string // of the server, behind the name of a command

	URL       string
	Header    http.Header
	Transport *http.Transport  // makes the requests; required with a URL
	Network   string           // as in oauthdyn.Config
	OAuth     *oauthdyn.Config // of the login; nil if a token is given already
	Connect   func(*oauthdyn.Config) (*shclient.Client, error)

	Command []string
	Dir     string // of the command; "" for the current one
	// Start starts the command. What it writes to stderr goes to the writer, and
	// ended hears how it ended.
	Start func(ctx context.Context, stderr io.Writer, ended func(error)) (io.ReadWriteCloser, error)

	Timeout time.Duration // of each step that waits for the server; required
	Logger  *slog.Logger
}

// Names of the sections.
const (
	Network       = "Network"
	HTTP          = "HTTP"
	Authorization = "Authorization"
	MCP           = "MCP"
	Program       = "Program"
	Process       = "Process"
)

// A Check is what was found out about one step.
type Check = doctor.Check

// A Section is a part of the way.
type Section struct {
	Name   string  `json:"name"`
	Checks []Check `json:"checks"`
}

// A Report is what was found out.
type Report struct {
	Target    string    `json:"target"`
	Transport string    `json:"transport"` // "HTTP" or "stdio"
	OK        bool      `json:"ok"`
	Sections  []Section `json:"sections"`
}

// Broken is the first check that failed, or nil.
func (r *Report) Broken() *Check {
	for _, s := range r.Sections {
		for i, c := range s.Checks {
			if c.Result == doctor.Fail {
				return &s.Checks[i]
			}
		}
	}
	return nil
}

// BrokenIn is the name of the section in which a check failed first, or "".
func (r *Report) BrokenIn() string {
	for _, s := range r.Sections {
		if slices.ContainsFunc(s.Checks, func(c Check) bool { return c.Result == doctor.Fail }) {
			return s.Name
		}
	}
	return ""
}

// Examine goes the way. The error is that of a context that ended; all that is
// wrong with the server is in the report.
func Examine(ctx context.Context, o Options) (*Report, error) {
	x := &examination{o: o, report: &Report{Target: o.Name, Transport: "HTTP"}}
	if o.URL != "" {
		x.examineURL(ctx)
	} else {
		x.report.Transport = "stdio"
		x.examineCommand(ctx)
	}
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	x.report.OK = x.report.Broken() == nil
	return x.report, nil
}

// examination is one run of Examine.
type examination struct {
	o      Options
	report *Report
}

func (x *examination) section(name string) {
	x.report.Sections = append(x.report.Sections, Section{Name: name, Checks: []Check{}})
}

func (x *examination) add(name, requirement string, result doctor.Result, found, remedy string) {
	s := &x.report.Sections[len(x.report.Sections)-1]
	s.Checks = append(s.Checks, Check{Name: name, Requirement: requirement, Result: result, Found: clean(found), Remedy: remedy})
}

func (x *examination) broken() bool { return x.report.Broken() != nil }

// firstCall connects as any command does, and lists the tools. The error is told
// already.
func (x *examination) firstCall(ctx context.Context, c *shclient.Client) error {
	const connects, lists = "A session can be opened.", "The tools can be listed."
	ctx, cancel := context.WithTimeout(ctx, x.o.Timeout)
	defer cancel()
	began := time.Now()
	session, err := c.Session(ctx)
	if err != nil {
		found, remedy := x.callTrouble(err)
		x.add("session", connects, doctor.Fail, found, remedy)
		x.add("tools", lists, doctor.Skipped, "there is no session", "")
		return err
	}
	about := session.InitializeResult()
	if about == nil {
		about = &mcp.InitializeResult{}
	}
	era := "legacy"
	if about.ProtocolVersion >= "2026" {
		era = "modern"
	}
	name := "a server without a name"
	if about.ServerInfo != nil {
		name = strings.TrimSpace(about.ServerInfo.Name + " " + about.ServerInfo.Version)
	}
	x.add("session", connects, doctor.Pass, fmt.Sprintf("%s, MCP %s (%s), %s", name, about.ProtocolVersion, era, took(began)), "")
	if about.Capabilities == nil || about.Capabilities.Tools == nil {
		x.add("tools", lists, doctor.Skipped, "the server has none", "")
		return nil
	}
	began = time.Now()
	tools, err := c.ListTools(ctx)
	if err != nil {
		found, remedy := x.callTrouble(err)
		x.add("tools", lists, doctor.Fail, found, remedy)
		return err
	}
	x.add("tools", lists, doctor.Pass, fmt.Sprintf("%d tools, %s", len(tools), took(began)), "")
	return nil
}

// callTrouble says why a call failed, and what to do.
func (x *examination) callTrouble(err error) (found, remedy string) {
	found = strings.TrimPrefix(err.Error(), "shclient: ")
	status, answered := errors.AsType[*shclient.StatusError](err)
	_, login := errors.AsType[*shclient.AuthError](err)
	switch {
	case x.o.URL == "" && hungUp(err):
		return "the program has ended, or closed its output, before it answered", "Look at what it wrote to stderr, below."
	case errors.Is(err, context.DeadlineExceeded):
		return "no answer in time", fmt.Sprintf("Look at the log of the server. --timeout gives it longer than %v.", x.o.Timeout)
	case login, answered && status.Status == http.StatusUnauthorized:
		return found, "Sign in again: shclient login " + x.o.Hint
	case answered && status.Status == http.StatusForbidden:
		return found, "The login works, and may not do this. Ask for more scopes: shclient login --scope … " + x.o.Hint
	case answered && status.Status >= 500:
		return found, "Look at the log of the server, and of the proxy in front of it."
	case x.o.URL == "":
		return found, "Look at what the server writes to stderr, below."
	}
	return found, "See what is exchanged: shclient list -v " + x.o.Hint
}

// hungUp reports that the other end of the pipes is closed.
func hungUp(err error) bool {
	return errors.Is(err, mcp.ErrConnectionClosed) || errors.Is(err, syscall.EPIPE) || errors.Is(err, io.ErrClosedPipe) || errors.Is(err, io.EOF)
}

func took(since time.Time) string { return fmt.Sprintf("in %v", roughly(time.Since(since))) }

// roughly is a duration with as many digits as people read.
func roughly(d time.Duration) time.Duration {
	if d > time.Second {
		return d.Round(10 * time.Millisecond)
	}
	return d.Round(10 * time.Microsecond)
}

// maxFound bounds text of a server that is repeated, in bytes.
const maxFound = 600

// clean makes text of a server fit for a terminal and one line.
func clean(text string) string {
	text = strings.Join(strings.FieldsFunc(text, func(r rune) bool { return !unicode.IsPrint(r) }), " ")
	if len(text) > maxFound {
		text = strings.ToValidUTF8(text[:maxFound], "") + "…"
	}
	return text
}

// names joins words without repeating one.
func names(list []string) string {
	var seen []string
	for _, name := range list {
		if !slices.Contains(seen, name) {
			seen = append(seen, name)
		}
	}
	return strings.Join(seen, ", ")
}
