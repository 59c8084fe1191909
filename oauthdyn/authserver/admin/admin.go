// SPDX-License-Identifier: Apache-2.0

// Package admin is what administrators do with an authorization server: see the
// clients and what was granted to them, and end it.
//
// A [Service] does that on a store. The one of a running server is
// authserver.Server.Admin; since the file of a store is open to one process at a
// time, that server offers it to commands through a socket ([Listen], [Dial]).
// Without a server the commands make a Service of their own. Both are a [Caller].
//
// No answer holds a secret, or the hash of one.
package admin

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"time"

	"github.com/atrawog/mcp-oauth-gateway/oauthdyn/authserver/audit"
	"github.com/atrawog/mcp-oauth-gateway/oauthdyn/authserver/store"
)

// Codes of an Error.
const (
	CodeInvalid  = "invalid_request" // what was asked makes no sense
	CodeNotFound = "not_found"       // there is no such record, or no such operation
	CodeFailed   = "failed"          // the store failed
)

// An Error says why an operation was refused.
type Error struct {
	Code string `json:"error"`
	Text string `json:"error_description"`

	cause error // where it came from; nil when it came from another process
}

// Error returns the text.
func (e *Error) Error() string { return e.Text }

// Unwrap returns what has failed in this process.
func (e *Error) Unwrap() error { return e.cause }

func invalid(format string, args ...any) error {
	return &Error{Code: CodeInvalid, Text: fmt.Sprintf(format, args...)}
}

func notFound(format string, args ...any) error {
	return &Error{Code: CodeNotFound, Text: fmt.Sprintf(format, args...)}
}

// minApprovalTTL is longer than servers remember consent, if their
// Options.GrantTTL is not made very long.
const minApprovalTTL = 366 * 24 * time.Hour

// Options configure a Service. Store is required.
type Options struct {
	Store store.Store

	// ApprovalTTL is how long servers on the store remember consent, which is
	// how long it has to be remembered that it was taken back. At least 366 days,
	// which is the default.
	ApprovalTTL time.Duration

	// Changed is called when something was revoked. Nil: nobody need know.
	Changed func(context.Context)

	// Audit is told of each change, without the time, the actor (see
	// audit.ActorOf) and the outcome, and of what failed. Nil: nobody is told.
	Audit func(context.Context, audit.Event, error)

	// Logger gets a line for each change. Nil: none.
	Logger *slog.Logger
}

// A Service does the operations on a store. It is safe for concurrent use, once
// all operations are in it.
type Service struct {
	o          Options
	operations map[string]operation
}

// An operation takes and returns JSON.
type operation func(s *Service, ctx context.Context, in []byte) (out any, err error)

// New makes a Service with the operations of this package.
func New(o Options) *Service {
	o.ApprovalTTL = max(o.ApprovalTTL, minApprovalTTL)
	if o.Changed == nil {
		o.Changed = func(context.Context) {}
	}
	if o.Audit == nil {
		o.Audit = func(context.Context, audit.Event, error) {}
	}
	if o.Logger == nil {
		o.Logger = slog.New(slog.DiscardHandler)
	}
	return &Service{o: o, operations: map[string]operation{
		OpListClients:  method((*Service).ListClients),
		OpShowClient:   method((*Service).ShowClient),
		OpDeleteClient: method((*Service).DeleteClient),
		OpListGrants:   method((*Service).ListGrants),
		OpRevokeGrant:  method((*Service).RevokeGrant),
		OpRevokeGrants: method((*Service).RevokeGrants),
		OpBackup:       method((*Service).Backup),
	}}
}

// Handle adds an operation, for example one on what a server keeps beside the
// store. It must be called before the service is used. In and Out are encoded as
// JSON; members of In that are not known are refused.
func Handle[In, Out any](s *Service, name string, do func(context.Context, In) (Out, error)) {
	s.operations[name] = method(func(_ *Service, ctx context.Context, in In) (Out, error) { return do(ctx, in) })
}

func method[In, Out any](do func(*Service, context.Context, In) (Out, error)) operation {
	return func(s *Service, ctx context.Context, data []byte) (any, error) {
		var in In
		decoder := json.NewDecoder(bytes.NewReader(data))
		decoder.DisallowUnknownFields()
		if err := decoder.Decode(&in); err != nil {
			return nil, invalid("the input cannot be read: %v", err)
		}
		return do(s, ctx, in)
	}
}

// A Caller does operations by their names.
type Caller interface {
	// Call does an operation. in and out are encoded as JSON. Errors are an
	// [*Error], or those of the way to a server.
	Call(ctx context.Context, name string, in, out any) error
}

// Call does an operation and returns its result.
func Call[Out any](ctx context.Context, c Caller, name string, in any) (out Out, err error) {
	err = c.Call(ctx, name, in, &out)
	return out, err
}

// Call implements Caller.
func (s *Service) Call(ctx context.Context, name string, in, out any) error {
	data, err := json.Marshal(in)
	if err != nil {
		return err
	}
	result, err := s.do(ctx, name, data)
	if err != nil {
		return err
	}
	if data, err = json.Marshal(result); err != nil {
		return err
	}
	return json.Unmarshal(data, out)
}

// do does an operation. The error is always an *Error.
func (s *Service) do(ctx context.Context, name string, in []byte) (any, error) {
	run, ok := s.operations[name]
	if !ok {
		return nil, notFound("there is no operation %q here; the server may be of another version than the command", name)
	}
	out, err := run(s, ctx, in)
	if err == nil {
		return out, nil
	}
	if e, ok := errors.AsType[*Error](err); ok {
		return nil, e
	}
	return nil, &Error{Code: CodeFailed, Text: err.Error(), cause: err}
}

// log writes a change down.
func (s *Service) log(ctx context.Context, text string, attrs ...slog.Attr) {
	if by := audit.ActorOf(ctx); by != "" {
		attrs = append(attrs, slog.String("by", string(by)))
	}
	s.o.Logger.LogAttrs(ctx, slog.LevelInfo, text, attrs...)
}

// Bounds of a page of records.
const (
	defaultPage = 100
	maxPage     = 1000

	// maxScanned is how many records are looked at for one page of a search.
	maxScanned = 20_000
)

func pageSize(n int) (int, error) {
	switch {
	case n == 0:
		return defaultPage, nil
	case n < 0 || n > maxPage:
		return 0, invalid("a page has 1 to %d records", maxPage)
	}
	return n, nil
}
