// SPDX-License-Identifier: Apache-2.0

package main

import (
	"fmt"
	"net/http"
	"strings"
)

// A refused request is one that the proxy must refuse, whoever sends it.
type refused struct {
	name, method string
	header       []string
	body         string
	want         int
}

const (
	anyCall = `{"jsonrpc":"2.0","id":1,"method":"tools/list"}`
	unknown = "Mcp-Session-Id"
)

var refusals = []refused{
	{"no JSON", http.MethodPost, nil, `{"jsonrpc":`, http.StatusBadRequest},
	{"duplicate member", http.MethodPost, nil, `{"jsonrpc":"2.0","id":1,"id":2,"method":"ping"}`, http.StatusBadRequest},
	{"no session", http.MethodPost, nil, anyCall, http.StatusBadRequest},
	{"unknown session", http.MethodPost, []string{unknown, "nobody"}, anyCall, http.StatusNotFound},
	{"other type", http.MethodPost, []string{"Content-Type", "text/plain"}, anyCall, http.StatusUnsupportedMediaType},
	{"other reply", http.MethodPost, []string{"Accept", "text/html"}, anyCall, http.StatusNotAcceptable},
	{"other origin", http.MethodPost, []string{"Origin", "http://evil.example"}, anyCall, http.StatusForbidden},
	{"stream of no session", http.MethodGet, []string{unknown, "nobody"}, "", http.StatusNotFound},
	{"end of no session", http.MethodDelete, []string{unknown, "nobody"}, "", http.StatusNotFound},
	{"other method", http.MethodPut, nil, anyCall, http.StatusMethodNotAllowed},
}

// intrude sends what must be refused, and checks that it is, in JSON-RPC.
func (c *client) intrude() {
	for _, r := range refusals {
		resp, err := c.request(c.ctx, r.method, strings.NewReader(r.body), r.header...)
		if err != nil {
			if !c.excused() {
				c.wrong(0, fmt.Sprintf("status %d for: %s", r.want, r.name), err.Error())
			}
			return
		}
		problem := refusal(resp)
		resp.Body.Close()
		if ok := strings.HasPrefix(problem.Error(), "error "); resp.StatusCode != r.want || !ok {
			c.wrong(0, fmt.Sprintf("status %d with a JSON-RPC error for: %s", r.want, r.name), fmt.Sprintf("%d, %v", resp.StatusCode, problem))
		}
	}
}
