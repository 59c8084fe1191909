// SPDX-License-Identifier: Apache-2.0

package check

import (
	"context"
	"encoding/json"
	"fmt"
	"math"
	"slices"
	"strconv"
	"strings"
	"unicode/utf8"
)

// problem is something that is wrong with a message whatever it is about, so
// that every message of a version is looked at. The rules about them are those
// of observed.
type problem string

const (
	problemVersion      problem = "jsonrpc.version"
	problemResult       problem = "jsonrpc.result-or-error"
	problemResultObject problem = "jsonrpc.result-object"
	problemError        problem = "jsonrpc.error-members"
	problemResponseID   problem = "jsonrpc.response-id"
	problemNotification problem = "jsonrpc.notification-id"
	problemRequestID    problem = "jsonrpc.request-id"
	problemUnasked      problem = "jsonrpc.unasked-response"
	problemUTF8         problem = "jsonrpc.utf8"
	problemNoise        problem = "stdio.messages-only"
	problemNewline      problem = "stdio.newline"
	problemLogLevel     problem = "logging.message"
	problemLogHidden    problem = "logging.declared"
	problemProgress     problem = "progress.token"
	problemNegotiated   problem = "lifecycle.negotiated"
)

// seen is a problem of a message.
type seen struct {
	text     string
	exchange *Exchange
}

const maxSeen = 3 // of a problem in a version

// note remembers a problem for the rule that is about it.
func (r *run) note(version string, p problem, text string, e *Exchange) {
	r.mu.Lock()
	defer r.mu.Unlock()
	k := observedKey{version, p}
	for _, s := range r.observed[k] {
		if s.text == text {
			return
		}
	}
	if len(r.observed[k]) < maxSeen {
		r.observed[k] = append(r.observed[k], seen{text, e})
	}
}

type observedKey struct {
	version string
	problem problem
}

// wrongID is about the answer to a valid request, which has another id. Integers
// beyond 2^53 are the business of one rule alone.
func (r *run) wrongID(version string, want json.RawMessage, m Message, e *Exchange) {
	if n, err := strconv.ParseInt(string(want), 10, 64); err == nil && n > 1<<53 {
		return
	}
	got := "no id"
	if m.Has("id") {
		got = "id " + string(m.ID())
	}
	r.note(version, problemResponseID, fmt.Sprintf("the answer to a request with id %s has %s", want, bound(got, 100)), e)
}

// observe looks at a message of the server.
func (r *run) observe(version string, m Message, e *Exchange) {
	note := func(p problem, format string, args ...any) {
		r.note(version, p, bound(fmt.Sprintf(format, args...), 400), e)
	}
	if !utf8.Valid(m.Raw) {
		note(problemUTF8, "a message is not UTF-8")
	}
	if v := m.Members["jsonrpc"]; text(v) != "2.0" {
		note(problemVersion, "a message has the member jsonrpc with %s", given(v))
	}
	if m.IsResponse() {
		observeResponse(m, note)
		return
	}
	method := m.Method()
	switch id := m.ID(); {
	case strings.HasPrefix(method, "notifications/"):
		if id != nil {
			note(problemNotification, "%s has an id", method)
		}
		r.observeNotification(version, m, note)
	case id != nil && kindOf(id) != "string" && !isInteger(id):
		note(problemRequestID, "the server's request %s has an id that is %s", method, given(id))
	}
	if m.ID() != nil && method != "ping" && !strings.HasPrefix(method, "notifications/") {
		note(problemNegotiated, "the server sends %s, for which the client has declared no capability", method)
	}
}

func observeResponse(m Message, note func(problem, string, ...any)) {
	result, e := m.Members["result"], m.Members["error"]
	switch {
	case result != nil && e != nil:
		note(problemResult, "a response has both a result and an error")
	case result == nil && e == nil:
		note(problemResult, "a response has neither a result nor an error")
	case result != nil && kindOf(result) != "object":
		note(problemResultObject, "a result is %s, no object", given(result))
	}
	if e == nil {
		return
	}
	parts := members(e)
	switch {
	case parts == nil:
		note(problemError, "an error is %s, no object", given(e))
	case !isInteger(parts["code"]):
		note(problemError, "the code of an error is %s, no integer", given(parts["code"]))
	case kindOf(parts["message"]) != "string":
		note(problemError, "the message of an error is %s, no string", given(parts["message"]))
	}
}

var logLevels = []string{"debug", "info", "notice", "warning", "error", "critical", "alert", "emergency"}

