// SPDX-License-Identifier: Apache-2.0

// Package remote offers an MCP server that is elsewhere, and speaks Streamable
// HTTP already, at an endpoint of this program: a reverse proxy that streams,
// keeps credentials apart and binds sessions to those who started them.
package remote

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"net/http/httputil"
	"net/url"
	"strings"
	"time"

	"github.com/atrawog/mcp-oauth-gateway/shproxy/internal/guard"
	"github.com/atrawog/mcp-oauth-gateway/shproxy/internal/inbody"
	"github.com/atrawog/mcp-oauth-gateway/shproxy/jsonrpc"
)

const (
	// maxRequests bounds the requests and streams at one time.
	maxRequests = 1000
	// bodyTimeout is how long a client may take to send a message.
	bodyTimeout = time.Minute

	codeTransport = -32000
	codeNoSession = -32001
)

// Config tells where the server is and what is sent to it. Name and URL are
// required.
type Config struct {
	Name    string
	URL     string            // of the endpoint
	Headers map[string]string // of every request, in place of the client's

	// PassAuthorization sends the client's Authorization header along.
	PassAuthorization bool
	// Identify returns a stable identity of the authenticated caller, who
	// alone can use the sessions started by it. Nil: sessions belong to
	// whoever knows their id.
	Identify func(*http.Request) string
	// SealKey, of 32 bytes, binds sessions to callers. Replicas that serve the
	// same server share it. Nil: a random one.
	SealKey []byte
	// Guard checks Host and Origin. Nil: its zero value.
	Guard *guard.Guard
	// MaxMessageBytes bounds a message in either direction. Required.
	MaxMessageBytes int64
	// ResponseTimeout bounds the time until a reply begins. 0: none.
	ResponseTimeout time.Duration
	// Logger hears of failures. Nil: nobody does.
	Logger *slog.Logger
}

// A Server is the endpoint. It is safe for concurrent use.
type Server struct {
	cfg    Config
	target *url.URL
	proxy  *httputil.ReverseProxy
	client *http.Transport
	seal   *seal // nil: sessions are not bound
	slots  chan struct{}

	calls calls
	ended context.Context // ends with Close
	end   context.CancelFunc
}

// New checks the configuration. It does no network requests.
func New(cfg Config) (*Server, error) {
	target, err := url.Parse(cfg.URL)
	if err != nil || target.Host == "" || target.Scheme != "http" && target.Scheme != "https" {
		return nil, errors.New("url: want an address like https://mcp.example.com/mcp")
	}
	if target.User != nil || target.Fragment != "" {
		return nil, errors.New("url: no user, password or fragment; credentials go into headers")
	}
	for name, value := range cfg.Headers {
		if err := checkHeader(name, value); err != nil {
			return nil, err
		}
	}
	if cfg.Logger == nil {
		cfg.Logger = slog.New(slog.DiscardHandler)
	}
	if cfg.Guard == nil {
		cfg.Guard = &guard.Guard{}
	}
	s := &Server{cfg: cfg, target: target, client: transport(cfg.ResponseTimeout), slots: make(chan struct{}, maxRequests)}
	s.ended, s.end = context.WithCancel(context.Background())
	if cfg.Identify != nil {
		s.seal = newSeal(cfg.SealKey)
	}
	s.proxy = &httputil.ReverseProxy{
		Rewrite: s.rewrite, ModifyResponse: s.reply, ErrorHandler: s.failed,
		Transport: s.client, FlushInterval: -1,
		ErrorLog: slog.NewLogLogger(cfg.Logger.Handler(), slog.LevelDebug),
	}
	return s, nil
}

// tchar are the characters of a header's name: RFC 9110 section 5.6.2.
const tchar = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789!#$%&'*+-.^_`|~"

func checkHeader(name, value string) error {
	if name == "" || strings.Trim(name, tchar) != "" || strings.EqualFold(name, "Host") {
		return fmt.Errorf("headers: %q cannot be set", name)
	}
	if strings.ContainsFunc(value, func(r rune) bool { return r < ' ' && r != '\t' || r == 0x7f }) {
		return fmt.Errorf("headers: the value of %s has a line break or another control character", name)
	}
	return nil
}

func transport(responseTimeout time.Duration) *http.Transport {
	return &http.Transport{
		Proxy:                  http.ProxyFromEnvironment,
		DialContext:            (&net.Dialer{Timeout: 10 * time.Second}).DialContext,
		ForceAttemptHTTP2:      true,
		TLSHandshakeTimeout:    10 * time.Second,
		ResponseHeaderTimeout:  responseTimeout,
		MaxResponseHeaderBytes: 64 << 10,
		MaxIdleConnsPerHost:    64,
		IdleConnTimeout:        90 * time.Second,
		DisableCompression:     true, // what the client did not ask for is not its business
	}
}

