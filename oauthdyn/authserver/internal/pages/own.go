// SPDX-License-Identifier: Apache-2.0

package pages

import "time"

// SignIn is what people see of a page of their own before they sign in.
type SignIn struct {
	Action, CSRF string
	Title        string // of the page that they want
	Text         string
}

// Apps shows people what they have allowed, and lets them end it.
type Apps struct {
	Action, CSRF string
	Notice       string // what has just happened; empty: nothing
	Username     string
	Grants       []Grant
	More         int    // how many are not shown
	Shown        string // stands for the list, in the form that ends all
}

// Grant is what a person has allowed a client.
type Grant struct {
	ID         string
	Client     string // display name
	ClientID   string
	Subject    string
	Voucher    string // see Consent
	Unverified bool
	Hosts      []string // where the client sends people
	Scopes     []Scope
	Resources  []Resource

	Since, Refreshed, Ends time.Time
}

func (SignIn) template() string { return "signin.html" }
func (Apps) template() string   { return "apps.html" }

// date writes a time for people. They may be anywhere.
func date(t time.Time) string { return t.UTC().Format("2 January 2006, 15:04 UTC") }
