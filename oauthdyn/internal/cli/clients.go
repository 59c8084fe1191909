// SPDX-License-Identifier: Apache-2.0

package cli

import (
	"context"
	"fmt"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/atrawog/mcp-oauth-gateway/oauthdyn/authserver/admin"
	"github.com/atrawog/mcp-oauth-gateway/oauthdyn/internal/terminal"
)

func (a *app) clientsCommand() *cobra.Command {
	return adminCommand("clients", "See and delete registered clients", "oauthdyn clients list",
		a.clientsListCommand(), a.clientsShowCommand(), a.clientsDeleteCommand())
}

func (a *app) clientsListCommand() *cobra.Command {
	f := &adminFlags{}
	var search string
	var limit int
	cmd := &cobra.Command{
		Use:   "list",
		Short: "List registered clients",
		Long: `Lists the clients that have registered, in the order of their ids. Those that are a
metadata document have no registration: "oauthdyn grants list" shows them.` + adminHelp,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if limit < 0 {
				return &usageError{text: "--limit cannot be negative"}
			}
			a.running = true
			return a.listClients(cmd.Context(), f, search, limit)
		},
	}
	cmd.Flags().StringVar(&search, "search", "", "only those with this `TEXT` in their id, name, home page or redirect host")
	cmd.Flags().IntVar(&limit, "limit", 1000, "at most `N`; 0 means all")
	f.add(cmd)
	return cmd
}

func (a *app) listClients(ctx context.Context, f *adminFlags, search string, limit int) error {
	result := struct {
		Clients []admin.Client `json:"clients"`
		More    bool           `json:"more"`
	}{Clients: []admin.Client{}}
	err := a.administer(ctx, &f.storeFlags, func(c admin.Caller) error {
		q := admin.ClientQuery{Search: search}
		for {
			q.N = pageOf(limit, len(result.Clients))
			page, err := admin.Call[admin.ClientPage](ctx, c, admin.OpListClients, q)
			if err != nil {
				return err
			}
			result.Clients = append(result.Clients, page.Clients...)
			q.After, result.More = page.Next, page.Next != ""
			if !result.More || len(result.Clients) == limit {
				return nil
			}
		}
	})
	if err != nil || f.json {
		return a.orJSON(err, result)
	}
	g := &grid{}
	g.add("CLIENT ID", "NAME", "SENDS PEOPLE TO", "REGISTERED", "LAST USED")
	for i := range result.Clients {
		c := &result.Clients[i]
		g.add(c.ID, c.ClientName, strings.Join(c.RedirectHosts(), " "), day(c.Created), day(c.Used))
	}
	return a.writeGrid(g, len(result.Clients), "client", result.More)
}

// pageOf is how many records to ask for next; a limit of 0 is none.
func pageOf(limit, have int) int {
	const page = 500
	if limit == 0 {
		return page
	}
	return min(page, limit-have)
}

// orJSON prints a result for programs, unless there is an error.
func (a *app) orJSON(err error, result any) error {
	if err != nil {
		return err
	}
	return a.writeJSON(result)
}

// writeGrid prints a list for people.
func (a *app) writeGrid(g *grid, n int, what string, more bool) error {
	if n == 0 {
		_, err := fmt.Fprintf(a.stdout, "There is no %s.\n", what)
		return err
	}
	if err := g.write(a.stdout); err != nil || !more {
		return err
	}
	_, err := fmt.Fprintf(a.stderr, "There are more than these %s; --limit 0 shows all.\n", count(n, what))
	return err
}

func (a *app) clientsShowCommand() *cobra.Command {
	f := &adminFlags{}
	cmd := &cobra.Command{
		Use:   "show CLIENT-ID",
		Short: "Show a client, and how many grants it has",
		Long:  `Shows what a client has registered, and how many grants it has.` + adminHelp,
		Args:  oneArg("want the id of one client", "oauthdyn clients list shows the ids"),
		RunE: func(cmd *cobra.Command, args []string) error {
			a.running = true
			return a.showClient(cmd.Context(), f, args[0])
		},
	}
	f.add(cmd)
	return cmd
}

