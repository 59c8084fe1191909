// SPDX-License-Identifier: Apache-2.0

package store_test

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/atrawog/mcp-oauth-gateway/oauthdyn"
	"github.com/atrawog/mcp-oauth-gateway/oauthdyn/authserver/store"
	"github.com/atrawog/mcp-oauth-gateway/oauthdyn/authserver/store/memory"
)

// The life of a sign-in in a store: a client registers, gets a code, redeems it
// for a grant and exchanges its refresh token. What is used twice ends the grant.
func Example() {
	ctx, now := context.Background(), time.Now()
	var db store.Store = memory.New(nil) // bolt.Open or redis.Open in real life

	client := store.Client{ID: "client_1", Metadata: oauthdyn.ClientMetadata{ClientName: "Assistant"}}
	if err := db.CreateClient(ctx, client); err != nil {
		fmt.Println(err)
		return
	}
	code := store.Code{
		Hash: store.HashOf("the code"), ClientID: client.ID, Subject: "local:alice",
		Expires: now.Add(time.Minute),
	}
	if err := db.PutCode(ctx, code); err != nil {
		fmt.Println(err)
		return
	}
	grant := store.Grant{
		ID: store.HashOf("the handle of the grant"), ClientID: client.ID, Subject: code.Subject,
		Expires: now.Add(180 * 24 * time.Hour),
		Refresh: store.Refresh{Current: store.HashOf("first token"), Expires: now.Add(30 * 24 * time.Hour)},
	}
	fmt.Println("code:", db.RedeemCode(ctx, code.Hash, grant))

	rotation := store.Rotation{
		Grant: grant.ID, ClientID: client.ID,
		Old: store.HashOf("first token"), New: store.HashOf("second token"),
		Expires: now.Add(30 * 24 * time.Hour),
	}
	_, outcome, err := db.RotateRefresh(ctx, rotation)
	fmt.Println("refresh:", outcome == store.Rotated, err)

	_, _, err = db.RotateRefresh(ctx, rotation) // a thief has the first token, too
	fmt.Println("again:", errors.Is(err, store.ErrReplayed))
	_, err = db.Grant(ctx, grant.ID)
	fmt.Println("the grant is gone:", errors.Is(err, store.ErrNotFound))
	// Output:
	// code: <nil>
	// refresh: true <nil>
	// again: true
	// the grant is gone: true
}

// Clients that nobody uses make room for others.
func ExampleClients() {
	ctx := context.Background()
	var clients store.Clients = memory.New(&memory.Options{Limits: store.Limits{Clients: 1}})
	fmt.Println(clients.CreateClient(ctx, store.Client{ID: "client_1"}))
	// The first one is younger than Limits.ClientGrace, and stays.
	fmt.Println(errors.Is(clients.CreateClient(ctx, store.Client{ID: "client_2"}), store.ErrFull))
	// Output:
	// <nil>
	// true
}

// Of several callers one redeems a code.
func ExampleCodes() {
	ctx := context.Background()
	var codes store.Codes = memory.New(nil)
	code := store.Code{Hash: store.HashOf("the code"), ClientID: "client_1", Expires: time.Now().Add(time.Minute)}
	if err := codes.PutCode(ctx, code); err != nil {
		fmt.Println(err)
		return
	}
	for _, handle := range []string{"one", "two"} {
		err := codes.RedeemCode(ctx, code.Hash, store.Grant{ID: store.HashOf(handle), ClientID: "client_1", Expires: time.Now().Add(time.Hour)})
		fmt.Println(handle, err == nil, errors.Is(err, store.ErrReplayed))
	}
	// Output:
	// one true false
	// two false true
}

// A person signs out everywhere.
func ExampleGrants() {
	ctx := context.Background()
	var grants store.Grants = memory.New(nil)
	for _, client := range []string{"client_1", "client_2"} {
		err := grants.CreateGrant(ctx, store.Grant{
			ID: store.HashOf(client), ClientID: client, Subject: "local:alice", Expires: time.Now().Add(time.Hour),
		})
		if err != nil {
			fmt.Println(err)
			return
		}
	}
	fmt.Println(grants.RevokeGrants(ctx, store.Owner{Subject: "local:alice"}))
	// Output: 2 <nil>
}

