// SPDX-License-Identifier: Apache-2.0

//go:build unix

package conformance_test

import (
	"context"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"sync"

	"github.com/modelcontextprotocol/go-sdk/mcp"
)

// needsStream are the scenarios that the suite only judges right if the session's
// own stream is there before the call, which it need not be on a busy machine: a
// question goes there and is lost without, and any GET after the call is taken
// for the one that resumes the call's stream.
var needsStream = map[string]bool{"elicitation-sep1034-client-defaults": true, "sse-retry": true}

// sessionStream is closed when the session's own stream has reached the suite.
var sessionStream = make(chan struct{})

// watchStream puts a proxy in front of the suite's server, which sees the
// session's stream come.
func watchStream(server string) (watched string, stop func(), err error) {
	target, err := url.Parse(server)
	if err != nil {
		return "", nil, err
	}
	var once sync.Once
	proxy := httptest.NewServer(&httputil.ReverseProxy{
		FlushInterval: -1,
		Rewrite:       func(r *httputil.ProxyRequest) { r.SetURL(&url.URL{Scheme: target.Scheme, Host: target.Host}) },
		ModifyResponse: func(resp *http.Response) error {
			if resp.Request.Method == http.MethodGet {
				once.Do(func() { close(sessionStream) })
			}
			return nil
		},
	})
	stop = func() {
		proxy.CloseClientConnections()
		proxy.Close()
	}
	return proxy.URL + target.Path, stop, nil
}

// callWhenListening calls a tool when the session's stream is there.
func callWhenListening(tool string) script {
	return func(ctx context.Context, s *mcp.ClientSession, _ []*mcp.Tool) error {
		select {
		case <-sessionStream:
			return callTools(ctx, s, []toolCall{{tool, nil}})
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}
