// SPDX-License-Identifier: Apache-2.0

package faultyserver

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"slices"
)

// Keys of _meta.
const (
	metaVersion      = "io.modelcontextprotocol/protocolVersion"
	metaCapabilities = "io.modelcontextprotocol/clientCapabilities"
	metaLogLevel     = "io.modelcontextprotocol/logLevel"
	metaServerInfo   = "io.modelcontextprotocol/serverInfo"
	metaSubscription = "io.modelcontextprotocol/subscriptionId"
)

// checkMeta judges what each request of 2026-07-28 must carry.
func (s *Server) checkMeta(q request) *failure {
	meta := object(q.params, "_meta")
	if s.on("meta-unchecked") {
		return nil
	}
	missing := &failure{code: invalidParams, message: "_meta lacks " + metaVersion + " or " + metaCapabilities, status: 400}
	switch {
	case s.on("meta-error-code"):
		missing.code = invalidRequest
	case s.on("meta-error-status"):
		missing.status = 200
	}
	version := text(meta, metaVersion)
	if version == "" {
		return missing
	}
	if f := s.checkVersion(version); f != nil {
		return f
	}
	if object(meta, metaCapabilities) == nil && !s.on("meta-capabilities-unchecked") {
		return missing
	}
	if level, ok := meta[metaLogLevel]; ok && !s.on("log-level-unchecked") {
		if name, _ := level.(string); !slices.Contains(levels, name) {
			return &failure{code: invalidParams, message: "no such log level", status: 400}
		}
	}
	return nil
}

// checkVersion judges the version of a modern request.
func (s *Server) checkVersion(version string) *failure {
	if s.speaks(version) && modern(version) || s.on("version-unchecked") {
		return nil
	}
	f := &failure{code: unsupportedVersion, message: "Unsupported protocol version",
		data: obj{"supported": s.versions, "requested": version}, status: 400}
	switch {
	case s.on("version-error-code"):
		f.code = invalidParams
	case s.on("version-error-status"):
		f.status = 200
	case s.on("version-error-without-supported"):
		f.data = obj{"requested": version}
	}
	return f
}

func discover(x *exchange) (obj, *failure) {
	r := obj{"supportedVersions": x.s.versions, "capabilities": x.s.capabilities(x.version), "instructions": "Hello."}
	switch {
	case x.s.on("discover-without-versions"):
		delete(r, "supportedVersions")
	case x.s.on("discover-without-capabilities"):
		delete(r, "capabilities")
	case x.s.on("discover-lies"):
		r["supportedVersions"] = []string{v1125}
	}
	return r, nil
}

// hints are the results that may be cached.
var hints = []string{"server/discover", "tools/list", "prompts/list", "resources/list", "resources/templates/list", "resources/read"}

// finish adds to a result what 2026-07-28 wants on each.
func (s *Server) finish(x *exchange, r obj) {
	if !has(r, "resultType") {
		r["resultType"] = "complete"
	}
	meta := object(r, "_meta")
	if meta == nil {
		meta = obj{}
		r["_meta"] = meta
	}
	meta[metaServerInfo] = s.info()
	if slices.Contains(hints, x.method) && r["resultType"] == "complete" {
		r["ttlMs"], r["cacheScope"] = json.Number("60000"), "public"
	}
	switch {
	case s.on("result-type-missing"):
		delete(r, "resultType")
	case s.on("result-type-odd"):
		r["resultType"] = "done"
	case s.on("server-info-missing"):
		delete(r, "_meta")
	case s.on("meta-key-invalid"):
		meta["-bad-/key"] = 1
	case s.on("input-required-on-list") && x.method == "tools/list":
		clear(r)
		r["resultType"], r["requestState"] = "input_required", s.seal()
	}
	if !has(r, "ttlMs") {
		return
	}
	switch {
	case s.on("ttl-missing"):
		delete(r, "ttlMs")
	case s.on("ttl-negative"):
		r["ttlMs"] = json.Number("-1")
	case s.on("cache-scope-missing"):
		delete(r, "cacheScope")
	case s.on("cache-scope-odd"):
		r["cacheScope"] = "shared"
	case s.on("cache-scope-varies") && has(x.params, "cursor"):
		r["cacheScope"] = "private"
	}
}