// Whoever checks access tokens reads what was revoked, each time from where
// they stopped.
func ExampleRevocations() {
	ctx, expires := context.Background(), time.Now().Add(15*time.Minute)
	var revocations store.Revocations = memory.New(nil)
	var position store.Position
	for _, id := range []string{"token-1", "token-2"} {
		if err := revocations.RevokeToken(ctx, id, expires); err != nil {
			fmt.Println(err)
			return
		}
		fresh, next, err := revocations.ListRevocations(ctx, position)
		if err != nil {
			fmt.Println(err)
			return
		}
		for _, r := range fresh {
			fmt.Println(r.TokenID)
		}
		position = next
	}
	// Output:
	// token-1
	// token-2
}

// A consent is remembered for the client and what it was allowed.
func ExampleApprovals() {
	ctx := context.Background()
	var approvals store.Approvals = memory.New(nil)
	once := store.HashOf("client_1 mcp https://mcp.example.com/mcp")
	if err := approvals.Approve(ctx, "local:alice", once, time.Now().Add(time.Hour)); err != nil {
		fmt.Println(err)
		return
	}
	fmt.Println(approvals.Approved(ctx, "local:alice", once))
	fmt.Println(approvals.Approved(ctx, "local:bob", once))
	// Output:
	// true <nil>
	// false <nil>
}

// Something that must not be used twice.
func ExampleTransactions() {
	const assertion store.Kind = "assertion"
	ctx, jti := context.Background(), store.HashOf("the jti of an assertion")
	var transactions store.Transactions = memory.New(nil)
	for range 2 {
		err := transactions.AddTransaction(ctx, assertion, jti, nil, time.Now().Add(time.Minute))
		fmt.Println(errors.Is(err, store.ErrConflict))
	}
	// Output:
	// false
	// true
}

// A rate limit: three attempts in a minute.
func ExampleCounts() {
	ctx := context.Background()
	var counts store.Counts = memory.New(nil)
	for range 4 {
		n, _, err := counts.Count(ctx, "attempts", store.HashOf("192.0.2.1"), time.Minute)
		fmt.Println(n <= 3, err)
	}
	// Output:
	// true <nil>
	// true <nil>
	// true <nil>
	// false <nil>
}

// Of two that change the same revision of the keys one is told to look again.
func ExampleKeys() {
	ctx := context.Background()
	var keys store.Keys = memory.New(nil)
	_, revision, err := keys.LoadKeys(ctx)
	if err != nil {
		fmt.Println(err)
		return
	}
	fmt.Println(keys.SaveKeys(ctx, []byte(`{"mine":1}`), revision))
	fmt.Println(errors.Is(keys.SaveKeys(ctx, []byte(`{"yours":1}`), revision), store.ErrConflict))
	// Output:
	// <nil>
	// true
}

// What a store keeps goes to another one, record by record.
func ExampleTransfers() {
	ctx, soon := context.Background(), time.Now().Add(time.Hour)
	var to store.Transfers = memory.New(nil)
	err := to.Import(ctx, []store.Record{
		{Client: &store.Client{ID: "client_1", Created: time.Now()}},
		{Approval: &store.Approval{Subject: store.HashOf("local:alice"), Fingerprint: store.HashOf("client_1"), Expires: soon}},
		{Transaction: &store.Transaction{Kind: "session", ID: store.HashOf("a cookie"), Expires: soon}},
		{Revocation: &store.Revocation{TokenID: "token-1", Expires: soon}},
	})
	if err != nil {
		fmt.Println(err)
		return
	}
	n := 0
	err = to.Export(ctx, func(store.Record) error { n++; return nil })
	fmt.Println(n, err)
	// Output: 4 <nil>
}
