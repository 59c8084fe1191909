// SPDX-License-Identifier: Apache-2.0

package replica

import (
	"bytes"
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"maps"
	"net"
	"net/http"
	"net/http/httputil"
	"strings"
	"sync/atomic"
	"time"

	"github.com/atrawog/mcp-oauth-gateway/shproxy/internal/inbody"
)

const (
	dialTime = 5 * time.Second // to reach a replica
	idleTime = time.Minute     // of a connection, before it is closed
	// maxHosts is how many replicas a newcomer is offered to.
	maxHosts = 3
	// bodyTime is how long a client may take to send a message.
	bodyTime = time.Minute
	// writeTime is how long a client may take to read what is written, and
	// slowest how many bytes of it a second it has to read beyond that.
	writeTime = 30 * time.Second
	slowest   = 64 << 10

	headerSession    = "Mcp-Session-Id"
	parameterSession = "sessionId" // of HTTP+SSE (2024-11-05)
)

// outcome is how passing a request on ended.
type outcome uint8

const (
	passed      outcome = iota // the other replica answered, whatever it said
	gone                       // there is no such replica any more
	unreachable                // it may live, but cannot be reached
	broken                     // the connection broke before the answer
	outcomes
)

func (o outcome) String() string {
	return [...]string{"ok", "gone", "unreachable", "failed"}[o]
}

// goneError tells that a replica has ended.
type goneError struct{ why error }

func (e *goneError) Error() string { return e.why.Error() }

// dialError tells that a replica did not get the request.
type dialError struct{ why error }

func (e *dialError) Error() string { return e.why.Error() }

// errFull tells that a replica does not take a newcomer.
var errFull = errors.New("the replica takes no newcomers")

// errCut tells that a replica ended its answer before there was any of its body.
var errCut = errors.New("the answer was cut off after its header")

// received marks, in its context, a request that another replica has passed
// on; original holds the request of a client as it came.
type (
	received struct{}
	original struct{}
)

// passing is one attempt to pass a request on.
type passing struct {
	to       *record
	newcomer bool
	err      error
}

type passingKey struct{}

// forwarding makes what requests are passed on with.
func (m *Member) forwarding() {
	m.client = &http.Transport{
		DialTLSContext: m.dial, MaxIdleConnsPerHost: 256, IdleConnTimeout: idleTime,
		MaxResponseHeaderBytes: 128 << 10, DisableCompression: true,
		WriteBufferSize: 16 << 10, ReadBufferSize: 16 << 10,
	}
	m.proxy = &httputil.ReverseProxy{
		Rewrite: rewrite, ModifyResponse: m.answered, ErrorHandler: noteError,
		Transport: m.client, FlushInterval: -1, BufferPool: &buffers{},
		ErrorLog: slog.NewLogLogger(m.o.Logger.Handler(), slog.LevelDebug),
	}
}

// rewrite sends the request as it came, whoever passed it on before.
func rewrite(p *httputil.ProxyRequest) {
	to := p.In.Context().Value(passingKey{}).(*passing).to
	p.Out.URL.Scheme, p.Out.URL.Host, p.Out.Host = "https", to.Name+domain, p.In.Host
	p.Out.URL.RawQuery = p.In.URL.RawQuery
	for _, name := range []string{"Forwarded", "X-Forwarded-For", "X-Forwarded-Host", "X-Forwarded-Proto"} {
		if values, ok := p.In.Header[name]; ok {
			p.Out.Header[name] = values
		}
	}
}

// answered lets another replica try when one does not take a newcomer.
func (m *Member) answered(resp *http.Response) error {
	if p := resp.Request.Context().Value(passingKey{}).(*passing); p.newcomer && resp.StatusCode == http.StatusServiceUnavailable {
		m.forwarded[passed].Add(1)
		return errFull
	}
	return nil
}

func noteError(_ http.ResponseWriter, r *http.Request, err error) {
	r.Context().Value(passingKey{}).(*passing).err = err
}

// cutOff is after how long without a sign of a machine the connections to it
// are given up.
const cutOff = 10 * time.Second

