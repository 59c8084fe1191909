// SPDX-License-Identifier: Apache-2.0

// Command oneera is an MCP server on stdin and stdout that speaks one era of
// the protocol and nothing of the other: the legacy one with initialize, up to
// 2025-11-25, or the modern one without, since 2026-07-28.
//
// It has all that the MCP conformance suite asks of a server, and some tools
// for what the suite does not look at. Both eras have the same, each in its own
// form, so that what comes through a bridge between the eras can be judged. It
// is stricter than servers in the wild: where those would overlook something of
// the other era, it answers with an error.
//
//	go run ./examples/oneera -era legacy
//	go run ./examples/oneera -era modern
package main

import (
	"flag"
	"fmt"
	"os"
	"slices"
)

func main() {
	name := flag.String("era", "", "the `era` to speak, legacy or modern")
	newest := flag.String("newest", legacyVersions[0], "legacy: the newest `version` to agree on")
	silent := flag.Bool("silent", false, "legacy: do not answer unknown methods at all")
	flag.Parse()

	s := newServer(os.Stdout)
	switch {
	case flag.NArg() > 0, !slices.Contains(legacyVersions, *newest):
		flag.Usage()
		os.Exit(2)
	case *name == "legacy":
		s.era = newLegacy(s, *newest, *silent)
	case *name == "modern":
		s.era = newModern(s)
	default:
		flag.Usage()
		os.Exit(2)
	}
	if err := s.serve(os.Stdin); err != nil {
		fmt.Fprintf(os.Stderr, "oneera: %v\n", err)
		os.Exit(1)
	}
}
