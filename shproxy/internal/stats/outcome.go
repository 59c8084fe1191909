// SPDX-License-Identifier: Apache-2.0

package stats

// Outcome is how a call ended.
type Outcome uint8

// The ways in which a call can end.
const (
	OK        Outcome = iota // with a result
	ToolError                // with a result that says isError
	Error                    // with a JSON-RPC error of the server
	Crashed                  // with the end of the process
	Cancelled                // by the client, in words
	Gone                     // by the client, who left
	TimedOut                 // for lack of an answer in time
	Refused                  // before it reached the server

	numOutcomes
)

var outcomes = [numOutcomes]string{"ok", "tool_error", "error", "crashed", "cancelled", "gone", "timed_out", "refused"}

// String returns the outcome in lower case, as it labels metrics.
func (o Outcome) String() string { return outcomes[min(o, numOutcomes-1)] }
