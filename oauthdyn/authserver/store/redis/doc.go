// SPDX-License-Identifier: Apache-2.0

// Package redis is a Store in Redis or Valkey, for servers that run as several
// replicas: they share all state, and no request needs to come to the replica
// that the one before it came to.
//
//	db, err := redis.Open(ctx, "redis://127.0.0.1:6379/0", nil)
//	if err != nil { … }
//	defer db.Close()
//	options.Store = db // in authserver.Options
//
// # Records
//
// All keys of a store have one hash tag, {oauthdyn}: by default, so that they
// are on one node of a cluster and a script can change several of them at once.
// Records are fields of hashes; beside a hash is a sorted set of when its records
// end, and where they are listed one of their ids.
//
// No key expires by itself. So an index never names what is gone, counts are
// exact, only the clocks of the authorization servers count, and policies that
// evict keys with an expiry find nothing of ours. What has ended is no longer
// returned, and Collect removes it; authserver.Server calls it every minute.
//
// # Atomic steps
//
// The rules for codes, grants and clients are Go code in package store, which
// all stores share; they are not written again in Lua. So a method reads the
// records, applies the rule, and commits: one script compares what was read with
// what is there, and either makes all changes or none. If another writer was
// first, the method starts again. Each such defeat is another's success, so that
// some writer always gets on, and the attempts are bounded.
//
// A commit whose reply is lost is not repeated: the method fails, and its effect
// may be there or not. Whoever repeats a rotation within its grace gets the
// successor; a code that is redeemed again counts as replayed, and the person has
// to sign in again.
//
// # Durability
//
// Set appendonly yes. With appendfsync always, what was confirmed survives a
// crash of the machine; with appendfsync everysec, the default, a crash may take
// the last second, or two when the disk is slow. Without appendonly, what came
// after the last snapshot is lost. After a failover to a
// replica, what had not reached it is lost. Lost are then sign-ins, which people
// can repeat, but also revocations: access tokens live on until they expire, and
// a refresh token that was replaced may be alive again.
//
// The memory that Redis may use must not be made room in by force: [Open] refuses
// a server with maxmemory and a policy such as allkeys-lru.
package redis
