// SPDX-License-Identifier: Apache-2.0

package era

import (
	"regexp"
	"slices"
	"strconv"

	"github.com/atrawog/mcp-oauth-gateway/shproxy/jsonrpc"
)

// question is a request of the server that waits for an answer.
type question struct {
	id     []byte // the server's, raw; nil if it is to get no answer
	method string
	params []byte // raw, or nil
	name   string // in inputRequests
}

func (k *talk) add(q question) {
	if q.name == "" {
		q.name = k.name(q)
	}
	k.open = append(k.open, q)
}

// name is the key of a question in inputRequests: what the server calls it, if
// that is a word.
func (k *talk) name(q question) string {
	name := jsonrpc.Text(q.id)
	for !isWord(name) || slices.ContainsFunc(k.open, func(o question) bool { return o.name == name }) {
		k.named++
		name = kinds[q.method] + "-" + strconv.Itoa(k.named)
	}
	return name
}

// isWord bounds the length apart from the expression, which would be large and
// slow to compile otherwise, in each program that starts.
func isWord(name string) bool { return len(name) <= 64 && word.MatchString(name) }

var (
	word  = regexp.MustCompile(`^[A-Za-z][A-Za-z0-9_.-]*$`)
	kinds = map[string]string{methodElicit: "elicitation", methodSampling: "sampling", methodRoots: "roots"}
)

// refuse answers all that is open with an error.
func (k *talk) refuse(reason string, out *Output) {
	for _, q := range k.open {
		if q.id != nil {
			out.server(refusal(q.id, jsonrpc.InternalError, reason))
		}
	}
	k.open = nil
}

// withdraw is questions without the one with the server's id, if it is there.
func withdraw(open []question, key string) (rest []question, found bool) {
	i := slices.IndexFunc(open, func(q question) bool { return q.id != nil && jsonrpc.Key(q.id) == key })
	if i < 0 {
		return open, false
	}
	return slices.Delete(slices.Clone(open), i, i+1), true
}

// weight is how many bytes are kept with questions.
func weight(open []question) (n int) {
	for _, q := range open {
		n += q.weight()
	}
	return n
}

func (q question) weight() int { return len(q.id) + len(q.params) }

// passes reports whether a question can be put to the client, in whose answer
// it nests deeper.
func (q question) passes() bool {
	k := talk{open: []question{q}}
	_, err := jsonrpc.Scan(result([]byte("0"), string(k.appendRequests([]byte(`{"inputRequests":`)))+"}"))
	return err == nil
}

// appendRequests writes the questions as InputRequests.
func (k *talk) appendRequests(dst []byte) []byte {
	for i, q := range k.open {
		dst = append(dst, ",{"[btoi(i == 0)])
		dst = jsonrpc.AppendString(dst, q.name)
		dst = append(dst, `:{"method":"`+q.method+`"`...)
		if q.params != nil || q.method != methodRoots {
			dst = append(dst, `,"params":`...)
			dst = without(dst, q.params, whole(q.params), legacyParam)
		}
		dst = append(dst, '}')
	}
	return append(dst, '}')
}

// legacyParam names the params of a server's request that the modern era does
// not have.
func legacyParam(name string) bool {
	return name == "elicitationId" || name == "task" || name == "_meta"
}

// answer tells the server, if it waits for that.
func (q question) answer(frame []byte, value jsonrpc.Span, out *Output) {
	if q.id != nil {
		text := without(nil, frame, value, func(name string) bool { return name == memberResultType })
		out.server(result(q.id, string(text)))
	}
}

// answeredBy reports whether a value has the shape of an answer.
func (q question) answeredBy(frame []byte, value jsonrpc.Span) bool {
	switch q.method {
	case methodElicit:
		switch textAt(frame, value, "action") {
		case "accept":
			return q.filledIn(frame, lookup(frame, value, "content"))
		case "decline", "cancel":
			return true
		}
		return false
	case methodSampling:
		return textAt(frame, value, "role") != "" && lookup(frame, value, "content").Present()
	default:
		roots := lookup(frame, value, "roots")
		return roots.Present() && frame[roots.Start] == '['
	}
}
