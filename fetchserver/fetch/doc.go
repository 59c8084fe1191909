// SPDX-License-Identifier: Apache-2.0

// Package fetch is an HTTP client for URLs that a stranger chose.
//
// A program that fetches what a language model, a web form or a web hook asks
// for stands inside a network and can be talked into reaching its neighbours:
// a metadata service, a database console, a router. [Client] refuses that
// where it cannot be tricked: the address is judged when a connection is about
// to be opened, on the concrete IP address, for the first request and for
// every redirect. It therefore does not matter how a host was written, what a
// name resolved to a moment ago, or where a redirect points.
//
// What else is bounded or refused:
//
//   - URLs: http and https only, no userinfo, no IPv6 zones, ports 80 and 443
//     unless configured, at most 8192 bytes. Hosts are read as the WHATWG URL
//     standard says, so that 0x7f.1 is 127.0.0.1; where readers differ about
//     the host, the URL is refused.
//   - Hosts: lists of allowed and refused domains ([Domain]) and address prefixes.
//   - Redirects: at most 5, each judged again, never from https to http; the
//     caller's header fields and the body of its request go to the first origin
//     only, where a redirect with 307 or 308 repeats the body.
//   - Bodies: gzip, br and zstd are decoded here, with a cap on the decoded
//     and on the compressed bytes while they stream.
//   - Time and header size: one deadline for the whole exchange, and one for
//     the first byte of an answer.
//   - Proxies: variables of the environment are ignored, because a proxy opens
//     the connection in our place; see [Options.Proxy] and [ProxyTarget].
//   - Cookies are never kept.
//
// Threat model: the URL, the origin server, its DNS records and its bytes are
// hostile; the machine's resolver, routing table and certificate store are not.
//
// The address rules follow the IANA IPv4 and IPv6 Special-Purpose Address
// Registries (RFC 6890) and RFC 4291; HTTP follows RFC 9110, RFC 8878 (zstd)
// and RFC 7932 (br); character encodings follow the WHATWG Encoding standard.
package fetch
