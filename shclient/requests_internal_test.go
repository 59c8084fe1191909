// SPDX-License-Identifier: Apache-2.0

package shclient

import "testing"

// A request that is cancelled before anybody has it is not taken any more, also
// when somebody had it and gave it back.
func TestRequestTable(t *testing.T) {
	mustScan := func(frame string) message {
		m, err := scan([]byte(frame))
		if err != nil {
			t.Fatal(err)
		}
		return m
	}
	cancellation := mustScan(`{"jsonrpc":"2.0","method":"notifications/cancelled","params":{"requestId":1}}`)
	for _, back := range []bool{false, true} {
		table := requestTable{limit: 1}
		q, err := table.add(t.Context(), mustScan(`{"jsonrpc":"2.0","id":1,"method":"x"}`))
		if err != nil {
			t.Fatal(err)
		}
		if back {
			if !table.take(q, nil) {
				t.Error("not taken")
			}
			if _, taken, _ := table.cancel(cancellation); !taken || q.ctx.Err() != nil {
				t.Error("who has the request has to cancel it")
			}
			if table.drop(q.id()) != q {
				t.Error("another was dropped")
			}
		}
		if found, taken, _ := table.cancel(cancellation); found != q || taken || q.ctx.Err() == nil {
			t.Errorf("back: %t: not cancelled", back)
		}
		if table.take(q, nil) {
			t.Errorf("back: %t: taken in spite of its cancellation", back)
		}
		if table.answer(q.id()) != q || table.answer(q.id()) != nil || table.remove(q) {
			t.Error("a request is answered once")
		}
	}
}
