// SPDX-License-Identifier: Apache-2.0

package session

import (
	"strings"
	"testing"

	"github.com/atrawog/mcp-oauth-gateway/shproxy/jsonrpc"
)

var noEdit jsonrpc.Edit

// The answers to a batch come on one stream, as they come, with what else
// belongs to its calls; it ends with the last of them.
func TestBatch(t *testing.T) {
	t.Parallel()
	m, stage := newStage(t, nil)
	s, child := initialized(t, m, stage)
	r := batchOf(t, s, request("1", "a"), strings.Replace(tokenFrame, `"id":1`, `"id":"1"`, 1), request("1", "c"), request("2", "d"))
	defer r.leave()
	child.Expect(request("2", "a"))
	child.Expect(strings.Replace(tokenFrame, `"id":1`, `"id":3`, 1))
	child.Expect(request("4", "c"))
	child.Expect(request("5", "d"))
	const progress = `{"jsonrpc":"2.0","method":"notifications/progress","params":{"progressToken":"t","progress":1}}`
	child.Says(result("4", "third"))
	child.Says(progress)
	child.Says(result("2", "first"))
	r.want(result("1", "third"), progress, result("1", "first"))
	post(t, s, `{"jsonrpc":"2.0","method":"notifications/cancelled","params":{"requestId":2}}`)
	child.Expect(`{"jsonrpc":"2.0","method":"notifications/cancelled","params":{"requestId":5}}`)
	child.Says(asks("9"))
	r.want(asks("9"))
	child.Says(`{"jsonrpc":"2.0","id":3,"error":{"code":-1,"message":"no"}}`)
	r.want(`{"jsonrpc":"2.0","id":"1","error":{"code":-1,"message":"no"}}`, "(<nil>)")
	if n := m.Stats().Calls; n != 0 {
		t.Errorf("%d calls in flight", n)
	}
}

// A client that leaves a batch leaves all its calls.
func TestBatchIsLeft(t *testing.T) {
	t.Parallel()
	m, stage := newStage(t, func(c *Config) { c.ReplayBytes = 0 })
	s, child := initialized(t, m, stage)
	r := batchOf(t, s, request("1", "a"), request("2", "b"))
	child.Expect(request("2", "a"))
	child.Expect(request("3", "b"))
	child.Says(result("2", "x"))
	r.want(result("1", "x"))
	r.leave()
	if n := m.Stats().Calls; n != 0 {
		t.Errorf("%d calls in flight", n)
	}
	post(t, s, `{"jsonrpc":"2.0","method":"notifications/cancelled","params":{"requestId":2}}`)
	child.Expect(`{"jsonrpc":"2.0","method":"notifications/cancelled","params":{"requestId":3}}`)
	child.Says(result("3", "x"))
	eventually(t, "the late answer is dropped", func() bool { return dropped(s) == 1 })
}

// What of a batch cannot be sent is answered on its stream.
func TestBatchThatDoesNotFit(t *testing.T) {
	t.Parallel()
	m, stage := newStage(t, func(c *Config) { c.Child.MaxQueue = 1000 })
	s, child := initialized(t, m, stage)
	child.Exit(1)
	eventually(t, "the crash is seen", func() bool { return m.Stats().Crashed == 1 })
	long := strings.Replace(tokenFrame, `"t"`, `"`+strings.Repeat("t", 900)+`"`, 1)
	r := batchOf(t, s, request("1", "a"), long, request("3", "c"))
	defer r.leave()
	r.want(`{"jsonrpc":"2.0","id":1,"error":{"code":-32603,"message":"the server does not read its input"}}`)
	child = revived(t, stage)
	child.Expect(request("2", "a"))
	child.Expect(request("3", "c"))
	child.Says(result("3", "x"))
	child.Says(result("2", "x"))
	r.want(result("3", "x"), result("1", "x"), "(<nil>)")
}

// An ended session takes no batch, and one that ends answers what it took.
func TestBatchAndTheEnd(t *testing.T) {
	t.Parallel()
	m, stage := newStage(t, nil)
	s, child := initialized(t, m, stage)
	r := batchOf(t, s, request("1", "a"), request("2", "b"))
	defer r.leave()
	child.Expect(request("2", "a"))
	s.End(ErrDeleted)
	got := map[string]bool{r.next(): true, r.next(): true}
	for _, id := range []string{"1", "2"} {
		if !got[`{"jsonrpc":"2.0","id":`+id+`,"error":{"code":-32603,"message":"the client ended the session"}}`] {
			t.Errorf("got %v", got)
		}
	}
	r.want("(<nil>)")
	raw, messages := batchFrames(t, request("1", "a"))
	if _, err := s.Batch(raw, messages); err != ErrDeleted {
		t.Errorf("err = %v", err)
	}
}
