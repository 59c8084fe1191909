// SPDX-License-Identifier: Apache-2.0

package admin_test

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"time"

	"github.com/atrawog/mcp-oauth-gateway/oauthdyn"
	"github.com/atrawog/mcp-oauth-gateway/oauthdyn/authserver/admin"
	"github.com/atrawog/mcp-oauth-gateway/oauthdyn/authserver/store"
	"github.com/atrawog/mcp-oauth-gateway/oauthdyn/authserver/store/memory"
)

// A program on the store: who may do what, and an end to it.
func Example() {
	ctx := context.Background()
	service := admin.New(admin.Options{Store: exampleStore()})

	clients, err := service.ListClients(ctx, admin.ClientQuery{Search: "assist"})
	if err != nil {
		fmt.Println(err)
		return
	}
	for _, c := range clients.Clients {
		details, err := service.ShowClient(ctx, admin.ClientID{ID: c.ID})
		if err != nil {
			fmt.Println(err)
			return
		}
		fmt.Println(c.ClientName, c.RedirectHosts(), "grants:", details.Grants)
	}

	grants, err := service.ListGrants(ctx, admin.GrantQuery{Subject: "local:alice"})
	if err != nil {
		fmt.Println(err)
		return
	}
	for _, g := range grants.Grants {
		fmt.Println(g.ClientName, "may", g.Scopes, "for", g.Username)
		if _, err := service.RevokeGrant(ctx, admin.GrantID{ID: g.ID}); err != nil {
			fmt.Println(err)
			return
		}
	}
	ended, err := service.RevokeGrants(ctx, admin.Owner{Subject: "local:alice"})
	fmt.Println("left to end:", ended.Grants, err)
	// Output:
	// Assistant [app.example.com] grants: 1
	// Assistant may [mcp] for alice
	// left to end: 0 <nil>
}

// A command asks a running server through its socket. The server has an
// operation of its own there.
func ExampleDial() {
	dir, err := os.MkdirTemp("", "example")
	if err != nil {
		fmt.Println(err)
		return
	}
	defer os.RemoveAll(dir)
	socket := filepath.Join(dir, "admin.sock")
	ctx, stop := context.WithCancel(context.Background())
	defer stop()

	// In the server: its service is authserver.Server.Admin.
	service := admin.New(admin.Options{Store: exampleStore()})
	type none struct{}
	admin.Handle(service, "example/uptime", func(context.Context, none) (time.Duration, error) {
		return time.Hour, nil
	})
	listener, err := admin.Listen(socket)
	if err != nil {
		fmt.Println(err)
		return
	}
	served := make(chan error)
	go func() { served <- service.Serve(ctx, listener) }()

	// In the command:
	server, err := admin.Dial(ctx, socket)
	if err != nil {
		fmt.Println(err)
		return
	}
	fmt.Println(admin.Call[time.Duration](ctx, server, "example/uptime", none{}))
	page, err := admin.Call[admin.ClientPage](ctx, server, admin.OpListClients, admin.ClientQuery{})
	fmt.Println(len(page.Clients), err)
	_, err = admin.Call[admin.ClientDetails](ctx, server, admin.OpShowClient, admin.ClientID{ID: "client_9"})
	if refused := (*admin.Error)(nil); errors.As(err, &refused) {
		fmt.Println(refused.Code)
	}
	server.Close()

	stop()
	fmt.Println(<-served)
	// Output:
	// 1h0m0s <nil>
	// 1 <nil>
	// not_found
	// <nil>
}

// A command that works with a server and without one needs a Caller.
func ExampleCaller() {
	var caller admin.Caller = admin.New(admin.Options{Store: exampleStore()}) // or a *admin.Remote
	grants, err := admin.Call[admin.GrantPage](context.Background(), caller, admin.OpListGrants, admin.GrantQuery{ClientID: "client_1"})
	if err != nil {
		fmt.Println(err)
		return
	}
	for _, g := range grants.Grants {
		fmt.Println(g.Subject)
	}
	// Output: local:alice
}

// The server writes a backup of what it keeps; see package backup.
func ExampleService_Backup() {
	dir, err := os.MkdirTemp("", "example")
	if err != nil {
		fmt.Println(err)
		return
	}
	defer os.RemoveAll(dir)
	service := admin.New(admin.Options{Store: exampleStore()})
	written, err := service.Backup(context.Background(), admin.BackupInput{File: filepath.Join(dir, "backup.jsonl")})
	fmt.Println(written.Records, err)
	// Output: 2 <nil>
}

// The whole registration ends, with all that was granted to it.
func ExampleService_DeleteClient() {
	service := admin.New(admin.Options{Store: exampleStore()})
	ended, err := service.DeleteClient(context.Background(), admin.ClientID{ID: "client_1"})
	fmt.Println(ended.Grants, err)
	// Output: 1 <nil>
}

func ExampleIsDocument() {
	fmt.Println(admin.IsDocument("https://app.example.com/oauth/client.json"))
	fmt.Println(admin.IsDocument("client_1"))
	// Output:
	// true
	// false
}

// exampleStore has a client and a grant, as a sign-in leaves them.
func exampleStore() store.Store {
	ctx, s := context.Background(), memory.New(nil)
	err := errors.Join(
		s.CreateClient(ctx, store.Client{ID: "client_1", Metadata: oauthdyn.ClientMetadata{
			ClientName: "Assistant", RedirectURIs: []string{"https://app.example.com/callback"},
		}}),
		s.CreateGrant(ctx, store.Grant{
			ID: store.HashOf("handle"), ClientID: "client_1", Subject: "local:alice", Username: "alice",
			Scopes: []string{"mcp"}, Resources: []string{"https://mcp.example.com/mcp"},
			Created: time.Now(), Expires: time.Now().Add(time.Hour),
		}),
	)
	if err != nil {
		panic(err)
	}
	return s
}