// seal makes the state of a call that waits for its input; it holds nothing but the mark that it is ours.
func (s *Server) seal() string {
	m := hmac.New(sha256.New, s.secret)
	m.Write([]byte("ask"))
	return hex.EncodeToString(m.Sum(nil))
}

// ask is a tool that needs the user.
func ask(x *exchange) (obj, *failure) {
	caps := object(object(x.params, "_meta"), metaCapabilities)
	if elicitation := object(caps, "elicitation"); elicitation == nil && !x.s.on("input-undeclared") {
		f := &failure{code: missingCapability, message: "this tool needs elicitation",
			data: obj{"requiredCapabilities": obj{"elicitation": obj{}}}, status: 400}
		switch {
		case x.s.on("capability-error-code"):
			f.code = invalidParams
		case x.s.on("capability-error-status"):
			f.status = 200
		case x.s.on("capability-error-without-data"):
			f.data = nil
		}
		return nil, f
	}
	if has(x.params, "requestState") && text(x.params, "requestState") != x.s.seal() && !x.s.on("request-state-unchecked") {
		return nil, &failure{code: invalidParams, message: "requestState is not ours", status: 400}
	}
	answer := object(object(x.params, "inputResponses"), "name")
	if has(x.params, "requestState") && text(answer, "action") == "accept" {
		return says("Hello, " + text(object(answer, "content"), "name") + "."), nil
	}
	question := obj{"method": "elicitation/create", "params": obj{"mode": "form", "message": "Your name?",
		"requestedSchema": schema([]string{"name"}, obj{"name": obj{"type": "string"}})}}
	r := obj{"resultType": "input_required", "requestState": x.s.seal(), "inputRequests": obj{"name": question}}
	switch {
	case x.s.on("input-required-empty"):
		delete(r, "requestState")
		delete(r, "inputRequests")
	case x.s.on("input-required-odd-method"):
		question["method"] = "tools/call"
	case x.s.on("request-state-not-string"):
		r["requestState"] = obj{"step": 1}
	}
	return r, nil
}

// listen gives the messages with which a subscription begins. The clock changes as soon as somebody watches it.
func (s *Server) listen(q request) ([]obj, *failure) {
	filter := object(q.params, "notifications")
	if filter == nil {
		return nil, &failure{code: invalidParams, message: "notifications is missing", status: 400}
	}
	granted, updates := obj{}, []obj{}
	if uris, _ := filter["resourceSubscriptions"].([]any); len(uris) > 0 {
		known := []any{}
		for _, uri := range uris {
			if name, _ := uri.(string); s.read(name) != nil {
				known = append(known, uri)
				if name == "test://clock" {
					updates = append(updates, notification("notifications/resources/updated", obj{"uri": uri}))
				}
			}
		}
		granted["resourceSubscriptions"] = known
	}
	ack := notification("notifications/subscriptions/acknowledged", obj{"notifications": granted})
	messages := append([]obj{ack}, updates...)
	switch {
	case s.on("listen-without-ack"):
		messages = messages[1:]
	case s.on("listen-ack-late"):
		messages = append(messages[1:], ack)
	case s.on("listen-unrequested"):
		messages = append(messages, notification("notifications/tools/list_changed", obj{}))
	case s.on("listen-ack-without-filter"):
		delete(ack["params"].(obj), "notifications")
	case s.on("listen-ack-grants-more"):
		granted["promptsListChanged"] = true
	case s.on("listen-logs"):
		messages = append(messages, notification("notifications/message", obj{"level": "info", "data": "listening"}))
	}
	for _, m := range messages {
		id := any(q.id)
		switch {
		case s.on("subscription-id-missing"):
			continue
		case s.on("subscription-id-wrong"):
			id = "another"
		}
		m["params"].(obj)["_meta"] = obj{metaSubscription: id}
	}
	return messages, nil
}
