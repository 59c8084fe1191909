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
	ClientURL  string // of the administrators' page that shows the client
	Subject    string
	PersonURL  string // of the administrators' page that shows the person
	Voucher    string // see Consent
	Unverified bool
	Hosts      []string // where the client sends people
	Scopes     []Scope
	Resources  []Resource

	Since, Refreshed, Ends time.Time
}

// The views of Admin.
const (
	ViewClients = "clients"
	ViewClient  = "client"
	ViewGrants  = "grants"
	ViewKeys    = "keys"
)

// Admin shows administrators clients and grants, and lets them end those.
type Admin struct {
	Action, CSRF string
	Notice       string // what has just happened; empty: nothing
	Username     string

	View    string
	Search  string   // what clients are searched for
	Client  string   // id of the client that is shown, with its grants
	Person  string   // subject of the person whose grants are shown
	Clients []Client // one of them in ViewClient
	Grants  []Grant
	Keys    []Key
	Total   int    // grants of the client that is shown
	Next    string // address of the next page; empty: there is none
}

// Client is a client as administrators see it.
type Client struct {
	ID, Name, Home string
	Document       bool     // it did not register
	Hosts          []string // where it sends people
	URL            string   // of the page that shows it
	Created, Used  time.Time
}

// Key is a signing key as administrators see it. Times that are not known are
// zero.
type Key struct {
	ID, Algorithm, State string
	Sealed               bool // in the store

	Created, Signs, Retires, Until time.Time
}

func (SignIn) template() string { return "signin.html" }
func (Apps) template() string   { return "apps.html" }
func (Admin) template() string  { return "admin.html" }

// date writes a time for people. They may be anywhere.
func date(t time.Time) string { return t.UTC().Format("2 January 2006, 15:04 UTC") }
