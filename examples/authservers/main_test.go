// SPDX-License-Identifier: Apache-2.0

// Package authservers_test lets oauthdyn work with authorization servers that
// other people wrote: its client signs in to them, and its resource side judges
// the tokens that they issue.
package authservers_test

import (
	"context"
	"flag"
	"fmt"
	"os"
	"testing"
	"time"
)

var installFlag = flag.Bool("install", false, "first install what is missing of the authorization servers")

const installTimeout = 10 * time.Minute

// TestMain is also the browser of the commands: alice.
func TestMain(m *testing.M) {
	if len(os.Args) == 3 && os.Args[1] == alice.name {
		if err := alice.visit(context.Background(), os.Args[2]); err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
		os.Exit(0)
	}
	flag.Parse()
	if *installFlag {
		ctx, cancel := context.WithTimeout(context.Background(), installTimeout)
		defer cancel()
		if err := install(ctx); err != nil {
			fmt.Fprintln(os.Stderr, "authservers:", err)
			os.Exit(1)
		}
	}
	os.Exit(m.Run())
}

// howToInstall ends the message of a test that misses something.
const howToInstall = "; it comes with: go test ./examples/authservers -run '^$' -install"
