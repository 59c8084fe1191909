// SPDX-License-Identifier: Apache-2.0

//go:build !linux

package child

// modes of this test binary that are not the test server's.
var modes map[string]func() int
