// SPDX-License-Identifier: Apache-2.0

//go:build unix

package conformance_test

import (
	"context"
	"fmt"
	"os"
	"testing"
	"time"
)

// clientTimeout is less than the suite gives a client.
const clientTimeout = 55 * time.Second

// browserArgument makes this binary the browser of the page that is named next.
const browserArgument = "browse"

// TestMain is the client that the suite judges when it is the suite that runs
// this binary: with the URL of the server behind what the test gave it.
func TestMain(m *testing.M) {
	scenario := os.Getenv("MCP_CONFORMANCE_SCENARIO")
	if scenario == "" {
		os.Exit(m.Run())
	}
	ctx, cancel := context.WithTimeout(context.Background(), clientTimeout)
	defer cancel()
	if err := judgedClient(ctx, scenario, os.Args[1:]); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

func judgedClient(ctx context.Context, scenario string, args []string) error {
	if last := len(args) - 1; needsStream[scenario] && last >= 0 {
		url, stop, err := watchStream(args[last])
		if err != nil {
			return err
		}
		defer stop()
		args[last] = url
	}
	switch {
	case len(args) == 1: // URL
		return libraryClient(ctx, scenario, args[0])
	case len(args) == 2 && args[0] == browserArgument: // page
		return follow(ctx, args[1])
	case len(args) == 3: // version, shclient, URL
		return stdioClient(ctx, scenario, args[0], args[1], args[2])
	}
	return fmt.Errorf("unexpected arguments %q", args)
}
