// SPDX-License-Identifier: Apache-2.0

// Package robots decides what a crawler may fetch, by the Robots Exclusion
// Protocol (RFC 9309).
//
//	checker := robots.NewChecker(get, []string{"ExampleBot"}, nil) // get is a FetchFunc
//	err := checker.Check(ctx, u)                                   // nil: u may be fetched
//
// [Parse] reads a robots.txt file, however broken, into [Rules], which are
// immutable and answer questions about any crawler. [Checker] fetches the
// files, keeps them for a while, and answers for whole URLs.
//
// Both are safe for concurrent use, and take time linear in the size of the
// file and of the path, whatever the file says.
package robots
