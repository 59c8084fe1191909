// SPDX-License-Identifier: Apache-2.0

package main

import (
	"bufio"
	"bytes"
	"io"
	"strings"
	"testing"
)

func TestReplyRead(t *testing.T) {
	tests := []struct {
		name    string
		wire    string
		status  int
		media   string
		session string
		closing bool
		body    string
	}{
		{"length", "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: 2\r\n\r\n{}", 200, typeJSON, "", false, "{}"},
		{"case of names and values", "HTTP/1.1 200 OK\r\ncontent-LENGTH:2\r\nCONTENT-TYPE:\tApplication/JSON; charset=utf-8\r\n\r\n{}", 200, typeJSON, "", false, "{}"},
		{"other type", "HTTP/1.1 404 Not Found\r\nContent-Type: Text/Plain\r\nContent-Length: 0\r\n\r\n", 404, "text/plain", "", false, ""},
		{"no reason phrase", "HTTP/1.1 200\r\nContent-Length: 0\r\n\r\n", 200, "", "", false, ""},
		{"session", "HTTP/1.1 200 OK\r\nmcp-session-id: a-b\r\nContent-Length: 0\r\n\r\n", 200, "", "a-b", false, ""},
		{"chunks", "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\nA;x=y\r\n0123456789\r\n0\r\n\r\n", 200, "", "", false, "abc0123456789"},
		{"trailer", "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n1\r\na\r\n0\r\nDate: x\r\n\r\n", 200, "", "", false, "a"},
		{"chunks win over length", "HTTP/1.1 200 OK\r\nContent-Length: 9\r\nTransfer-Encoding: chunked\r\n\r\n1\r\na\r\n0\r\n\r\n", 200, "", "", false, "a"},
		{"interim first", "HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 202 Accepted\r\nContent-Length: 0\r\n\r\n", 202, "", "", false, ""},
		{"no content", "HTTP/1.1 204 No Content\r\n\r\n", 204, "", "", false, ""},
		{"closing", "HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: 1\r\n\r\na", 200, "", "", true, "a"},
		{"until the end", "HTTP/1.1 200 OK\r\n\r\nabc", 200, "", "", true, "abc"},
		{"HTTP/1.0", "HTTP/1.0 200 OK\r\nContent-Length: 1\r\n\r\na", 200, "", "", true, "a"},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			follows := "HTTP/1.1 200 OK\r\n"
			if test.name == "until the end" {
				follows = ""
			}
			in := bufio.NewReader(strings.NewReader(test.wire + follows))
			rep := reply{body: []byte("left over from the reply before"), user: []byte("somebody")}
			if err := rep.read(in); err != nil {
				t.Fatal(err)
			}
			if rep.status != test.status || rep.contentType != test.media || rep.sessionID != test.session || rep.closing != test.closing {
				t.Errorf("got %d %q %q %v", rep.status, rep.contentType, rep.sessionID, rep.closing)
			}
			if string(rep.body) != test.body {
				t.Errorf("body %q, want %q", rep.body, test.body)
			}
			if rest, _ := io.ReadAll(in); string(rest) != follows {
				t.Errorf("left %q for the next reply, want %q", rest, follows)
			}
		})
	}
}

func TestReplyReadRefuses(t *testing.T) {
	tests := []struct{ name, wire, want string }{
		{"nothing", "", "EOF"},
		{"cut head", "HTTP/1.1 200 OK\r\nContent-", "unexpected EOF"},
		{"no HTTP", "SSH-2.0-OpenSSH\r\n\r\n", "not an HTTP/1.1 status line"},
		{"no status", "HTTP/1.1 OK\r\n\r\n", "not an HTTP/1.1 status line"},
		{"no colon", "HTTP/1.1 200 OK\r\nContent-Length 3\r\n\r\n", "not a header line"},
		{"negative length", "HTTP/1.1 200 OK\r\nContent-Length: -1\r\n\r\n", "Content-Length"},
		{"huge length", "HTTP/1.1 200 OK\r\nContent-Length: 16777217\r\n\r\n", "want at most 16777216"},
		{"cut body", "HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\nab", "unexpected EOF"},
		{"other coding", "HTTP/1.1 200 OK\r\nTransfer-Encoding: gzip\r\n\r\n", "unknown Transfer-Encoding"},
		{"bad chunk size", "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nxyz\r\n", "not a chunk size"},
		{"huge chunk", "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nfffffff\r\n", "longer than"},
		{"chunk overrun", "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n1\r\nabc\r\n0\r\n\r\n", "does not end where it says"},
		{"endless header", "HTTP/1.1 200 OK\r\n" + strings.Repeat("A: b\r\n", maxHeaderLines+1), "header lines"},
		{"endless line", "HTTP/1.1 200 OK\r\nA: " + strings.Repeat("a", 1<<20), "buffer full"},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			err := new(reply).read(bufio.NewReader(strings.NewReader(test.wire)))
			if err == nil || !strings.Contains(err.Error(), test.want) {
				t.Errorf("got error %v, want one with %q", err, test.want)
			}
		})
	}
}

