// SPDX-License-Identifier: Apache-2.0

package exposition

import (
	"runtime"
	"runtime/debug"
)

// Build writes the metric NAME_build_info of a program, which is always 1: its
// labels tell the version, the revision it was built from ("unknown" if that was
// not stamped) and the version of Go.
func Build(w *Writer, program, version string) {
	revision := "unknown"
	if info, ok := debug.ReadBuildInfo(); ok {
		for _, s := range info.Settings {
			if s.Key == "vcs.revision" {
				revision = s.Value
			}
		}
	}
	w.Family(Gauge, program+"_build_info", "1, with the version of the program that runs.")
	w.Sample(1, Label{"version", version}, Label{"revision", revision}, Label{"goversion", runtime.Version()})
}
