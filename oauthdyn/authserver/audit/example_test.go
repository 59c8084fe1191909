// SPDX-License-Identifier: Apache-2.0

package audit_test

import (
	"bufio"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
	"os"
	"path/filepath"
	"strings"

	"github.com/atrawog/mcp-oauth-gateway/oauthdyn/authserver/audit"
)

// A file of what happened: Log.Record is for authserver.Options.Audit.
func ExampleOpenFile() {
	dir, err := os.MkdirTemp("", "example")
	if err != nil {
		fmt.Println(err)
		return
	}
	defer os.RemoveAll(dir)
	name := filepath.Join(dir, "audit.jsonl")
	log, err := audit.OpenFile(name, slog.Default())
	if err != nil {
		fmt.Println(err)
		return
	}
	log.Record(context.Background(), audit.Event{
		Kind: audit.SignIn, Outcome: audit.Failure, By: audit.ByPerson,
		Address: "192.0.2.1", Subject: "local:alice", Reason: "wrong password",
	})
	if err := log.Close(); err != nil { // it writes what waits
		fmt.Println(err)
		return
	}

	file, err := os.Open(name)
	if err != nil {
		fmt.Println(err)
		return
	}
	defer file.Close()
	for lines := bufio.NewScanner(file); lines.Scan(); {
		var e audit.Event
		if err := json.Unmarshal(lines.Bytes(), &e); err != nil {
			fmt.Println(err)
			return
		}
		fmt.Println(e.Kind, e.Outcome, "of", e.Subject, "from", e.Address)
	}
	// Output: sign_in failure of local:alice from 192.0.2.1
}

// keep is a destination that stays open.
type keep struct{ io.Writer }

func (keep) Close() error { return nil }

// A log goes wherever there is a writer for it.
func ExampleNewLog() {
	var lines strings.Builder
	log, err := audit.NewLog(func() (io.WriteCloser, error) { return keep{&lines}, nil }, nil)
	if err != nil {
		fmt.Println(err)
		return
	}
	log.Record(context.Background(), audit.Event{Kind: audit.Keys, Outcome: audit.Success, By: audit.ByCommand})
	fmt.Println(log.Close(), log.LostEvents())
	fmt.Println(strings.Count(lines.String(), "\n"), "line")
	// Output:
	// <nil> 0
	// 1 line
}

// A program that ends grants at night says that it was no person.
func ExampleAs() {
	ctx := audit.As(context.Background(), audit.ByServer)
	fmt.Println(audit.ActorOf(ctx)) // srv.RevokeGrants(ctx, …) records it
	// Output: server
}
