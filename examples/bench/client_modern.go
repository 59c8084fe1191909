// SPDX-License-Identifier: Apache-2.0

package main

import "context"

// openModernSession begins as a client of MCP 2026-07-28 does, by asking what
// the server is. The session is nothing but what its calls have in common.
func openModernSession(ctx context.Context, address, path string) (session, error) {
	s := &httpSession{address: address, path: path, header: modernHeader("server/discover")}
	c, err := s.dial(ctx)
	if err != nil {
		return nil, err
	}
	defer c.close()
	if err := c.begin("server/discover", discoverFrame, discoverID, "resultType"); err != nil {
		return nil, err
	}
	s.header, s.meta = modernHeader("tools/call")+headerLine("Mcp-Name", "echo"), modernMeta
	return s, nil
}

// modernHeader has what every modern request repeats of its body.
func modernHeader(method string) string {
	return headerLine("MCP-Protocol-Version", modernVersion) + headerLine("Mcp-Method", method)
}
