// SPDX-License-Identifier: Apache-2.0

package testserver

import (
	"bufio"

	"github.com/atrawog/mcp-oauth-gateway/shproxy/jsonrpc"
)

// fast answers what clients ask first properly, in either era, and every other
// request with its own params, doing as little as it can.
func (s *server) fast() int {
	out := bufio.NewWriterSize(s.out, 64<<10)
	for {
		line, err := s.in.ReadBytes('\n')
		if err != nil {
			return 0
		}
		m, err := jsonrpc.Scan(line)
		if err != nil || m.Kind != jsonrpc.Request {
			continue
		}
		_, _ = out.WriteString(`{"jsonrpc":"2.0","id":`)
		_, _ = out.Write(m.ID.Of(line))
		_, _ = out.WriteString(`,"result":`)
		switch {
		case jsonrpc.Is(line, m.Method, "initialize"):
			_, _ = out.WriteString(`{"protocolVersion":"2025-11-25","capabilities":{},"serverInfo":{"name":"fast","version":"1"}}`)
		case jsonrpc.Is(line, m.Method, "server/discover"):
			_, _ = out.WriteString(`{"resultType":"complete","supportedVersions":["2026-07-28"],"capabilities":{}}`)
		case jsonrpc.Is(line, m.Method, "tools/list"):
			_, _ = out.WriteString(`{"resultType":"complete","tools":[]}`)
		default:
			_, _ = out.Write(m.Params.Of(line))
		}
		_, _ = out.WriteString("}\n")
		if s.in.Buffered() == 0 {
			if out.Flush() != nil {
				return 1
			}
		}
	}
}