// dialer notices that a machine is cut off, so that calls do not wait for it for
// ever: by probes while it has nothing to say, and by what it does not
// acknowledge, during which there are no probes.
var dialer = net.Dialer{
	KeepAliveConfig: net.KeepAliveConfig{Enable: true, Idle: cutOff - 3*probeEvery, Interval: probeEvery, Count: 3},
	Control:         boundUnacked,
}

const probeEvery = 2 * time.Second

// dial connects to the replica that the host name stands for. It is nobody but
// that replica who answers, or the connection fails.
func (m *Member) dial(ctx context.Context, network, addr string) (net.Conn, error) {
	name, _, _ := strings.Cut(addr, ".")
	r, _ := m.known(name)
	if r == nil {
		return nil, &goneError{errors.New("it has ended meanwhile")}
	}
	ctx, cancel := context.WithTimeout(ctx, dialTime)
	defer cancel()
	conn, err := dialer.DialContext(ctx, network, r.Address)
	if err != nil {
		if errors.Is(err, errRefused) {
			return nil, &goneError{err}
		}
		return nil, &dialError{err}
	}
	secure := tls.Client(conn, m.keys.client(name))
	if err := secure.HandshakeContext(ctx); err != nil {
		_ = conn.Close()
		if _, other := errors.AsType[x509.HostnameError](err); other {
			return nil, &goneError{errors.New("another replica has its address now")}
		}
		return nil, &dialError{err}
	}
	return secure, nil
}

// Wrap returns a handler that passes requests for sessions of other replicas on
// and leaves all others to next, among them those for sessions that are gone.
// It belongs in front of what checks who calls, since the owner does that.
func (m *Member) Wrap(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		ctx := r.Context()
		if ctx.Value(received{}) != nil {
			next.ServeHTTP(w, r)
			return
		}
		name, named := owner(sessionOf(r))
		if named && name != m.name {
			if to, found := m.find(context.WithoutCancel(ctx), name); found {
				client := &body{Body: inbody.New(w, r.Body)}
				defer client.Over() // what is passed on may be read for longer
				if m.pass(w, r, to, client) {
					return
				}
			}
		}
		came := *r
		came.Header = maps.Clone(r.Header) // which others take credentials out of
		next.ServeHTTP(w, r.WithContext(context.WithValue(ctx, original{}, &came)))
	})
}

// sessionOf is the session id in a request, if there is one.
func sessionOf(r *http.Request) string {
	if ids := r.Header[headerSession]; len(ids) > 0 {
		return ids[0]
	}
	if r.URL.RawQuery == "" {
		return ""
	}
	return r.URL.Query().Get(parameterSession)
}

// pass passes a request of a client on and copies the answer. It reports false,
// and has neither written nor read anything, if the replica is gone.
func (m *Member) pass(w http.ResponseWriter, r *http.Request, to *record, client *body) bool {
	out := r.WithContext(r.Context())
	if err := hold(out, client); err != nil {
		refuse(w, http.StatusBadRequest, noBody)
		return true
	}
	r.Body = out.Body
	p := m.try(w, out, to, false)
	if p.err != nil && out.GetBody != nil && strings.Contains(p.err.Error(), closedIdle) {
		out.Body, _ = out.GetBody()
		p = m.try(w, out, to, false)
	}
	if p.err != nil && client.broke.Load() {
		refuse(w, http.StatusBadRequest, noBody)
		return true
	}
	o := m.outcome(r.Context(), p)
	if o == broken && out.GetBody != nil && m.ended(r.Context(), to.Name) {
		o = gone // which answers everything before it tells so: this came too late
	}
	m.note(o)
	switch o {
	case passed:
		unanswered(w, p)
	case gone:
		if out.GetBody != nil {
			r.Body, _ = out.GetBody()
		}
		return false
	case unreachable:
		w.Header().Set("Retry-After", "1")
		refuse(w, http.StatusServiceUnavailable, "the replica that has this session cannot be reached; try again")
	case broken:
		refuse(w, http.StatusBadGateway, "the replica that has this session ended the connection before it answered")
	}
	return true
}

// noBody says that the client is to blame.
const noBody = "the body could not be read to its end"

// closedIdle is what the error says when the other side had closed a connection
// before it was used again, so that nobody has got the request.
const closedIdle = "server closed idle connection"

