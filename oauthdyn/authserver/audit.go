// SPDX-License-Identifier: Apache-2.0

package authserver

import (
	"cmp"
	"context"
	"net/http"
	"time"

	"github.com/atrawog/mcp-oauth-gateway/oauthdyn"
	"github.com/atrawog/mcp-oauth-gateway/oauthdyn/authserver/audit"
)

type noteKey struct{}

// withNote gives a request its note: what becomes known of it on the way, for
// the audit log.
func withNote(r *http.Request) *http.Request {
	e := &audit.Event{}
	if addr := peerAddress(r); addr.IsValid() {
		e.Address = addr.String()
	}
	return r.WithContext(context.WithValue(r.Context(), noteKey{}, e))
}

// note is the note of a request; outside of one it is read by nobody.
func note(ctx context.Context) *audit.Event {
	if e, ok := ctx.Value(noteKey{}).(*audit.Event); ok {
		return e
	}
	return &audit.Event{}
}

// because keeps for the audit log what an answer does not say.
func because(ctx context.Context, reason string) { note(ctx).Reason = reason }

// audit records what is known of the request as an event. err is the answer, or
// nil.
func (s *Server) audit(ctx context.Context, kind audit.Kind, err *oauthdyn.Error) {
	s.auditAs(ctx, kind, "", err)
}

// auditAs is audit where it must be said who did it. It is the actor of the
// context, or else the given one.
func (s *Server) auditAs(ctx context.Context, kind audit.Kind, by audit.Actor, err *oauthdyn.Error) {
	e := *note(ctx)
	e.Kind, e.By = kind, audit.ActorOf(ctx)
	if e.By == "" {
		e.By = by
	}
	if err != nil {
		e.Error = err.Code
		if e.Reason == "" {
			e.Reason = err.Description
		}
	}
	s.record(ctx, e)
}

// record completes an event. It has failed if it has an error code.
func (s *Server) record(ctx context.Context, e audit.Event) {
	e.Time, e.Outcome = time.Now(), audit.Success
	if e.Error != "" {
		e.Outcome = audit.Failure
	}
	e.Clean()
	s.o.Audit(ctx, e)
}

// auditAdmin records the end of grants, or of a client, that no client has asked
// for.
func (s *Server) auditAdmin(ctx context.Context, e audit.Event, err error) {
	e.By, e.Address = audit.ActorOf(ctx), note(ctx).Address
	if e.By == "" {
		e.By = audit.ByProgram
	}
	e.Reason = cmp.Or(e.Reason, note(ctx).Reason)
	if err != nil {
		e.Error, e.Reason = oauthdyn.CodeServerError, err.Error()
	}
	s.record(ctx, e)
}

// noteAuthorization notes whom and what an authorization is for.
func noteAuthorization(ctx context.Context, a *authorization) {
	e := note(ctx)
	e.ClientID, e.Subject, e.Resources, e.Scopes = a.ClientID, a.User.Subject, a.Resources, a.Scopes
}
