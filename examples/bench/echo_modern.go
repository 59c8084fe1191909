// SPDX-License-Identifier: Apache-2.0

package main

// answerModern is answer for a server that speaks MCP 2026-07-28 alone.
func answerModern(dst, frame []byte) []byte {
	id, method := member(frame, "id"), member(frame, "method")
	if id == nil || method == nil {
		return dst
	}
	dst = append(dst, `{"jsonrpc":"2.0","id":`...)
	dst = append(dst, id...)
	switch string(method) {
	case `"tools/call"`:
		return append(appendEcho(append(dst, `,"result":{"resultType":"complete",`...), frame), `}}`...)
	case `"tools/list"`:
		return append(dst, `,"result":{"resultType":"complete",`+echoTools+`,"ttlMs":0,"cacheScope":"private"}}`...)
	case `"server/discover"`:
		return append(dst, `,"result":{"resultType":"complete","supportedVersions":["`+modernVersion+`"],"capabilities":{"tools":{}},`+
			`"ttlMs":0,"cacheScope":"private","_meta":{"io.modelcontextprotocol/serverInfo":{"name":"echo","version":"1.0.0"}}}}`...)
	case `"initialize"`:
		dst = append(dst, `,"error":{"code":-32022,"message":"unsupported protocol version","data":{"supported":["`+modernVersion+`"],"requested":`...)
		return append(append(dst, member(frame, "protocolVersion")...), `}}}`...)
	}
	return append(dst, notFound...)
}