func (r *run) observeNotification(version string, m Message, note func(problem, string, ...any)) {
	params := members(m.Members["params"])
	switch m.Method() {
	case "notifications/message":
		if !slices.Contains(logLevels, text(params["level"])) {
			note(problemLogLevel, "a log message has the level %s", given(params["level"]))
		}
		if params["data"] == nil {
			note(problemLogLevel, "a log message has no data")
		}
		if s := r.sessions[version]; s != nil && s.capabilities()["logging"] == nil {
			note(problemLogHidden, "a log message comes from a server that does not declare logging")
		}
	case "notifications/progress":
		r.mu.Lock()
		known := slices.ContainsFunc(r.tokens, func(token json.RawMessage) bool { return sameID(token, params["progressToken"]) })
		r.mu.Unlock()
		if !known {
			note(problemProgress, "progress comes with a token that no request has: %s", given(params["progressToken"]))
		}
	}
}

// given names a value in a report.
func given(raw json.RawMessage) string {
	if raw == nil {
		return "nothing"
	}
	return bound(string(raw), 100)
}

// isInteger is about the value: 1.0 is one.
func isInteger(raw json.RawMessage) bool {
	if kindOf(raw) != "number" {
		return false
	}
	f, err := strconv.ParseFloat(string(raw), 64)
	return err == nil && f == math.Trunc(f)
}

// observed are the rules about what every message has to be. They come last,
// and first make sure that there are messages.
func observed() []Rule {
	was := func(p problem, level Level, section, demand string) Rule {
		r := Rule{ID: string(p), Level: level, Transports: Both, Section: section, Demand: demand}
		r.Check = func(ctx context.Context, probe *Probe) error { return probe.replay(ctx, p) }
		return r
	}
	basic := func(r Rule, old string) Rule {
		r.Elsewhere = map[string]string{V20241105: old}
		return r
	}
	modern := func(r Rule, section string) Rule {
		r.Elsewhere = map[string]string{V20260728: section}
		return r
	}
	of := func(r Rule, since, until string, t Transport) Rule {
		r.Since, r.Until, r.Transports = since, until, t
		return r
	}
	const responses, notifications, requests = "basic/messages#responses", "basic/messages#notifications", "basic/messages#requests"
	return []Rule{
		basic(was(problemVersion, Must, "basic#messages", `every message has the member jsonrpc with "2.0"`), "basic/messages"),
		basic(was(problemResult, Must, "basic#responses", "a response has a result or an error, never both"), responses),
		basic(was(problemResultObject, Must, "basic#responses", "a result is an object"), responses),
		basic(was(problemError, Must, "basic#responses", "an error is an object with an integer as code and a string as message"), responses),
		basic(was(problemResponseID, Must, "basic#responses", "a response has the id of its request"), responses),
		basic(was(problemNotification, Must, "basic#notifications", "a notification has no id"), notifications),
		of(basic(was(problemRequestID, Must, "basic#requests", "a request of the server has a string or an integer as id"), requests), "", V20251125, Both),
		basic(was(problemUnasked, Must, "basic#notifications", "no response comes that answers no request"), notifications),
		of(was(problemUTF8, Must, "basic/transports", "messages are encoded in UTF-8"), V20250326, "", Both),
		of(was(problemNegotiated, Must, "basic/lifecycle#operation", "a server makes only requests for which the client has declared the capability"), V20250618, V20251125, Both),
		modern(of(was(problemNoise, Must, "basic/transports#stdio", "the server writes nothing to stdout that is no message"), "", "", Stdio), "basic/transports/stdio"),
		modern(of(was(problemNewline, Must, "basic/transports#stdio", "a message has no embedded newlines"), "", "", Stdio), "basic/transports/stdio"),
		was(problemLogLevel, Must, "server/utilities/logging#log-message-notifications", "a log message has a known level, and data"),
		was(problemLogHidden, Must, "server/utilities/logging#capabilities", "a server that sends log messages declares the capability logging"),
		modern(was(problemProgress, Must, "basic/utilities/progress#behavior-requirements", "progress comes only with the token of a request that is in progress"), "basic/patterns/progress#behavior-requirements"),
	}
}

// replay reports what was seen of a problem.
func (p *Probe) replay(ctx context.Context, which problem) error {
	_, err := Once(p, "traffic", func() (struct{}, error) { return struct{}{}, p.traffic(ctx) })
	p.Forget()
	p.run.mu.Lock()
	all := p.run.observed[observedKey{p.Version, which}]
	p.run.mu.Unlock()
	for _, s := range all {
		if s.exchange != nil {
			p.Show(s.exchange)
		}
		p.Brokenf("%s", s.text)
		p.Forget()
	}
	if len(all) == 0 && err != nil {
		return err
	}
	return nil
}

// traffic has the server say something: a result and an error.
func (p *Probe) traffic(ctx context.Context) error {
	s, err := p.Session(ctx)
	if err != nil {
		return err
	}
	for _, method := range []string{"tools/list", "resources/list", "prompts/list", "shclient/unknown"} {
		if _, err := s.Request(ctx, p, method, nil); err != nil {
			if _, refused := err.(*StatusError); !refused && method != "shclient/unknown" {
				return err
			}
		}
	}
	return nil
}
