// SPDX-License-Identifier: Apache-2.0

// Package audit says who did what at an authorization server, and writes it
// down.
//
//	log, err := audit.OpenFile("/var/log/oauthdyn/audit.jsonl", slog.Default())
//	if err != nil { … }
//	defer log.Close()
//	options.Audit = log.Record // in authserver.Options
//
// An [Event] holds no secret: no token, code, password, cookie, assertion, nor
// the query of a URL. A [Log] writes events as JSON lines.
package audit

import (
	"context"
	"strings"
	"time"
	"unicode/utf8"
)

// Kind is what an event is about.
type Kind string

// The kinds of events.
const (
	Authorize  Kind = "authorize"     // a request to the authorization endpoint that was refused
	Consent    Kind = "consent"       // a person allowed a client something, or did not
	SignIn     Kind = "sign_in"       // a person signed in, or could not
	Code       Kind = "code"          // an authorization code was issued
	Token      Kind = "token"         // a request to the token endpoint: see Event.GrantType
	Replay     Kind = "replay"        // a code or refresh token was used twice, and its grant revoked
	Revoke     Kind = "revoke"        // a token, or grants, were revoked
	Introspect Kind = "introspect"    // a question about a token that was refused
	Register   Kind = "client.create" // registration: RFC 7591
	Update     Kind = "client.update" // its change: RFC 7592
	Manage     Kind = "client.manage" // a request about a registration that was refused
	Delete     Kind = "client.delete" // its end
	Keys       Kind = "keys"          // signing keys were made, rotated or removed
	Admin      Kind = "admin"         // another action of an administrator
	Lost       Kind = "audit.lost"    // events are missing here: see Event.Count
)

// Outcome is how it ended.
type Outcome string

// The outcomes.
const (
	Success Outcome = "success"
	Failure Outcome = "failure"
)

// Actor is who did something that a client, a person, an administrator or the
// server itself can do.
type Actor string

// The actors.
const (
	ByClient  Actor = "client"
	ByPerson  Actor = "person"
	ByAdmin   Actor = "admin"   // an administrator, at a page
	ByCommand Actor = "command" // an administrator, at the command line
	ByServer  Actor = "server"  // the server, because of a rule
	ByProgram Actor = "program" // the program that the server is part of
)

// An Event is one thing that happened. Members that do not apply, or are not
// known, are empty. Texts that come from outside are cut to 512 bytes.
type Event struct {
	Time    time.Time `json:"time"`
	Kind    Kind      `json:"event"`
	Outcome Outcome   `json:"outcome"`
	By      Actor     `json:"by,omitempty"`

	// Address is where the request came from: see Options.TrustedProxies of
	// the server.
	Address string `json:"address,omitempty"`

	ClientID  string   `json:"client_id,omitempty"` // of a client that exists
	Subject   string   `json:"subject,omitempty"`   // of a person who exists
	Resources []string `json:"resources,omitempty"`
	Scopes    []string `json:"scopes,omitempty"`
	GrantType string   `json:"grant_type,omitempty"`

	// Grant is the sid claim of the grant's access tokens.
	Grant string `json:"grant,omitempty"`

	// Error is the error code of the answer, such as invalid_grant.
	Error string `json:"error,omitempty"`

	// Reason says in words what Error leaves open. The client may not know it.
	Reason string `json:"reason,omitempty"`

	// Count is how many grants were revoked, or events lost.
	Count int `json:"count,omitempty"`
}

// maxText bounds texts that come from outside.
const maxText = 512

// Clean cuts what is too long and repairs what is not UTF-8. A server does so
// before it tells of an event, and a [Log] before it writes one.
func (e *Event) Clean() {
	for _, text := range []*string{&e.Address, &e.ClientID, &e.Subject, &e.GrantType, &e.Grant, &e.Error, &e.Reason} {
		*text = clean(*text)
	}
}

func clean(s string) string {
	if len(s) > maxText {
		s = s[:maxText]
	}
	if !utf8.ValidString(s) {
		s = strings.ToValidUTF8(s, "\ufffd")
	}
	return s
}

type actorKey struct{}

// As returns a context for what actor does. Without one it is [ByProgram] that
// calls the methods of a server.
func As(ctx context.Context, actor Actor) context.Context {
	return context.WithValue(ctx, actorKey{}, actor)
}

// ActorOf returns the actor of a context; empty if it has none.
func ActorOf(ctx context.Context) Actor {
	actor, _ := ctx.Value(actorKey{}).(Actor)
	return actor
}