// smallBody is up to what size a body is read before it is passed on, so that it
// can be sent again.
const smallBody = 64 << 10

// hold reads the body, if it is small, and makes it last.
func hold(r *http.Request, client *body) error {
	if r.ContentLength == 0 {
		r.GetBody = func() (io.ReadCloser, error) { return http.NoBody, nil }
		return nil
	}
	// The owner bounds the body's size, but does not know this client.
	client.Limit(bodyTime)
	r.Body = client
	if r.ContentLength < 0 || r.ContentLength > smallBody {
		return nil
	}
	data := make([]byte, r.ContentLength)
	if _, err := io.ReadFull(client, data); err != nil {
		return err
	}
	_, _ = client.Read(make([]byte, 1)) // the end, which lifts the deadline
	r.GetBody = func() (io.ReadCloser, error) { return io.NopCloser(bytes.NewReader(data)), nil }
	r.Body, _ = r.GetBody()
	return nil
}

// try makes one attempt. What outer handlers have put into the header of the
// answer gives way to the answer, which has gone through the same handlers.
func (m *Member) try(w http.ResponseWriter, r *http.Request, to *record, newcomer bool) *passing {
	if r.Method == http.MethodPost {
		m.calls.begin()
		defer m.calls.end()
	}
	p := &passing{to: to, newcomer: newcomer}
	before := maps.Clone(w.Header())
	clear(w.Header())
	defer func() { _ = http.NewResponseController(w).SetWriteDeadline(time.Time{}) }()
	ctx, end := deliver(r)
	defer end()
	r = r.WithContext(context.WithValue(ctx, passingKey{}, p))
	r.Header = maps.Clone(r.Header)
	delete(r.Header, "Connection") // which could have other headers taken away, or ask for another protocol
	delete(r.Header, "Expect")     // which this replica answers
	for _, name := range []string{"Idempotency-Key", "X-Idempotency-Key"} {
		// By these the transport would send a request again that the owner has
		// got. It does not know them spelled like that.
		if values, ok := r.Header[name]; ok {
			delete(r.Header, name)
			r.Header[strings.ToLower(name)] = values
		}
	}
	m.copyAnswer(&patient{ResponseWriter: w, passed: &m.forwarded[passed]}, r, p)
	if p.err != nil {
		clear(w.Header())
		maps.Copy(w.Header(), before)
	}
	return p
}

// copyAnswer sends the request and copies the answer. If that breaks off before
// the client has any of it, there is still something to tell: a load balancer
// takes the end of a connection without an answer for a fault of this replica,
// and leaves it out.
func (m *Member) copyAnswer(w *patient, r *http.Request, p *passing) {
	defer func() {
		if v := recover(); v != nil {
			if v != http.ErrAbortHandler || w.status == 0 || r.Context().Err() != nil {
				panic(v)
			}
			p.err = errCut
		}
	}()
	m.proxy.ServeHTTP(w, r)
	w.begin()
}

// outcome finds out how the attempt ended.
func (m *Member) outcome(ctx context.Context, p *passing) outcome {
	o := broken
	switch _, isGone := errors.AsType[*goneError](p.err); {
	case p.err == nil || errors.Is(p.err, errFull):
		o = passed
	case isGone:
		o = gone
		m.miss(p.to, p.err)
	case ctx.Err() != nil:
		o = passed // as far as anybody wants to know
	default:
		if _, never := errors.AsType[*dialError](p.err); never {
			o = unreachable
		}
		if o == unreachable && m.silent(p.to) {
			o = gone
			m.miss(p.to, p.err)
			break
		}
		m.o.Logger.LogAttrs(ctx, slog.LevelWarn, "a request could not be passed on",
			slog.String("replica", p.to.Name), slog.String("error", p.err.Error()))
	}
	return o
}

// unanswered answers a client that has left and got nothing. It may have closed
// only the half of the connection that it sends by, and must not take the end of
// the other half for the answer.
func unanswered(w http.ResponseWriter, p *passing) {
	if p.err != nil {
		refuse(w, http.StatusBadGateway, "the client has ended the connection before there was an answer")
	}
}

