// SPDX-License-Identifier: Apache-2.0

package shproxy_test

import (
	"context"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"strings"

	"github.com/atrawog/mcp-oauth-gateway/shproxy"
	"github.com/atrawog/mcp-oauth-gateway/shproxy/internal/testserver"
)

// A tracer is told of each call, and puts its own context into the message; the
// package tracing of oauthdyn makes OpenTelemetry of that.
func ExampleTracedCall() {
	exe, err := os.Executable()
	if err != nil {
		fmt.Println(err)
		return
	}
	proxy, err := shproxy.New(shproxy.Server{Command: exe, Env: append(os.Environ(), testserver.Env+"="+testserver.Good)}, &shproxy.Options{
		Trace: func(_ context.Context, c shproxy.TracedCall) shproxy.CallSpan {
			return shproxy.CallSpan{
				Context: shproxy.TraceContext{TraceParent: "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"},
				End:     func(outcome string, code int) { fmt.Println(c.Method, "ended:", outcome, code) },
			}
		},
	})
	if err != nil {
		fmt.Println(err)
		return
	}
	defer proxy.Shutdown(context.Background())
	r := httptest.NewRequest("POST", "http://localhost/mcp", strings.NewReader(
		`{"jsonrpc":"2.0","id":1,"method":"initialize","params":{"protocolVersion":"2025-11-25","capabilities":{},"clientInfo":{"name":"x","version":"1"}}}`))
	r.Header = http.Header{"Content-Type": {"application/json"}, "Accept": {"application/json, text/event-stream"}}
	proxy.ServeHTTP(httptest.NewRecorder(), r)
	// Output: initialize ended: ok 0
}
