// SPDX-License-Identifier: Apache-2.0

// Package local is a login by name and password, for a server whose people can
// be counted. The users are in a file, or in memory for tests and trials.
//
//	users, err := local.Open("/var/lib/oauthdyn/users")
//	if err != nil { … }
//	err = users.Set("alice", password)
//
// Passwords are kept as Argon2id hashes (RFC 9106). Whoever guesses has to wait,
// longer each time, after five failures with one user or a hundred with any. Both
// are counted by address, so that nobody can lock a user out. Nobody learns which
// users exist.
package local

import (
	"context"
	"errors"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/atrawog/mcp-oauth-gateway/oauthdyn/authserver"
)

const (
	maxName     = 64
	minPassword = 8
	maxPassword = 1024
)

// Users are the people who can sign in. It implements authserver.Rechecker and is
// safe for concurrent use.
type Users struct {
	path     string // empty: in memory
	throttle *throttle
	dummy    hash          // checked when a name is unknown, to take as long
	hashing  chan struct{} // bounds the memory that hashing takes

	mu sync.Mutex
	// mu guards the fields below.
	hashes map[string]hash
	read   fileState
}

// New returns users that are kept in memory. There are none at first.
func New() *Users {
	return &Users{
		throttle: newThrottle(),
		dummy:    nobody(),
		hashing:  make(chan struct{}, maxHashing),
		hashes:   map[string]hash{},
	}
}

// Open reads a file of users. A file that does not exist is made by the first
// Set. Changes that another process makes to the file are seen at once; those
// that come together wait for each other, by a lock in a directory beside the
// file, whose name ends in ".locks". Except on Windows, a file is an error that its
// group can write, or others can read or write.
func Open(path string) (*Users, error) {
	u := New()
	u.path = path
	u.mu.Lock()
	defer u.mu.Unlock()
	return u, u.reload()
}

// Set adds a user or changes the password of one. Names are not case-sensitive
// and have up to 64 ASCII letters, digits and . _ - @ +, no - at the beginning;
// passwords have 8 to 1024 bytes.
func (u *Users) Set(name, password string) error {
	name, err := cleanName(name)
	if err != nil {
		return err
	}
	if len(password) < minPassword || len(password) > maxPassword {
		return errors.New("local: a password must have 8 to 1024 bytes")
	}
	h := newHash(password)
	u.mu.Lock()
	defer u.mu.Unlock()
	return u.change(func() { u.hashes[name] = h })
}

// Delete removes a user. It is no error if there is none of that name.
func (u *Users) Delete(name string) error {
	name, err := cleanName(name)
	if err != nil {
		return err
	}
	u.mu.Lock()
	defer u.mu.Unlock()
	return u.change(func() { delete(u.hashes, name) })
}

// Names returns the names of all users, sorted.
func (u *Users) Names() ([]string, error) {
	u.mu.Lock()
	defer u.mu.Unlock()
	if err := u.reload(); err != nil {
		return nil, err
	}
	var names []string
	for name := range u.hashes {
		names = append(names, name)
	}
	slices.Sort(names)
	return names, nil
}

// Verify reports whether a user with this name and password exists. It takes
// as long if there is no such user. It lets guessers go on: only ServeLogin makes
// them wait.
func (u *Users) Verify(ctx context.Context, name, password string) (bool, error) {
	_, ok, err := u.verify(ctx, name, password)
	return ok, err
}

// verify also tells whether the user exists.
func (u *Users) verify(ctx context.Context, name, password string) (known, ok bool, err error) {
	clean, err := cleanName(name)
	if err != nil {
		clean = "" // nobody's
	}
	u.mu.Lock()
	err = u.reload()
	h, known := u.hashes[clean]
	u.mu.Unlock()
	if err != nil {
		return false, false, err
	}
	if !known {
		h = u.dummy
	}
	select {
	case u.hashing <- struct{}{}:
		defer func() { <-u.hashing }()
	case <-ctx.Done():
		return known, false, ctx.Err()
	}
	if len(password) > maxPassword {
		return known, false, nil
	}
	return known, h.matches(password) && known, nil
}

// cleanName brings a name into its one form.
func cleanName(name string) (string, error) {
	name = strings.ToLower(strings.TrimSpace(name))
	ok := name != "" && len(name) <= maxName &&
		strings.Trim(name, "abcdefghijklmnopqrstuvwxyz0123456789._-@+") == "" && !strings.HasPrefix(name, "-")
	if !ok {
		return "", errors.New("local: a user name must have 1 to 64 letters, digits and . _ - @ +")
	}
	return name, nil
}

// ServeLogin implements authserver.Login with a form for name and password.
func (u *Users) ServeLogin(w http.ResponseWriter, r *http.Request, a *authserver.Attempt) (*authserver.User, error) {
	if r.Method != http.MethodPost {
		showForm(w, http.StatusOK, a, "", "")
		return nil, nil
	}
	name, password := r.PostForm.Get("username"), r.PostForm.Get("password")
	clean, err := cleanName(name)
	if err != nil {
		a.Failed(r.Context(), "", "no user can have the name")
		showForm(w, http.StatusForbidden, a, "", wrong)
		return nil, nil
	}
	keys := throttleKeys(clean, r.RemoteAddr)
	if wait := u.throttle.begin(keys, time.Now()); wait > 0 {
		a.Failed(r.Context(), "", "too many attempts")
		seconds := strconv.Itoa(int(wait/time.Second) + 1)
		w.Header().Set("Retry-After", seconds)
		showForm(w, http.StatusTooManyRequests, a, clean, "Too many attempts. Try again in "+seconds+" seconds.")
		return nil, nil
	}
	known, ok, err := u.verify(r.Context(), clean, password)
	if err != nil {
		return nil, err
	}
	if !ok {
		if known {
			a.Failed(r.Context(), subjectPrefix+clean, "wrong password")
		} else {
			a.Failed(r.Context(), "", "no user has the name")
		}
		showForm(w, http.StatusForbidden, a, clean, wrong)
		return nil, nil
	}
	u.throttle.succeeded(keys)
	return &authserver.User{Subject: Subject(clean), Name: clean}, nil
}

// Recheck implements authserver.Rechecker: a person who is not among the users
// any more is not allowed.
func (u *Users) Recheck(_ context.Context, person authserver.User) (string, error) {
	name, ours := strings.CutPrefix(person.Subject, subjectPrefix)
	if !ours {
		return "", authserver.ErrNotAllowed
	}
	u.mu.Lock()
	defer u.mu.Unlock()
	if err := u.reload(); err != nil {
		return "", err
	}
	if _, known := u.hashes[name]; !known {
		return "", authserver.ErrNotAllowed
	}
	return "", nil
}

// Subject is what grants and tokens name a user by, as "local:alice".
func Subject(name string) string { return subjectPrefix + strings.ToLower(name) }

// subjectPrefix is in front of the name of a user.
const subjectPrefix = "local:"

const wrong = "That name and password do not fit together."

func showForm(w http.ResponseWriter, status int, a *authserver.Attempt, name, problem string) {
	a.ShowForm(w, status, authserver.Form{
		Problem: problem,
		Fields: []authserver.Field{
			{Name: "username", Label: "Name", Type: "text", Autocomplete: "username", Value: name},
			{Name: "password", Label: "Password", Type: "password", Autocomplete: "current-password"},
		},
	})
}
