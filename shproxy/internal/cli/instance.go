// SPDX-License-Identifier: Apache-2.0

package cli

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"os"
	"os/exec"
	"time"

	"github.com/atrawog/mcp-oauth-gateway/shproxy"
	"github.com/atrawog/mcp-oauth-gateway/shproxy/internal/cli/remote"
	"github.com/atrawog/mcp-oauth-gateway/shproxy/internal/guard"
	"github.com/atrawog/mcp-oauth-gateway/shproxy/jsonrpc"
)

// stopTime is how long sessions may take to end once calls had their time.
const stopTime = 1800 * time.Millisecond

// instance is one server that is being served.
type instance struct {
	spec    spec
	proxy   *shproxy.Proxy // nil: it has a URL, or could not be made
	remote  *remote.Server
	err     error // why it could not be made
	handler http.Handler
}

// maker makes instances; what they have in common is in it.
type maker struct {
	hosts, origins []string
	guard          *guard.Guard
	identify       func(*http.Request) string
	cluster        *cluster // nil: there are no other replicas
	log            *slog.Logger
	trace          func(context.Context, shproxy.TracedCall) shproxy.CallSpan // nil: nobody traces
}

func newMaker(hosts, origins []string, identify func(*http.Request) string, log *slog.Logger) (*maker, error) {
	g, err := guard.New(hosts, origins)
	if err != nil {
		return nil, &usageError{text: err.Error()}
	}
	return &maker{hosts: hosts, origins: origins, guard: g, identify: identify, log: log}, nil
}

// make always returns an instance; one that does not work tells clients why.
func (m *maker) make(s spec) *instance {
	i := &instance{spec: s}
	if s.url != "" {
		i.remote, i.err = m.remote(s)
		i.handler = i.remote
	} else if i.err = checkDir(s.dir); i.err == nil {
		i.proxy, i.err = shproxy.New(m.server(s), m.options(s.settings))
		i.handler = i.proxy
	}
	if i.err != nil {
		i.handler = m.unavailable(i)
	}
	return i
}

// checkDir tells what the system, which blames the executable, does not.
func checkDir(dir string) error {
	if dir == "" {
		return nil
	}
	info, err := os.Stat(dir)
	if err != nil {
		return fmt.Errorf("working directory: %w", err)
	}
	if !info.IsDir() {
		return fmt.Errorf("working directory: %s is a file", dir)
	}
	return nil
}

func (m *maker) server(s spec) shproxy.Server {
	return shproxy.Server{
		Name: s.name, Command: s.command, Args: s.args, Env: s.env, Dir: s.dir, Era: eras[s.settings.serverProtocol.Value],
		Limits: shproxy.Limits{
			Memory: int64(s.settings.limitMemory), OpenFiles: s.settings.limitFiles, CPU: s.settings.limitCPU,
		},
	}
}

// eras are what the values of --protocol and --server-protocol stand for.
var eras = map[string]shproxy.Era{protocolAuto: shproxy.EraAuto, protocolLegacy: shproxy.EraLegacy, protocolModern: shproxy.EraModern}

// options are those of the library that the settings stand for.
func (m *maker) options(s settings) *shproxy.Options {
	o := &shproxy.Options{
		Identify: m.identify, Environ: s.perCaller(), Clients: eras[s.protocol.Value], AllowedHosts: m.hosts, AllowedOrigins: m.origins,
		Warm: s.warm, MaxStarts: s.maxStarts, EndOnCrash: s.endOnCrash,
		MaxMessageBytes: int(s.maxMessageBytes), MaxSessions: s.maxSessions, MaxCallerSessions: s.callerMost, MaxCallerRate: s.callerRate,
		IdleTimeout: s.idleTimeout, StartTimeout: s.startTimeout, RequestTimeout: s.requestTimeout, InputTimeout: s.inputTimeout,
		KeepAlive: s.keepAlive, ReplayBytes: int(s.replayBytes), ReplayTime: s.replayTime,
		Logger: m.log, Trace: m.trace,
	}
	if m.cluster != nil {
		o.Replicas = m.cluster.member
	}
	if s.mode.Value == modeShared {
		o.Mode = shproxy.ModeShared
	}
	if o.ReplayBytes == 0 {
		o.ReplayBytes = -1 // nothing, where the library takes 0 for its default
	}
	return o
}

func (m *maker) remote(s spec) (*remote.Server, error) {
	if s.passAuthorization && m.identify != nil {
		return nil, errors.New("passAuthorization would give away tokens that are for this program")
	}
	return remote.New(remote.Config{
		Name: s.name, URL: s.url, Headers: s.headers, PassAuthorization: s.passAuthorization,
		Identify: m.identify, Guard: m.guard, SealKey: m.cluster.key("sessions of " + s.name),
		MaxMessageBytes: int64(s.settings.maxMessageBytes), ResponseTimeout: s.settings.requestTimeout,
		Logger: m.log,
	})
}

// unavailable answers for a server that could not be made.
func (m *maker) unavailable(i *instance) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		status, text := http.StatusServiceUnavailable, "server \""+i.spec.name+"\" is not available: "+oneLine(i.err.Error())
		if err := m.guard.Check(r); err != nil {
			status, text = http.StatusForbidden, err.Error()
		}
		w.Header().Set("Content-Type", "application/json")
		w.Header().Set("Retry-After", "60")
		w.WriteHeader(status)
		_, _ = w.Write(jsonrpc.AppendError(nil, nil, jsonrpc.InternalError, text, nil))
	})
}

// probe tries the server once, so that one that cannot work is known before a
// client meets it. A remote server is not tried.
func (i *instance) probe(ctx context.Context) error {
	if i.err != nil {
		return commandError(i.err)
	}
	if i.proxy == nil || i.spec.settings.noProbe {
		return nil
	}
	if err := i.proxy.Probe(ctx); err != nil {
		return &hintedError{err, "the command must be an MCP server on stdio; --start-timeout gives it more time, --no-probe skips this check"}
	}
	return nil
}

// retire hands newcomers on, and waits until nobody is left or ctx ends.
func (i *instance) retire(ctx context.Context) {
	if i.proxy != nil {
		_ = i.proxy.Retire(ctx) // the error only tells that somebody is left
	}
}

// drain waits for the calls in flight, until ctx ends, and refuses others.
func (i *instance) drain(ctx context.Context) {
	if i.remote != nil {
		i.remote.Drain(ctx)
	}
	if i.proxy != nil {
		_ = i.proxy.Drain(ctx) // the error only tells that calls are left
	}
}

// stop ends sessions and processes. What does not end in time, or before ctx
// ends, is killed.
func (i *instance) stop(ctx context.Context) {
	if i.remote != nil {
		i.remote.Close()
	}
	if i.proxy == nil {
		return
	}
	ctx, cancel := context.WithTimeout(ctx, stopTime)
	defer cancel()
	_ = i.proxy.Shutdown(ctx) // the error only tells that something was killed
}

// commandError adds advice to the error of a command that cannot be run.
func commandError(err error) error {
	if errors.Is(err, exec.ErrNotFound) {
		return &hintedError{err, "give the path of the executable, or add its directory to PATH"}
	}
	return err
}
