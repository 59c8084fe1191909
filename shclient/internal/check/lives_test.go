// SPDX-License-Identifier: Apache-2.0

package check

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// begins reports whether one more process of a server may begin. lives is how
// many there are, and the file that counts them.
func begins(lives string) bool {
	var most int
	var file string
	if _, err := fmt.Sscanf(lives, "%d %s", &most, &file); err != nil {
		return false
	}
	f, err := os.OpenFile(file, os.O_APPEND|os.O_CREATE|os.O_WRONLY, 0o600)
	if err != nil {
		return false
	}
	defer f.Close()
	if _, err := f.WriteString("."); err != nil {
		return false
	}
	info, err := f.Stat()
	return err == nil && info.Size() <= int64(most)
}

// TestServerThatStopsStarting has a server that answers in its first processes
// and ends at once in all later ones.
func TestServerThatStopsStarting(t *testing.T) {
	t.Parallel()
	for _, lives := range []int{0, 1, 2, 3, 5, 8} {
		t.Run(fmt.Sprint(lives), func(t *testing.T) {
			t.Parallel()
			target := stdioTarget(t)
			file := filepath.Join(t.TempDir(), "lives")
			target.Env = append(target.Env, fmt.Sprintf("CHECK_TEST_LIVES=%d %s", lives, file))
			report, err := Run(t.Context(), target, Options{Versions: []string{V20251125}, Timeout: 2 * time.Second, patience: 200 * time.Millisecond, quiet: 20 * time.Millisecond})
			if lives == 0 {
				if err == nil || !strings.Contains(err.Error(), "the server has ") {
					t.Errorf("error %v, want one that says that the server has ended", err)
				}
				return
			}
			if err != nil {
				t.Fatal(err)
			}
			if report.OK() && report.Summary.Unclear == 0 {
				t.Error("the report does not tell that the server does not start any more")
			}
		})
	}
}
