// SPDX-License-Identifier: Apache-2.0

package exposition

import (
	"os"
	"strconv"
	"strings"
)

// procfs writes what the files of /proc tell of the process.
func procfs(w *Writer) {
	status, _ := os.ReadFile("/proc/self/status")
	if kib, ok := lookup(string(status), "VmRSS"); ok {
		w.Family(Gauge, "process_resident_memory_bytes", "Resident memory size in bytes.")
		w.Sample(kib * 1024)
	}
	if threads, ok := lookup(string(status), "Threads"); ok {
		w.Family(Gauge, "process_threads", "Number of operating system threads.")
		w.Sample(threads)
	}
	if open, err := os.ReadDir("/proc/self/fd"); err == nil {
		w.Family(Gauge, "process_open_fds", "Number of open file descriptors.")
		w.Sample(float64(len(open) - 1)) // without that of the listing
	}
}

// lookup finds a number in text with lines such as "VmRSS:	 1234 kB".
func lookup(text, name string) (float64, bool) {
	for line := range strings.Lines(text) {
		key, value, _ := strings.Cut(line, ":")
		if words := strings.Fields(value); key == name && len(words) > 0 {
			n, err := strconv.ParseUint(words[0], 10, 64)
			return float64(n), err == nil
		}
	}
	return 0, false
}
