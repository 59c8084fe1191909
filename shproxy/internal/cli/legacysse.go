// SPDX-License-Identifier: Apache-2.0

package cli

import (
	"net/http"
	"path"
	"strings"
)

// legacyPaths says whether the HTTP+SSE transport of 2024-11-05 is offered
// beside each endpoint, and where.
type legacyPaths struct {
	on              bool
	events, message string // names, or paths for the endpoint that is not below a name
}

// placed is a handler and its path.
type placed struct {
	path    string
	handler http.Handler
}

// handlers are those of the event stream and of the messages.
func (l legacyPaths) handlers(endpoint string, i *instance) (events, message placed, ok bool) {
	if !l.on || i.proxy == nil {
		return events, message, false
	}
	events.path, message.path = l.paths(endpoint)
	events.handler, message.handler = i.proxy.LegacySSE(message.path)
	return events, message, true
}

// paths are /sse and /messages beside the endpoint, unless other bridges'
// flags have named others for the first one.
func (l legacyPaths) paths(endpoint string) (events, message string) {
	events, message = "/sse", "/messages"
	if dir := path.Dir(endpoint); dir != "/" {
		return strings.TrimSuffix(dir, "/") + events, strings.TrimSuffix(dir, "/") + message
	}
	if l.events != "" {
		events = l.events
	}
	if l.message != "" {
		message = l.message
	}
	return events, message
}