// note counts an attempt that had no answer.
func (m *Member) note(o outcome) {
	if o != passed {
		m.forwarded[o].Add(1)
	}
}

// Pass passes a request, whose body was read, on to the replica of that name,
// or if that is empty to one that takes newcomers, and copies the answer. It
// reports false, and has written nothing, if there is none, or if the request
// came from another replica.
func (m *Member) Pass(w http.ResponseWriter, r *http.Request, name string, body []byte) bool {
	ctx := r.Context()
	if ctx.Value(received{}) != nil || name == m.name {
		return false
	}
	came, ok := ctx.Value(original{}).(*http.Request)
	if !ok {
		came = r
	}
	var to []*record
	if name == "" {
		to = m.hosts()
	} else if isName(name) {
		if r, found := m.find(ctx, name); found {
			to = []*record{r}
		}
	}
	lending := &loan{data: body}
	defer lending.end()
	for _, host := range to[:min(len(to), maxHosts)] {
		again := came.Clone(ctx)
		again.ContentLength, again.TransferEncoding = int64(len(body)), nil
		again.GetBody = lending.body
		again.Body, _ = again.GetBody()
		p := m.try(w, again, host, name == "")
		o := m.outcome(ctx, p)
		m.note(o)
		switch {
		case errors.Is(p.err, errFull), o == gone, o == unreachable && name == "":
			continue
		case o == passed:
			unanswered(w, p)
		case o == unreachable:
			w.Header().Set("Retry-After", "1")
			refuse(w, http.StatusServiceUnavailable, "the replica that has this call cannot be reached; try again")
		case o == broken:
			refuse(w, http.StatusBadGateway, "the replica that was asked ended the connection before it answered")
		}
		return true
	}
	return false
}

// receive serves a request that another replica has passed on.
func (m *Member) receive(w http.ResponseWriter, r *http.Request, h http.Handler) {
	m.received.Add(1)
	h.ServeHTTP(w, r.WithContext(context.WithValue(r.Context(), received{}, true)))
}

// refuse answers with a JSON-RPC error, of a code that the MCP SDKs use for
// refusals by the transport.
func refuse(w http.ResponseWriter, status int, text string) {
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(status)
	_, _ = fmt.Fprintf(w, `{"jsonrpc":"2.0","id":null,"error":{"code":-32000,"message":%q}}`, text)
}

// body is that of a client, which stays as it is until it is read.
type body struct {
	*inbody.Body
	begun atomic.Bool
	broke atomic.Bool // the client did not send all of it, or not in time
}

func (b *body) Read(p []byte) (int, error) {
	b.begun.Store(true)
	n, err := b.Body.Read(p)
	if err != nil && err != io.EOF && !errors.Is(err, http.ErrBodyReadAfterClose) {
		b.broke.Store(true)
	}
	return n, err
}

// Close leaves a body that nobody has read to who reads it next.
func (b *body) Close() error {
	if !b.begun.Load() {
		return nil
	}
	return b.Body.Close()
}

// patient gives a client its time for each piece of an answer, whose header it
// sends with the first.
type patient struct {
	http.ResponseWriter
	status int           // to be sent; 0: none, or it was
	passed *atomic.Int64 // counts the headers that were sent
}

// Unwrap is for [http.ResponseController].
func (w *patient) Unwrap() http.ResponseWriter { return w.ResponseWriter }

// WriteHeader keeps the status of the answer for later.
func (w *patient) WriteHeader(status int) {
	if status >= http.StatusOK {
		w.status = status
		return
	}
	w.ResponseWriter.WriteHeader(status)
}

func (w *patient) begin() {
	if w.status != 0 {
		w.passed.Add(1)
		w.ResponseWriter.WriteHeader(w.status)
		w.status = 0
	}
}

// FlushError is for [http.ResponseController].
func (w *patient) FlushError() error {
	w.begin()
	return http.NewResponseController(w.ResponseWriter).Flush()
}

func (w *patient) Write(p []byte) (int, error) {
	w.begin()
	deadline := writeTime + time.Duration(len(p)/slowest)*time.Second
	_ = http.NewResponseController(w.ResponseWriter).SetWriteDeadline(time.Now().Add(deadline))
	return w.ResponseWriter.Write(p)
}