// ServeHTTP passes a request on.
func (s *Server) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if err := s.cfg.Guard.Check(r); err != nil {
		refuse(w, http.StatusForbidden, codeTransport, err.Error())
		return
	}
	switch r.Method {
	case http.MethodPost, http.MethodGet, http.MethodDelete:
	default:
		w.Header().Set("Allow", "GET, POST, DELETE")
		refuse(w, http.StatusMethodNotAllowed, codeTransport, "method "+r.Method+" is not allowed")
		return
	}
	select {
	case s.slots <- struct{}{}:
		defer func() { <-s.slots }()
	default:
		w.Header().Set("Retry-After", "5")
		refuse(w, http.StatusServiceUnavailable, codeTransport, "too many requests; try again later")
		return
	}
	if r.ContentLength > s.cfg.MaxMessageBytes {
		s.tooLarge(w)
		return
	}
	if s.seal != nil && !s.seal.open(r, s.cfg.Identify(r)) {
		refuse(w, http.StatusNotFound, codeNoSession, "session not found")
		return
	}
	if r.Method == http.MethodPost {
		// The transport reads it, maybe longer than this goes on, and must not
		// have anything to do with w.
		body := inbody.New(w, http.MaxBytesReader(nil, r.Body, s.cfg.MaxMessageBytes))
		body.Limit(bodyTimeout)
		defer body.Over()
		r.Body = body
	}
	call := isCall(r)
	if !s.calls.begin(call) {
		s.stopping(w)
		return
	}
	defer s.calls.end(call)
	ctx, cancel := context.WithCancel(r.Context())
	defer cancel()
	defer context.AfterFunc(s.ended, cancel)()
	s.proxy.ServeHTTP(w, r.WithContext(ctx))
}

// rewrite makes the request to the server. What the client sends to prove who
// it is here must not get there, unless that is wanted.
func (s *Server) rewrite(p *httputil.ProxyRequest) {
	target := *s.target
	p.Out.URL, p.Out.Host = &target, ""
	h := p.Out.Header
	for _, name := range []string{"Cookie", "Origin", "Referer", "Upgrade", "Connection"} {
		h.Del(name)
	}
	if !s.cfg.PassAuthorization {
		h.Del("Authorization")
	}
	for name, value := range s.cfg.Headers {
		h.Set(name, value)
	}
}

var (
	errRedirect    = errors.New("the server redirects to another address; its url has to be that one")
	errCredentials = errors.New("the server does not accept the credentials of this proxy; headers have to hold others")
)

// reply changes the server's response. Cookies and permissions for browsers
// would be taken for those of this origin.
func (s *Server) reply(resp *http.Response) error {
	switch {
	case resp.StatusCode >= 300 && resp.StatusCode < 400:
		return errRedirect
	case resp.StatusCode == http.StatusUnauthorized && !s.cfg.PassAuthorization:
		return errCredentials
	}
	for name := range resp.Header {
		if name == "Set-Cookie" || name == "Alt-Svc" || name == "Strict-Transport-Security" || strings.HasPrefix(name, "Access-Control-") {
			delete(resp.Header, name)
		}
	}
	if isEvents(resp) {
		resp.Body = &stream{resp.Body, s.ended}
	}
	if err := limit(resp, s.cfg.MaxMessageBytes); err != nil {
		return err
	}
	if s.seal != nil {
		s.seal.close(resp.Header, s.cfg.Identify(resp.Request))
	}
	return nil
}

// failed answers a request that could not be passed on.
func (s *Server) failed(w http.ResponseWriter, r *http.Request, err error) {
	if s.ended.Err() != nil {
		s.stopping(w)
		return
	}
	if r.Context().Err() != nil {
		return // the client has left
	}
	if _, ok := errors.AsType[*http.MaxBytesError](err); ok {
		s.tooLarge(w)
		return
	}
	s.cfg.Logger.LogAttrs(r.Context(), slog.LevelWarn, "remote server failed",
		slog.String("server", s.cfg.Name), slog.String("error", err.Error()))
	status, text := http.StatusBadGateway, "cannot be reached"
	timeout, _ := errors.AsType[net.Error](err)
	switch {
	case errors.Is(err, errRedirect) || errors.Is(err, errCredentials):
		text = "is not set up correctly"
	case errors.Is(err, errLarge):
		text = fmt.Sprintf("answered with more than %d bytes", s.cfg.MaxMessageBytes)
	case timeout != nil && timeout.Timeout() || errors.Is(err, context.DeadlineExceeded):
		status, text = http.StatusGatewayTimeout, "did not answer in time"
	}
	refuse(w, status, codeTransport, fmt.Sprintf("server %q %s", s.cfg.Name, text))
}

func (s *Server) stopping(w http.ResponseWriter) {
	w.Header().Set("Retry-After", "5")
	refuse(w, http.StatusServiceUnavailable, codeTransport, fmt.Sprintf("server %q is stopping", s.cfg.Name))
}

func (s *Server) tooLarge(w http.ResponseWriter) {
	refuse(w, http.StatusRequestEntityTooLarge, codeTransport,
		fmt.Sprintf("the message is larger than %d bytes", s.cfg.MaxMessageBytes))
}

// refuse answers with a JSON-RPC error. The id of the request is not known,
// since bodies are passed on unread.
func refuse(w http.ResponseWriter, status, code int, text string) {
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(status)
	_, _ = w.Write(jsonrpc.AppendError(nil, nil, code, text, nil))
}
