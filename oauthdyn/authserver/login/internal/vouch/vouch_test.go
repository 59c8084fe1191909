// SPDX-License-Identifier: Apache-2.0

package vouch

import (
	"bytes"
	"context"
	"errors"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/atrawog/mcp-oauth-gateway/oauthdyn/authserver"
	"github.com/atrawog/mcp-oauth-gateway/oauthdyn/authserver/login/allow"
)

var (
	staff = allow.List{Groups: []string{"staff"}}
	alice = allow.Person{ID: "1", Groups: []string{"staff"}}
	key   = bytes.Repeat([]byte{1}, 32)
)

// keep returns a keeper, and a person of whom it keeps something.
func keep(t *testing.T, k *Keeper, token string) (*Keeper, authserver.User) {
	t.Helper()
	k.Prefix = "p:"
	if err := k.Check(); err != nil {
		t.Fatal(err)
	}
	account, err := k.Account(Answer{Person: alice, Token: token})
	if err != nil {
		t.Fatal(err)
	}
	return k, authserver.User{Subject: "p:1", Account: account}
}

// allowed asks, and keeps what is to be kept.
func allowed(t *testing.T, k *Keeper, u *authserver.User) error {
	t.Helper()
	account, err := k.Recheck(t.Context(), *u)
	if err == nil {
		u.Account = account
	}
	return err
}

func TestWordOfTheProviderAges(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		k, u := keep(t, &Keeper{Allow: staff, MaxAge: time.Hour}, "token") // no key: the token is not kept
		time.Sleep(time.Hour - 1)
		if err := allowed(t, k, &u); err != nil {
			t.Error(err)
		}
		time.Sleep(time.Nanosecond)
		if err := allowed(t, k, &u); !errors.Is(err, authserver.ErrNotAllowed) {
			t.Errorf("after MaxAge: %v", err)
		}
	})
	synctest.Test(t, func(t *testing.T) {
		k, u := keep(t, &Keeper{Allow: allow.List{Users: []string{"id:1"}}, MaxAge: time.Hour, Lasting: func(p allow.Person) bool { return p.ID == "1" }}, "")
		time.Sleep(1000 * time.Hour)
		if err := allowed(t, k, &u); err != nil {
			t.Errorf("lasting: %v", err)
		}
	})
}

func TestAsksAgain(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var asked []string
		answer, failure := Answer{Person: alice}, error(nil)
		k, u := keep(t, &Keeper{Allow: staff, Key: key, MaxAge: time.Hour, Ask: func(_ context.Context, token string) (Answer, error) {
			asked = append(asked, token)
			answer.Token = token + "+" // rotated
			return answer, failure
		}}, "token")
		if strings.Contains(u.Account, "token+") || strings.Contains(u.Account, `"token"`) && strings.Contains(u.Account, "dG9rZW4") {
			t.Error("the token is kept as it is")
		}
		step := func(wait time.Duration, want error, count int) {
			t.Helper()
			time.Sleep(wait)
			if err := allowed(t, k, &u); !errors.Is(err, want) || want == nil && err != nil {
				t.Errorf("got %v, want %v", err, want)
			}
			if len(asked) != count {
				t.Errorf("asked %q, want %d times", asked, count)
			}
		}
		step(DefaultCheckEvery-1, nil, 0)
		step(1, nil, 1)
		step(DefaultCheckEvery, nil, 2)
		if asked[1] != "token+" {
			t.Errorf("asked with %q", asked)
		}
		failure = errors.New("down")
		step(DefaultCheckEvery, nil, 3)
		step(holdOff-1, nil, 3) // left alone
		step(1, nil, 4)
		step(time.Hour, failure, 5) // its last word is too old
		step(1, failure, 5)
		failure = nil
		step(holdOff, nil, 6)
		if last := asked[5]; last != "token++" {
			t.Errorf("the token got lost: %q", last)
		}
		failure = ErrRevoked
		step(DefaultCheckEvery, authserver.ErrNotAllowed, 7)
		failure, answer.Person.Groups = nil, nil
		step(DefaultCheckEvery, authserver.ErrNotAllowed, 8) // no holding off after a revoked token
	})
}

// TestOldKeys: after the key was exchanged, a token is read with the old one and
// kept under the new one.
func TestOldKeys(t *testing.T) {
	_, u := keep(t, &Keeper{Allow: staff, Key: key}, "token")
	fresh := bytes.Repeat([]byte{2}, 32)
	var asked []string
	ask := func(_ context.Context, token string) (Answer, error) {
		asked = append(asked, token)
		return Answer{Person: alice, Token: token + "+"}, nil
	}
	both := &Keeper{Prefix: "p:", Allow: staff, Key: fresh, OldKeys: [][]byte{key}, CheckEvery: -1, Ask: ask}
	alone := &Keeper{Prefix: "p:", Allow: staff, Key: fresh, CheckEvery: -1, Ask: ask}
	for _, k := range []*Keeper{alone, both, alone} {
		if err := k.Check(); err != nil {
			t.Fatal(err)
		}
		if err := allowed(t, k, &u); err != nil {
			t.Error(err)
		}
	}
	if want := []string{"token", "token+"}; !slices.Equal(asked, want) {
		t.Errorf("the provider was asked with %q, want %q", asked, want)
	}
	if err := (&Keeper{Key: key, OldKeys: [][]byte{{1}}}).Check(); err == nil {
		t.Error("a short old key is accepted")
	}
}

// What is kept of one person says nothing of another.
func TestAccountsAreBoundToTheirPerson(t *testing.T) {
	k, u := keep(t, &Keeper{Allow: staff, Key: key, CheckEvery: -1, Ask: func(context.Context, string) (Answer, error) {
		return Answer{Person: alice, Token: "next"}, nil
	}}, "token")
	if err := allowed(t, k, &u); err != nil {
		t.Fatal(err)
	}
	for name, other := range map[string]authserver.User{
		"another person":   {Subject: "p:2", Account: u.Account},
		"another provider": {Subject: "q:1", Account: u.Account},
		"nothing kept":     {Subject: "p:1"},
		"no JSON":          {Subject: "p:1", Account: "{"},
		"no person":        {Subject: "p:", Account: "{}"},
	} {
		if _, err := k.Recheck(t.Context(), other); !errors.Is(err, authserver.ErrNotAllowed) {
			t.Errorf("%s: %v", name, err)
		}
	}
	lasting, _ := keep(t, &Keeper{Allow: staff, Lasting: func(allow.Person) bool { return true }}, "")
	if _, err := lasting.Recheck(t.Context(), authserver.User{Subject: "p:2", Account: u.Account}); !errors.Is(err, authserver.ErrNotAllowed) {
		t.Errorf("another person, who need not be asked about: %v", err)
	}
	// A token that was moved to another record cannot be decrypted there.
	moved := authserver.User{Subject: "p:2", Account: strings.Replace(u.Account, `"id":"1"`, `"id":"2"`, 1)}
	k.MaxAge = 1
	if _, err := k.Recheck(t.Context(), moved); !errors.Is(err, authserver.ErrNotAllowed) {
		t.Errorf("moved: %v", err)
	}
}

func TestCheck(t *testing.T) {
	if err := (&Keeper{Key: []byte{}}).Check(); err == nil {
		t.Error("an empty key is accepted")
	}
	if err := (&Keeper{Allow: allow.List{Groups: []string{"*"}}}).Check(); err == nil {
		t.Error("a list that cannot be meant is accepted")
	}
}
