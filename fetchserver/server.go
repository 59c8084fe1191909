// SPDX-License-Identifier: Apache-2.0

package fetchserver

import (
	"context"
	"crypto/rand"
	"errors"
	"log/slog"
	"net/http"
	"runtime/debug"
	"time"

	"github.com/modelcontextprotocol/go-sdk/jsonrpc"
	"github.com/modelcontextprotocol/go-sdk/mcp"

	"github.com/atrawog/mcp-oauth-gateway/fetchserver/fetch"
	"github.com/atrawog/mcp-oauth-gateway/fetchserver/httpcache"
	"github.com/atrawog/mcp-oauth-gateway/fetchserver/internal/buildinfo"
	"github.com/atrawog/mcp-oauth-gateway/fetchserver/internal/pace"
	"github.com/atrawog/mcp-oauth-gateway/fetchserver/robots"
)

// Server is an MCP server with the fetch tool. It is safe for concurrent use.
type Server struct {
	opts   Options
	client *fetch.Client
	robots *robots.Checker         // nil: not asked
	cache  *httpcache.Cache[*page] // nil: nothing is kept
	pace   *pace.Pacer
	mcp    *mcp.Server
	secret []byte // makes boundaries that pages cannot know
}

// New returns a server. A nil o means the defaults. The error says that
// UserAgent does not begin with a product name, which robots.txt files need,
// unless IgnoreRobots.
func New(o *Options) (*Server, error) {
	opts := o.withDefaults()
	s := &Server{
		opts:   opts,
		client: fetch.New(opts.client()),
		pace:   pace.New(&pace.Options{Concurrent: opts.MaxConcurrent, PerHost: opts.MaxPerHost, Interval: opts.HostInterval}),
		secret: []byte(rand.Text()),
	}
	if opts.CacheBytes > 0 {
		s.cache = httpcache.New[*page](&httpcache.Options{MaxBytes: opts.CacheBytes, MaxEntries: opts.CacheEntries})
	}
	if !opts.IgnoreRobots {
		token := robots.ProductToken(opts.UserAgent)
		if token == "" {
			return nil, errors.New("fetchserver: the user agent must start with a product name of letters, \"-\" and \"_\", which robots.txt files can name")
		}
		s.robots = robots.NewChecker(s.fetchRobots, []string{token, "ModelContextProtocol"}, nil)
	}
	s.mcp = mcp.NewServer(&mcp.Implementation{
		Name:    "fetchserver",
		Title:   "Web fetch",
		Version: buildinfo.Version(),
	}, &mcp.ServerOptions{
		Instructions: "The fetch tool reads a web page as Markdown, fetch_many the beginnings of several. " +
			"Long pages come in slices: call fetch again with start_index set to next_index. " + untrusted,
		Logger: quiet(opts.Logger),
		Capabilities: &mcp.ServerCapabilities{
			Tools:     &mcp.ToolCapabilities{},
			Prompts:   &mcp.PromptCapabilities{},
			Resources: &mcp.ResourceCapabilities{},
		},
		SetCacheable: setCacheable,
	})
	s.addFetchTool()
	s.addManyTool()
	s.addPrompt()
	s.addResourceTemplate()
	s.mcp.AddReceivingMiddleware(s.recoverPanics, identify)
	return s, nil
}

// MCP returns the server of the SDK, to run it on another transport or to add
// features to it. The Host and Origin checks and Options.Middleware belong to
// Handler.
func (s *Server) MCP() *mcp.Server { return s.mcp }

// Close forgets what is cached, waits for what the cache does in the
// background, and closes idle connections to origins. The server stays usable,
// without a cache.
func (s *Server) Close() {
	if s.cache != nil {
		s.cache.Close()
	}
	s.client.Close()
}

// Load is what a server has to do and to keep at one moment.
type Load struct {
	Working int // requests to origins, with the conversion of their answers
	Waiting int // those that wait for their turn

	CacheEntries int   // documents that are kept
	CacheBytes   int64 // the memory that they take
}

// Load returns what the server has to do and to keep now.
func (s *Server) Load() (l Load) {
	l.Working, l.Waiting = s.pace.Load()
	if s.cache != nil {
		l.CacheEntries, l.CacheBytes = s.cache.Stats()
	}
	return l
}

// Handler returns the MCP endpoint, a Streamable HTTP handler, to be mounted
// at one path. It serves any number of clients. The body of a request has
// 256 KiB at most, and 10 seconds to arrive.
func (s *Server) Handler() http.Handler {
	var h http.Handler = mcp.NewStreamableHTTPHandler(func(*http.Request) *mcp.Server { return s.mcp }, &mcp.StreamableHTTPOptions{
		Stateless:                    true,
		PropagateRequestCancellation: true,
		MaxRequestBodyBytes:          maxRequestBytes,
		DisableLocalhostProtection:   true, // newGuard does it, with AllowedHosts
		Logger:                       quiet(s.opts.Logger),
	})
	h = bufferBody(decodeName(h))
	if s.opts.Middleware != nil {
		h = s.opts.Middleware(h)
	}
	h = limitRequests(h, s.opts.MaxRequests)
	return newGuard(h, s.opts.AllowedHosts, s.opts.AllowedOrigins)
}

// recoverPanics turns a panic of a method handler into an internal error. The
// SDK runs handlers in goroutines of their own, where a panic would end the
// process.
func (s *Server) recoverPanics(next mcp.MethodHandler) mcp.MethodHandler {
	return func(ctx context.Context, method string, req mcp.Request) (result mcp.Result, err error) {
		defer func() {
			if p := recover(); p != nil {
				s.logPanic(ctx, method, p)
				result, err = nil, &jsonrpc.Error{Code: jsonrpc.CodeInternalError, Message: "internal error"}
			}
		}()
		return next(ctx, method, req)
	}
}

func (s *Server) logPanic(ctx context.Context, where string, p any) {
	s.opts.Logger.LogAttrs(ctx, slog.LevelError, "panic in a method handler",
		slog.String("method", where), slog.Any("panic", p), slog.String("stack", string(debug.Stack())))
}

// listTTL is how long clients may keep the lists of tools, prompts and
// resource templates, which change with the configuration only.
const listTTL = time.Hour

// setCacheable sets the caching hints of what is the same for everybody. A
// resource has its own.
func setCacheable(_ context.Context, req mcp.Request, c *mcp.Cacheable) {
	if _, ok := req.(*mcp.ReadResourceRequest); !ok {
		c.TTLMs, c.CacheScope = int(listTTL/time.Millisecond), "public"
	}
}

// fetchRobots is the robots.FetchFunc of the server: under the same guard as
// any fetch.
func (s *Server) fetchRobots(ctx context.Context, robotsURL string) (int, []byte, error) {
	resp, err := s.client.Do(ctx, &fetch.Request{
		URL: robotsURL, MaxBytes: robots.MaxSize, Truncate: true,
		Header: http.Header{"Accept": {"text/plain, */*;q=0.5"}}, // RFC 9309 section 2.3
	})
	if err != nil {
		return 0, nil, err
	}
	return resp.Status, resp.Body, nil
}
