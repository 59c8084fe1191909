// SPDX-License-Identifier: Apache-2.0

// Package pace lets work at hosts take turns: so much at the same time in all,
// so much at one host, with pauses in between, and none while a host wants to
// be left alone.
//
//	turn, err := pacer.Wait(ctx, "example.com")
//	if err != nil { … }
//	defer turn.Done()
//
// Hosts are served in rotation, and callers of one host in the order in which
// they came, so that a slow host with many callers does not keep those of
// other hosts waiting.
package pace