// oneArg wants one argument.
func oneArg(text, hint string) cobra.PositionalArgs {
	return func(_ *cobra.Command, args []string) error {
		if len(args) != 1 {
			return &usageError{text: text, hint: hint}
		}
		return nil
	}
}

func (a *app) showClient(ctx context.Context, f *adminFlags, id string) error {
	var found admin.ClientDetails
	err := a.administer(ctx, &f.storeFlags, func(c admin.Caller) (err error) {
		found, err = admin.Call[admin.ClientDetails](ctx, c, admin.OpShowClient, admin.ClientID{ID: id})
		return err
	})
	if err != nil || f.json {
		return a.orJSON(err, found)
	}
	c, t := &found.Client, &terminal.Table{}
	t.Add("Name", c.ClientName)
	t.Add("Home page", c.ClientURI)
	if !c.Created.IsZero() {
		for _, uri := range c.RedirectURIs {
			t.Add("Redirect URI", uri)
		}
		t.Add("Authentication", c.TokenEndpointAuthMethod)
		t.Add("Grant types", strings.Join(c.GrantTypes, " "))
		t.Add("Scope", c.Scope)
		t.Add("Contacts", strings.Join(c.Contacts, " "))
		t.Add("Registered", terminal.Moment(c.Created, time.Now()))
		t.Add("Last used", day(c.Used))
	}
	t.Add("Grants", count(found.Grants, "grant"))
	title := "Client " + c.ID
	switch {
	case c.Document:
		title += " (a metadata document)"
	case c.Created.IsZero():
		title += " (not registered)"
	}
	return t.Write(a.stdout, title)
}

func (a *app) clientsDeleteCommand() *cobra.Command {
	f := &adminFlags{}
	yes := false
	cmd := &cobra.Command{
		Use:   "delete CLIENT-ID",
		Short: "Delete a client, with all its grants",
		Long: `Deletes the registration of a client. Its grants and tokens end at once. A client that
is still in use registers again, if everybody may, and has to be consented to.` + adminHelp,
		Args: oneArg("want the id of one client", "oauthdyn clients list shows the ids"),
		RunE: func(cmd *cobra.Command, args []string) error {
			a.running = true
			return a.deleteClient(cmd.Context(), f, args[0], yes)
		},
	}
	f.add(cmd)
	cmd.Flags().BoolVarP(&yes, "yes", "y", false, "do not ask")
	return cmd
}

func (a *app) deleteClient(ctx context.Context, f *adminFlags, id string, yes bool) error {
	if !yes {
		// The store is not kept open while somebody thinks.
		var found admin.ClientDetails
		err := a.administer(ctx, &f.storeFlags, func(c admin.Caller) (err error) {
			found, err = admin.Call[admin.ClientDetails](ctx, c, admin.OpShowClient, admin.ClientID{ID: id})
			return err
		})
		if err != nil {
			return err
		}
		if err := a.confirm(ctx, false, fmt.Sprintf("Delete %s and end %s?", describe(found.Client.ID, found.Client.ClientName), count(found.Grants, "grant"))); err != nil {
			return err
		}
	}
	var ended admin.Ended
	err := a.administer(ctx, &f.storeFlags, func(c admin.Caller) (err error) {
		ended, err = admin.Call[admin.Ended](ctx, c, admin.OpDeleteClient, admin.ClientID{ID: id})
		return err
	})
	if err != nil || f.json {
		return a.orJSON(err, struct {
			admin.ClientID
			admin.Ended
		}{admin.ClientID{ID: id}, ended})
	}
	_, err = fmt.Fprintf(a.stdout, "Deleted %s and ended %s.\n", terminal.Printable(id), count(ended.Grants, "grant"))
	return err
}

// describe names a client for people.
func describe(id, name string) string {
	if name == "" {
		return "client " + terminal.Printable(id)
	}
	return fmt.Sprintf("client %s (%s)", terminal.Printable(id), shorten(terminal.Printable(name)))
}
