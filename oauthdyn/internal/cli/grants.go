// SPDX-License-Identifier: Apache-2.0

package cli

import (
	"context"
	"fmt"
	"strings"

	"github.com/spf13/cobra"

	"github.com/atrawog/mcp-oauth-gateway/oauthdyn/authserver/admin"
	"github.com/atrawog/mcp-oauth-gateway/oauthdyn/internal/terminal"
)

func (a *app) grantsCommand() *cobra.Command {
	return adminCommand("grants", "See and end what people have allowed clients", "oauthdyn grants list",
		a.grantsListCommand(), a.grantsRevokeCommand())
}

// ownerFlags say whose grants are meant.
type ownerFlags struct{ subject, client string }

func (f *ownerFlags) add(cmd *cobra.Command) {
	cmd.Flags().StringVar(&f.subject, "subject", "", "those of the person with this `SUBJECT`, such as local:alice")
	cmd.Flags().StringVar(&f.client, "client", "", "those of the client with this `CLIENT-ID`")
}

func (f *ownerFlags) given() bool { return f.subject != "" || f.client != "" }

func (a *app) grantsListCommand() *cobra.Command {
	f, owner := &adminFlags{}, &ownerFlags{}
	var limit int
	cmd := &cobra.Command{
		Use:   "list",
		Short: "List grants",
		Long: `Lists what people have allowed clients, in the order of the grants' ids. Each grant has
its own tokens. Its id is no secret: it is a hash. With --json the ids are whole, and
there is the "sid" that the server's log and the grant's access tokens have.` + adminHelp,
		Example: `  oauthdyn grants list --subject local:alice`,
		Args:    cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if limit < 0 {
				return &usageError{text: "--limit cannot be negative"}
			}
			a.running = true
			return a.listGrants(cmd.Context(), f, owner, limit)
		},
	}
	owner.add(cmd)
	cmd.Flags().IntVar(&limit, "limit", 1000, "at most `N`; 0 means all")
	f.add(cmd)
	return cmd
}

// shownID is how much of a grant's id is shown in a grid: by chance two begin
// alike among a million grants once in 500 times, and both are told from each
// other by --json.
const shownID = 12

func (a *app) listGrants(ctx context.Context, f *adminFlags, owner *ownerFlags, limit int) error {
	result := struct {
		Grants []admin.Grant `json:"grants"`
		More   bool          `json:"more"`
	}{Grants: []admin.Grant{}}
	err := a.administer(ctx, &f.storeFlags, func(c admin.Caller) error {
		q := admin.GrantQuery{Subject: owner.subject, ClientID: owner.client}
		for {
			q.N = pageOf(limit, len(result.Grants))
			page, err := admin.Call[admin.GrantPage](ctx, c, admin.OpListGrants, q)
			if err != nil {
				return err
			}
			result.Grants = append(result.Grants, page.Grants...)
			q.After, result.More = page.Next, page.Next != ""
			if !result.More || len(result.Grants) == limit {
				return nil
			}
		}
	})
	if err != nil || f.json {
		return a.orJSON(err, result)
	}
	g := &grid{}
	g.add("GRANT", "PERSON", "CLIENT ID", "NAME", "SCOPES", "SINCE", "REFRESHED")
	for i := range result.Grants {
		grant := &result.Grants[i]
		g.add(grant.ID[:shownID], grant.Subject, grant.ClientID, grant.ClientName, strings.Join(grant.Scopes, " "), day(grant.Created), day(grant.Refreshed))
	}
	return a.writeGrid(g, len(result.Grants), "grant", result.More)
}

func (a *app) grantsRevokeCommand() *cobra.Command {
	f, owner := &adminFlags{}, &ownerFlags{}
	yes := false
	cmd := &cobra.Command{
		Use:   "revoke [GRANT]",
		Short: "End one grant, or all of a person or a client",
		Long: `Ends a grant, or all grants of a person, of a client, or of both together. Their tokens
are worth nothing from then on, and the consent is forgotten: a client that comes back
has to be consented to. GRANT is the id that "oauthdyn grants list" shows, or the "sid"
of an access token.

Resources that check tokens by their signature alone hear of it if they are told of
revocations, as those of serve --verify are; others take an access token until it
expires.` + adminHelp,
		Example: `  oauthdyn grants revoke 3f2a9c01b7d4
  oauthdyn grants revoke --subject local:alice --yes`,
		Args: func(_ *cobra.Command, args []string) error {
			if len(args) > 1 || (len(args) == 1) == owner.given() {
				return &usageError{text: "want the id of one grant, or --subject or --client", hint: "oauthdyn grants list shows the ids"}
			}
			return nil
		},
		RunE: func(cmd *cobra.Command, args []string) error {
			a.running = true
			if len(args) == 1 {
				return a.revokeGrant(cmd.Context(), f, args[0])
			}
			return a.revokeGrants(cmd.Context(), f, owner, yes)
		},
	}
	owner.add(cmd)
	f.add(cmd)
	cmd.Flags().BoolVarP(&yes, "yes", "y", false, "do not ask before all grants of somebody end")
	return cmd
}

func (a *app) revokeGrant(ctx context.Context, f *adminFlags, id string) error {
	var ended admin.Grant
	err := a.administer(ctx, &f.storeFlags, func(c admin.Caller) (err error) {
		ended, err = admin.Call[admin.Grant](ctx, c, admin.OpRevokeGrant, admin.GrantID{ID: id})
		return err
	})
	if err != nil || f.json {
		return a.orJSON(err, ended)
	}
	_, err = fmt.Fprintf(a.stdout, "Ended the grant %s of %s to %s.\n", ended.ID[:shownID], terminal.Printable(ended.Subject),
		describe(ended.ClientID, ended.ClientName))
	return err
}

func (a *app) revokeGrants(ctx context.Context, f *adminFlags, owner *ownerFlags, yes bool) error {
	whose := "all grants"
	if owner.subject != "" {
		whose += " of the person " + owner.subject
	}
	if owner.client != "" {
		whose += " of the client " + owner.client
	}
	if err := a.confirm(ctx, yes, "End "+whose+"?"); err != nil {
		return err
	}
	var ended admin.Ended
	err := a.administer(ctx, &f.storeFlags, func(c admin.Caller) (err error) {
		ended, err = admin.Call[admin.Ended](ctx, c, admin.OpRevokeGrants, admin.Owner{Subject: owner.subject, ClientID: owner.client})
		return err
	})
	if err != nil || f.json {
		return a.orJSON(err, ended)
	}
	_, err = fmt.Fprintf(a.stdout, "Ended %s.\n", count(ended.Grants, "grant"))
	return err
}
