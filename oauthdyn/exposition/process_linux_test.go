// SPDX-License-Identifier: Apache-2.0

package exposition

import (
	"os"
	"strings"
	"testing"
)

func TestLookup(t *testing.T) {
	const status = "Name:\tx\nVmRSS:\t    1234 kB\nThreads:\t8\nEmpty:\nWord:\tword\nLast:\t9"
	for name, want := range map[string]float64{"VmRSS": 1234, "Threads": 8, "Last": 9} {
		if got, ok := lookup(status, name); got != want || !ok {
			t.Errorf("%s: %v, %v", name, got, ok)
		}
	}
	for _, name := range []string{"Name", "Empty", "Word", "Vm", "Other", ""} {
		if got, ok := lookup(status, name); ok {
			t.Errorf("%s: %v", name, got)
		}
	}
}

// A file that is open counts as one.
func TestOpenFiles(t *testing.T) {
	count := func() float64 {
		var text strings.Builder
		Process(NewWriter(&text))
		return parse(t, text.String())["process_open_fds"].GetMetric()[0].GetGauge().GetValue()
	}
	before := count()
	f, err := os.Open(os.DevNull)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	if got := count(); got != before+1 {
		t.Errorf("%v open files, want %v", got, before+1)
	}
}
