// SPDX-License-Identifier: Apache-2.0

package cli

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"slices"

	"github.com/modelcontextprotocol/go-sdk/jsonrpc"
	"github.com/spf13/cobra"

	"github.com/atrawog/mcp-oauth-gateway/shclient"
)

// errorLine is an error as --json writes it to stderr.
type errorLine struct {
	Status  int    `json:"status"` // exit status
	Code    string `json:"code"`   // the same as a word; 5 may be tool_error or server_error
	Message string `json:"message"`
	Hint    string `json:"hint,omitempty"`
	HTTP    int    `json:"http_status,omitempty"` // of the answer that was none of MCP
	RPC     int64  `json:"rpc_code,omitempty"`    // of the error that the server answered with
}

var exitNames = []string{
	exitUsage:       "usage",
	exitFailure:     "failed",
	exitAuth:        "unauthorized",
	exitUnreachable: "unreachable",
	exitTool:        "tool_error",
	exitDifferent:   "different",
}

// report writes a failure to stderr: for people, or as one line of JSON if that
// is what the command was to write.
func (a *app) report(err error, f failure, asJSON bool) {
	if !asJSON {
		fmt.Fprintf(a.stderr, "shclient: %s\n", f.text)
		if f.hint != "" {
			fmt.Fprintf(a.stderr, "hint: %s\n", f.hint)
		}
		return
	}
	line := errorLine{Status: f.code, Code: exitNames[f.code], Message: f.text, Hint: f.hint}
	if status, ok := errors.AsType[*shclient.StatusError](err); ok {
		line.HTTP = status.Status
	}
	if wire, ok := errors.AsType[*jsonrpc.Error](err); ok && wire.Code != codeRejected {
		line.RPC = wire.Code
		if f.code == exitTool {
			line.Code = "server_error"
		}
	}
	var b bytes.Buffer
	enc := json.NewEncoder(&b)
	enc.SetEscapeHTML(false)
	_ = enc.Encode(map[string]errorLine{"error": line}) // always encodes
	_, _ = a.stderr.Write(b.Bytes())                    // nowhere is left to complain
}

// wantsJSON reports whether the command line asks for JSON. One that could not
// be read counts by its arguments.
func wantsJSON(cmd *cobra.Command, args []string) bool {
	flag := cmd.Flags().Lookup("json")
	if flag == nil {
		return false
	}
	if flag.Changed {
		return flag.Value.String() == "true"
	}
	if dash := slices.Index(args, "--"); dash >= 0 {
		args = args[:dash]
	}
	return slices.Contains(args, "--json")
}
