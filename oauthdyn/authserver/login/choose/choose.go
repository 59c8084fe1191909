// SPDX-License-Identifier: Apache-2.0

// Package choose offers several ways to sign in on one page.
//
//	login, err := choose.New(
//		choose.Way{Name: "github", Label: "GitHub", Login: githubLogin},
//		choose.Way{Name: "password", Label: "a password", Login: users},
//	)
package choose

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"

	"github.com/atrawog/mcp-oauth-gateway/oauthdyn/authserver"
)

// A Way is one of several ways to sign in.
type Way struct {
	// Name tells the ways apart. Of all ways it must be different, and it should
	// stay the same.
	Name string

	// Label is what people read, after "Sign in with".
	Label string

	// Login does it. Its subjects must begin otherwise than those of the others.
	Login authserver.Rechecker
}

// ways implements authserver.Rechecker.
type ways []Way

// New composes several ways. Together they are an [authserver.Admitter], too: the
// way that asks the issuer decides. One alone needs no choice: its Login is returned
// as it is. The error is about a way that lacks something, two of one name, or none
// at all.
func New(all ...Way) (authserver.Rechecker, error) {
	seen := map[string]bool{}
	for _, way := range all {
		if way.Name == "" || way.Label == "" || way.Login == nil || seen[way.Name] {
			return nil, fmt.Errorf("choose: way %q has no label or login, or is there twice", way.Name)
		}
		seen[way.Name] = true
	}
	switch len(all) {
	case 0:
		return nil, errors.New("choose: no way to sign in")
	case 1:
		return all[0].Login, nil
	}
	return ways(all), nil
}

// ServeLogin implements authserver.Login. What was chosen is part of the
// sign-in, so that the reply of one provider never reaches another.
func (all ways) ServeLogin(w http.ResponseWriter, r *http.Request, a *authserver.Attempt) (*authserver.User, error) {
	starts := r.Method != http.MethodPost && !a.IsCallback()
	name := a.Choice()
	if starts {
		name = r.URL.Query().Get("with")
	}
	for _, way := range all {
		if way.Name != name {
			continue
		}
		if starts && name != a.Choice() {
			if err := a.Choose(r.Context(), name); err != nil {
				return nil, err
			}
		}
		return way.Login.ServeLogin(w, r, a)
	}
	choices := []authserver.Choice{}
	for _, way := range all {
		choices = append(choices, authserver.Choice{Name: way.Name, Label: way.Label})
	}
	a.ShowChoices(w, choices)
	return nil, nil
}

// Admit implements authserver.Admitter: the way that asks the issuer decides.
func (all ways) Admit(ctx context.Context, issuer string, claims json.RawMessage) (*authserver.User, error) {
	for _, way := range all {
		login, ok := way.Login.(authserver.Admitter)
		if !ok {
			continue
		}
		if user, err := login.Admit(ctx, issuer, claims); user != nil || err != nil {
			return user, err
		}
	}
	return nil, nil
}

// Recheck implements authserver.Rechecker: the way that knows the person
// decides.
func (all ways) Recheck(ctx context.Context, u authserver.User) (string, error) {
	refused := authserver.ErrNotAllowed
	for _, way := range all {
		account, err := way.Login.Recheck(ctx, u)
		if !errors.Is(err, authserver.ErrNotAllowed) {
			return account, err
		}
		if err != authserver.ErrNotAllowed { // it says why, so it knows the person
			refused = err
		}
	}
	return "", refused
}