func TestReplyMessage(t *testing.T) {
	const answer7 = `{"jsonrpc":"2.0","id":7,"result":{}}`
	tests := []struct {
		name  string
		reply reply
		want  string
		err   string
	}{
		{"JSON", reply{status: 200, contentType: typeJSON, body: []byte(answer7)}, answer7, ""},
		{"event", reply{status: 200, contentType: typeEvents, body: []byte("event: message\nid: 1\ndata: " + answer7 + "\n\n")}, answer7, ""},
		{"no space", reply{status: 200, contentType: typeEvents, body: []byte("data:" + answer7 + "\n\n")}, answer7, ""},
		{"CR LF", reply{status: 200, contentType: typeEvents, body: []byte(": ping\r\n\r\ndata: " + answer7 + "\r\n\r\n")}, answer7, ""},
		{"CR", reply{status: 200, contentType: typeEvents, body: []byte("data: " + answer7 + "\r\r")}, answer7, ""},
		{"two data lines", reply{status: 200, contentType: typeEvents, body: []byte("data: {\"id\":7,\ndata: \"result\":{}}\n\n")}, "{\"id\":7,\n\"result\":{}}", ""},
		{
			"after a priming event, a notification and another answer",
			reply{status: 200, contentType: typeEvents, body: []byte("id: 1\nretry: 3\ndata:\n\n" +
				"data: {\"jsonrpc\":\"2.0\",\"method\":\"notifications/progress\",\"params\":{\"id\":7}}\n\n" +
				"data: {\"jsonrpc\":\"2.0\",\"id\":70,\"result\":{}}\n\ndata: " + answer7 + "\n\n")},
			answer7, "",
		},
		{"event that does not end", reply{status: 200, contentType: typeEvents, body: []byte("data: " + answer7 + "\n")}, "", "no event of the stream answers id 7"},
		{"no event", reply{status: 200, contentType: typeEvents}, "", "no event of the stream answers id 7"},
		{"status", reply{status: 404, contentType: typeJSON, body: []byte("gone\n")}, "", "HTTP status 404: gone"},
		{"type", reply{status: 200, contentType: "text/html"}, "", `unexpected Content-Type "text/html"`},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			got, err := test.reply.message(7)
			switch {
			case test.err == "" && err != nil:
				t.Error(err)
			case test.err != "" && (err == nil || err.Error() != test.err):
				t.Errorf("got error %v, want %q", err, test.err)
			case string(got) != test.want:
				t.Errorf("got %q, want %q", got, test.want)
			}
		})
	}
}

func FuzzReply(f *testing.F) {
	f.Add([]byte("HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: 8\r\n\r\n{\"id\":7}"))
	f.Add([]byte("HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nTransfer-Encoding: chunked\r\n\r\n10\r\ndata: {\"id\":7}\n\n\r\n0\r\n\r\n"))
	f.Add([]byte("HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\n\r\ndata:\r\rdata: {\"id\" : 7\n\n"))
	f.Fuzz(func(t *testing.T, wire []byte) {
		var rep reply
		in := bufio.NewReader(bytes.NewReader(wire))
		for rep.read(in) == nil {
			if len(rep.body) > len(wire) {
				t.Fatalf("a body of %d bytes came out of %d", len(rep.body), len(wire))
			}
			frame, err := rep.message(7)
			if err == nil && rep.contentType == typeEvents && string(member(frame, "id")) != "7" {
				t.Fatalf("%q does not answer id 7", frame)
			}
		}
	})
}
