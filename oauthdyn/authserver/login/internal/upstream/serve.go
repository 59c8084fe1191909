// SPDX-License-Identifier: Apache-2.0

package upstream

import (
	"context"
	"crypto/rand"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"

	"golang.org/x/oauth2"

	"github.com/atrawog/mcp-oauth-gateway/oauthdyn/authserver"
)

// signInTimeout bounds all that happens between a request of the browser and
// the answer to it.
const signInTimeout = 45 * time.Second

// A Provider is an identity provider that is asked by an authorization code
// request.
type Provider interface {
	// Name is what people call it.
	Name() string

	// AuthURL returns where the browser goes. When again is set, the person
	// wants to choose another account.
	AuthURL(ctx context.Context, req Request, again bool) (string, error)

	// CheckIssuer checks the iss parameter of the reply (RFC 9207), which may
	// be empty.
	CheckIssuer(ctx context.Context, iss string) error

	// SignIn redeems the code. It finds out who the person is, and refuses
	// those who are not allowed.
	SignIn(ctx context.Context, req Request, code string) (*authserver.User, error)
}

// A Request is an authorization code request to a provider.
type Request struct {
	State       string `json:"-"`
	RedirectURI string `json:"-"`
	Verifier    string `json:"verifier"` // PKCE
	Nonce       string `json:"nonce"`
}

// A Problem is an error that the person gets to read, and can try to overcome.
type Problem struct {
	Status int
	Text   string
	After  time.Duration // when to try again, if it is a matter of time
	Err    error         // what the log says, if that is more
}

func (p *Problem) Error() string {
	if p.Err != nil {
		return Brief(p.Err).Error()
	}
	return p.Text
}

func (p *Problem) Unwrap() error { return p.Err }

// Unreachable is the Problem of a provider that does not answer as it should.
func Unreachable(name string, err error) *Problem {
	return &Problem{Status: http.StatusBadGateway, Text: name + " does not answer as it should. Try again later.", Err: err}
}

// Serve implements authserver.Login for a provider.
func Serve(p Provider, log *slog.Logger, w http.ResponseWriter, r *http.Request, a *authserver.Attempt) (*authserver.User, error) {
	ctx, cancel := context.WithTimeout(r.Context(), signInTimeout)
	defer cancel()
	var user *authserver.User
	var err error
	if a.IsCallback() {
		user, err = finish(ctx, p, r.URL.Query(), a)
	} else {
		err = start(ctx, p, w, a, r.Method == http.MethodPost)
	}
	problem, ok := errors.AsType[*Problem](err)
	if !ok {
		if err != nil {
			err = fmt.Errorf("%s: %w", p.Name(), Brief(err))
		}
		return user, err
	}
	log.LogAttrs(ctx, slog.LevelWarn, "sign-in refused", slog.String("provider", p.Name()), slog.String("reason", problem.Error()))
	if problem.After > 0 {
		w.Header().Set("Retry-After", strconv.Itoa(int(problem.After/time.Second)+1))
	}
	a.ShowForm(w, problem.Status, authserver.Form{Problem: problem.Text, Submit: "Try again"})
	return nil, nil
}

// start sends the browser to the provider.
func start(ctx context.Context, p Provider, w http.ResponseWriter, a *authserver.Attempt, again bool) error {
	req := Request{
		State:       a.State(),
		RedirectURI: a.CallbackURL(),
		Verifier:    oauth2.GenerateVerifier(),
		Nonce:       rand.Text(),
	}
	address, err := p.AuthURL(ctx, req, again)
	if err != nil {
		return err
	}
	data, err := json.Marshal(req)
	if err != nil {
		return err
	}
	if err := a.Save(ctx, data); err != nil {
		return err
	}
	a.Redirect(w, p.Name(), address)
	return nil
}

// finish takes the reply that the browser brings from the provider.
func finish(ctx context.Context, p Provider, reply url.Values, a *authserver.Attempt) (*authserver.User, error) {
	var req Request
	if json.Unmarshal(a.Data(), &req) != nil || req.Verifier == "" {
		return nil, &Problem{Status: http.StatusBadRequest, Text: "This sign-in has been answered before."}
	}
	req.State, req.RedirectURI = a.State(), a.CallbackURL()
	if err := a.Save(ctx, json.RawMessage("{}")); err != nil { // a request has one reply
		return nil, err
	}
	for _, name := range []string{"code", "error", "iss", "state"} {
		if len(reply[name]) > 1 {
			return nil, &Problem{Status: http.StatusBadRequest, Text: p.Name() + " sent a reply that makes no sense."}
		}
	}
	if err := p.CheckIssuer(ctx, reply.Get("iss")); err != nil {
		if problem, ok := errors.AsType[*Problem](err); ok {
			return nil, problem
		}
		return nil, &Problem{Status: http.StatusForbidden, Text: "The reply does not come from " + p.Name() + ".", Err: err}
	}
	if code := reply.Get("error"); code != "" {
		return nil, refused(p.Name(), code)
	}
	if reply.Get("code") == "" {
		return nil, &Problem{Status: http.StatusBadRequest, Text: p.Name() + " sent a reply that makes no sense."}
	}
	return p.SignIn(ctx, req, reply.Get("code"))
}

// refused explains the error of an authorization response: RFC 6749 section
// 4.1.2.1. Its description is not ours, so nobody gets to see it.
func refused(name, code string) *Problem {
	switch code {
	case "access_denied":
		return &Problem{Status: http.StatusForbidden, Text: "You did not sign in at " + name + ", or it did not let you."}
	case "temporarily_unavailable", "server_error":
		return &Problem{Status: http.StatusBadGateway, Text: name + " cannot sign anybody in at the moment. Try again later."}
	}
	if len(code) > 64 || strings.Trim(code, "abcdefghijklmnopqrstuvwxyz_") != "" {
		code = "an error that is none"
	}
	return &Problem{
		Status: http.StatusBadGateway,
		Text:   name + " refused the request of this server. Tell its operator that the answer was: " + code,
		Err:    fmt.Errorf("authorization refused: %s; are the client id and the callback URL %s", code, "registered at the provider?"),
	}
}

// NotAllowed is the Problem of a person who is known, but not allowed.
func NotAllowed(provider, who, subject, hint string) *Problem {
	return &Problem{
		Status: http.StatusForbidden,
		Text: "You are " + who + " at " + provider + ". This account may not use this server. Ask its operator to allow it, or use another one." +
			hint,
		Err: fmt.Errorf("account not allowed: %s, %s", who, subject),
	}
}
