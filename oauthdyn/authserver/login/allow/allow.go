// SPDX-License-Identifier: Apache-2.0

// Package allow says which of the people who prove who they are, at GitHub or
// another identity provider, may use a server.
//
//	list := allow.List{Users: []string{"id:583231"}, Domains: []string{"example.com"}}
//	options.Allow = list // in github.Options or oidc.Options
package allow

import (
	"errors"
	"fmt"
	"slices"
	"strings"
)

// Anybody is the entry of List.Users that lets in everybody whom the identity
// provider knows.
const Anybody = "*"

// idPrefix marks an entry that is an identifier, not a name.
const idPrefix = "id:"

// A List lets in everybody who fits one entry. The zero value lets nobody in.
type List struct {
	// Users are people, each by one of:
	//
	//   - "id:" and what identifies them for ever at the provider: the number of
	//     a GitHub account, the sub claim of OpenID Connect;
	//   - an e-mail address that the provider has verified;
	//   - the name of a GitHub account. Names can change hands.
	//
	// Anybody lets everybody in.
	Users []string

	// Groups are organisations at GitHub, by name or by "id:" and number; at
	// OpenID providers values of the groups claim, letter by letter.
	Groups []string

	// Domains are those of e-mail addresses that the provider has verified, as
	// in "example.com". Subdomains do not count.
	Domains []string
}

// A Person is what an identity provider says of somebody.
type Person struct {
	ID     string   `json:"id"`               // never given to somebody else
	Login  string   `json:"login,omitempty"`  // unique at the provider, but for a time; empty where names are not
	Groups []string `json:"groups,omitempty"` // as Groups of a List
	Emails []string `json:"emails,omitempty"` // verified ones only
}

// Check reports an entry that cannot mean what it says.
func (l List) Check() error {
	for _, entry := range slices.Concat(l.Users, l.Groups, l.Domains) {
		if entry == "" || strings.TrimSpace(entry) != entry {
			return fmt.Errorf("allow: entry %q is empty or has spaces around it", entry)
		}
	}
	if slices.Contains(l.Groups, Anybody) || slices.Contains(l.Domains, Anybody) {
		return errors.New("allow: * is for users only; there it lets everybody in")
	}
	for _, domain := range l.Domains {
		if strings.Trim(fold(domain), "abcdefghijklmnopqrstuvwxyz0123456789-.") != "" ||
			strings.HasPrefix(domain, ".") || strings.HasSuffix(domain, ".") {
			return fmt.Errorf("allow: %q is not the domain of an e-mail address, as in example.com; write other scripts as xn--…", domain)
		}
	}
	return nil
}

// Allows reports whether the person may come in.
func (l List) Allows(p Person) bool {
	return l.AllowsUser(p) || slices.ContainsFunc(p.Groups, func(group string) bool { return group != "" && slices.Contains(l.Groups, group) }) ||
		slices.ContainsFunc(p.Emails, l.allowsDomain)
}

// AllowsUser reports whether Users alone lets the person in.
func (l List) AllowsUser(p Person) bool {
	return slices.ContainsFunc(l.Users, func(entry string) bool {
		id, isID := strings.CutPrefix(entry, idPrefix)
		switch {
		case entry == Anybody:
			return true
		case isID:
			return id != "" && id == p.ID
		case isEmail(entry):
			return slices.ContainsFunc(p.Emails, func(email string) bool { return fold(email) == fold(entry) })
		}
		return p.Login != "" && fold(p.Login) == fold(entry)
	})
}

// NeedsEmails reports whether an entry is about e-mail addresses.
func (l List) NeedsEmails() bool { return len(l.Domains) > 0 || slices.ContainsFunc(l.Users, isEmail) }

func isEmail(entry string) bool {
	return strings.Contains(entry, "@") && !strings.HasPrefix(entry, idPrefix)
}

// allowsDomain takes plain addresses only: in others the part after the last @
// may not be the domain.
func (l List) allowsDomain(email string) bool {
	user, domain, ok := strings.Cut(fold(email), "@")
	plain := ok && user != "" && domain != "" && !strings.ContainsFunc(email, func(r rune) bool {
		return r <= ' ' || r == '"' || r == '(' || r == '<' || r == ',' || r == ';' || r == ':' || r == '\\' || r == 0x7f
	})
	return plain && slices.ContainsFunc(l.Domains, func(d string) bool { return fold(d) == domain })
}

// fold makes the letters A to Z small. Others stay: some become an ASCII letter
// when made small, and would make two names one.
func fold(s string) string {
	return strings.Map(func(r rune) rune {
		if 'A' <= r && r <= 'Z' {
			return r + 'a' - 'A'
		}
		return r
	}, s)
}

// Trim returns the person without the groups and addresses that the list does
// not name, if there are more than n bytes of them.
func (l List) Trim(p Person, n int) Person {
	if len(strings.Join(p.Groups, ""))+len(strings.Join(p.Emails, "")) <= n {
		return p
	}
	p.Groups = slices.DeleteFunc(slices.Clone(p.Groups), func(g string) bool { return !slices.Contains(l.Groups, g) })
	p.Emails = slices.DeleteFunc(slices.Clone(p.Emails), func(e string) bool { return !l.Allows(Person{Emails: []string{e}}) })
	return p
}
