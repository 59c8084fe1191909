// SPDX-License-Identifier: Apache-2.0

package extract

import (
	"os"
	"testing"
)

// DataDir returns the directory of test data, which has what is named.
func DataDir(tb testing.TB, what string) string {
	tb.Helper()
	dir := os.Getenv("MCP_TEST_DATA")
	if dir == "" {
		tb.Skip("set MCP_TEST_DATA to a directory with " + what)
	}
	return dir
}
