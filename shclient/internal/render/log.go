// SPDX-License-Identifier: Apache-2.0

package render

import (
	"encoding/json"
	"strings"
)

// Log draws one log message of a server: its level, the name of its logger if
// there is one, and its data, which is JSON.
func (s Screen) Log(level, logger string, data []byte) string {
	var text string
	if json.Unmarshal(data, &text) != nil {
		text = string(data)
	}
	a := dim
	switch level {
	case "warning", "error", "critical", "alert", "emergency":
		a = bold
	}
	line := s.paint("["+Line(level)+"]", a)
	if logger != "" {
		line += " " + Line(logger) + ":"
	}
	return line + " " + strings.ReplaceAll(strings.TrimRight(Safe(text), "\n"), "\n", "\n  ") + "\n"
}
