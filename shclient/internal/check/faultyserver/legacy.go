// SPDX-License-Identifier: Apache-2.0

package faultyserver

import (
	"slices"
)

// initialize answers the handshake. The session is nil if it failed.
func (s *Server) initialize(q request) (obj, *session, *failure) {
	legacy := s.legacy()
	if len(legacy) == 0 {
		f := &failure{code: methodNotFound, message: "initialize is not a method of " + v2026 + "; this server speaks " + v2026 + " only",
			data: obj{"supported": s.versions}, status: 400}
		if s.on("initialize-refused-without-versions") {
			f.message, f.data = "no", nil
		}
		return nil, nil, f
	}
	wanted := text(q.params, "protocolVersion")
	caps := object(q.params, "capabilities")
	if wanted == "" || caps == nil || object(q.params, "clientInfo") == nil {
		if !s.on("initialize-unchecked") {
			return nil, nil, invalid("initialize needs protocolVersion, capabilities and clientInfo")
		}
	}
	version := wanted
	if !slices.Contains(legacy, wanted) {
		version = legacy[len(legacy)-1]
		switch {
		case s.on("initialize-unknown-version-refused"):
			return nil, nil, &failure{code: invalidParams, message: "Unsupported protocol version"}
		case s.on("initialize-echoes-version"):
			return s.initializeResult(wanted), s.open(version, caps), nil
		}
	}
	return s.initializeResult(version), s.open(version, caps), nil
}

func (s *Server) initializeResult(version string) obj {
	r := obj{"protocolVersion": version, "capabilities": s.capabilities(version), "serverInfo": s.info(), "instructions": "Hello."}
	for fault, member := range map[string]string{
		"initialize-without-version":      "protocolVersion",
		"initialize-without-capabilities": "capabilities",
		"initialize-without-server-info":  "serverInfo",
	} {
		if s.on(fault) {
			delete(r, member)
		}
	}
	return r
}

// greet is what faults send behind the answer to initialize.
func (s *Server) afterInitialize() []obj {
	if s.on("request-before-initialized") {
		return []obj{{"jsonrpc": "2.0", "id": "early", "method": "roots/list"}}
	}
	return nil
}
