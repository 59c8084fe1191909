// SPDX-License-Identifier: Apache-2.0

package era

import (
	"time"

	"github.com/atrawog/mcp-oauth-gateway/shproxy/jsonrpc"
)

// Translator is what [ToLegacy] and [ToModern] have in common. Its methods
// append to out what is to be sent, in order. A translator is not safe for
// concurrent use.
type Translator interface {
	// FromClient takes a message of the client.
	FromClient(now time.Time, frame []byte, m jsonrpc.Message, out *Output)
	// FromServer takes a message of the server.
	FromServer(now time.Time, frame []byte, m jsonrpc.Message, out *Output)
	// Ping asks the server for a sign of life, which a message of the client
	// need not do. Any answer goes to the client under the raw id, which must
	// not be in flight.
	Ping(id []byte, out *Output)
	// Tick does what is due.
	Tick(now time.Time, out *Output)
	// Due is when Tick has something to do, or zero.
	Due() time.Time
	// Busy reports whether something waits here that a client may still ask
	// for although no request of its own is in flight.
	Busy() bool
}

// Output is what a translator wants to be sent. Frames may share memory with
// the frame that was passed in, and are valid as long as that is, and until
// Reset.
type Output struct {
	ToServer [][]byte
	ToClient []Message
	// Dropped counts messages that go nowhere though somebody may have wanted
	// them, since it cannot be told who. What nobody has asked for, such as log
	// messages without a log level, does not count.
	Dropped int

	room []byte // for frames
}

// Message is a frame for the client.
type Message struct {
	Frame []byte
	// Scanned is what [jsonrpc.Scan] would say of the frame, if its kind is
	// known.
	Scanned jsonrpc.Message
	// Related is the raw id of the client's request in flight that a request
	// or notification belongs to; nil if it belongs to none, or if that is not
	// known.
	Related []byte
}

// String returns the frame.
func (m Message) String() string { return string(m.Frame) }

// Reset empties the output, whose memory is used again.
func (o *Output) Reset() {
	clear(o.ToServer)
	clear(o.ToClient)
	o.ToServer, o.ToClient, o.Dropped, o.room = o.ToServer[:0], o.ToClient[:0], 0, o.room[:0]
	if cap(o.room) > maxRoom {
		o.room = nil
	}
}

// maxRoom is how much memory for frames is used again.
const maxRoom = 1 << 20

func (o *Output) server(frame []byte) { o.ToServer = append(o.ToServer, frame) }

func (o *Output) client(frame, related []byte) {
	o.ToClient = append(o.ToClient, Message{Frame: frame, Related: related})
}

// answer passes a response of the server on, with edits that [jsonrpc.Message.Moved]
// can follow.
func (o *Output) answer(frame []byte, m jsonrpc.Message, edits []jsonrpc.Edit) {
	o.ToClient = append(o.ToClient, Message{Frame: o.splice(frame, edits), Scanned: m.Moved(edits...)})
}

// splice applies edits in whatever order they are. What comes out is gone with
// Reset.
func (o *Output) splice(frame []byte, edits []jsonrpc.Edit) []byte {
	start := len(o.room)
	o.room = jsonrpc.AppendSplice(o.room, frame, inPlace(edits)...)
	return o.room[start:len(o.room):len(o.room)]
}

// result answers a request of either side; result is raw JSON.
func result(id []byte, result string) []byte {
	frame := append([]byte(nil), `{"jsonrpc":"2.0","id":`...)
	frame = append(frame, id...)
	frame = append(frame, `,"result":`...)
	frame = append(frame, result...)
	return append(frame, '}')
}

// refusal answers a request of either side with an error.
func refusal(id []byte, code int, message string) []byte {
	return jsonrpc.AppendError(nil, id, code, message, nil)
}

// notification is a message without an id; params is raw JSON.
func notification(method, params string) []byte {
	frame := append([]byte(nil), `{"jsonrpc":"2.0","method":`...)
	frame = jsonrpc.AppendString(frame, method)
	if params != "" {
		frame = append(frame, `,"params":`...)
		frame = append(frame, params...)
	}
	return append(frame, '}')
}
