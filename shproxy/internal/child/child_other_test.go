// SPDX-License-Identifier: Apache-2.0

//go:build !linux

package child

// runParent belongs to a test of Linux.
func runParent() int { return 1 }
