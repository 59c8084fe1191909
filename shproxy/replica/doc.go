// SPDX-License-Identifier: Apache-2.0

// Package replica lets several processes serve one MCP endpoint behind a load
// balancer that knows nothing of sessions. A request that comes to the wrong
// replica is passed on to the one that has its session.
//
//	member, err := replica.New(replica.Options{Directory: directory, Key: key, Listener: internal})
//	...
//	proxy, err := shproxy.New(server, &shproxy.Options{Replicas: member})
//	...
//	handler := member.Wrap(proxy)
//	err = member.Start(ctx, handler)
//
// # Who has what
//
// A [Member] is one process, under a name that was made for it at random. Its
// session ids begin with that name, and the requestState of its calls that wait
// for a client holds it, so that every replica knows the owner from the request
// alone. A [Directory] that all share holds no session, but the replicas (name,
// address, state, how many sessions), and counts for [Member.Enter] and
// [Member.Take] under keyed hashes. Each replica renews its record every second.
// While the directory is away, the last known replicas count, and sessions go on.
//
// # Who trusts whom
//
// All replicas share a secret key. From it comes the key of a certificate
// authority, with which each makes its own certificate for its name, and a key
// that authenticates the records. A request is passed on by TLS, where the
// owner has to prove the name in the session id, and the sender that it is a
// replica. So who can write to the directory, but does not have the key, can
// make replicas unknown, and lift or use up what [Member.Enter] and
// [Member.Take] count, and nothing else. An address comes from an authentic
// record alone, never from a request.
//
// A request is passed on as it came, with its Host and its Authorization, and
// the owner checks all of that again. That it was passed on is known from the
// listener it came by, not from a header, so there is nothing that a client
// could forge. It is not passed on a second time.
//
// # What is lost with a replica
//
// Its sessions: requests for them get 404 from every other replica as soon as
// its address refuses connections, and clients initialize again, as MCP tells
// them. A replica that is asked to end hands newcomers on before it does.
package replica
