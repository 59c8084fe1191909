// SPDX-License-Identifier: Apache-2.0

package jsonrpc

import "bytes"

// The names of the _meta members that MCP 2026-07-28 defines for requests and
// notifications (basic protocol, "General fields").
const (
	MetaProtocolVersion    = "io.modelcontextprotocol/protocolVersion"
	MetaClientInfo         = "io.modelcontextprotocol/clientInfo"
	MetaClientCapabilities = "io.modelcontextprotocol/clientCapabilities"
	MetaLogLevel           = "io.modelcontextprotocol/logLevel"
	MetaSubscriptionID     = "io.modelcontextprotocol/subscriptionId"
)

// level tells the objects whose members are read from every other value.
type level uint8

const (
	opaque level = iota
	top
	params
	meta
)

// field is a member that is read.
type field uint8

const (
	unknown field = iota
	fieldVersion
	fieldID
	fieldMethod
	fieldParams
	fieldResult
	fieldError
	fieldMeta
	fieldName
	fieldURI
	fieldArguments
	fieldTaskID
	fieldLevel
	fieldRequestID
	fieldProgressToken
	fieldProtocolVersion
	fieldClientInfo
	fieldClientCapabilities
	fieldLogLevel
	fieldSubscriptionID
)

type known struct {
	name  []byte
	field field
}

// fields are the members that a bridge reads, by level.
var fields = [...][]known{
	top: {
		{[]byte("jsonrpc"), fieldVersion},
		{[]byte("id"), fieldID},
		{[]byte("method"), fieldMethod},
		{[]byte("params"), fieldParams},
		{[]byte("result"), fieldResult},
		{[]byte("error"), fieldError},
	},
	params: {
		{[]byte("_meta"), fieldMeta},
		{[]byte("name"), fieldName},
		{[]byte("uri"), fieldURI},
		{[]byte("arguments"), fieldArguments},
		{[]byte("taskId"), fieldTaskID},
		{[]byte("level"), fieldLevel},
		{[]byte("requestId"), fieldRequestID},
		{[]byte("progressToken"), fieldProgressToken},
		{[]byte("protocolVersion"), fieldProtocolVersion},
	},
	meta: {
		{[]byte("progressToken"), fieldProgressToken},
		{[]byte(MetaProtocolVersion), fieldProtocolVersion},
		{[]byte(MetaClientInfo), fieldClientInfo},
		{[]byte(MetaClientCapabilities), fieldClientCapabilities},
		{[]byte(MetaLogLevel), fieldLogLevel},
		{[]byte(MetaSubscriptionID), fieldSubscriptionID},
	},
}

// paramsOf are the members of params that decide what a method does and that
// a bridge reads, too. Params of other methods belong to whoever defined them.
var paramsOf = map[string][]field{
	"initialize":                      {fieldProtocolVersion},
	"tools/call":                      {fieldName, fieldArguments},
	"prompts/get":                     {fieldName, fieldArguments},
	"resources/read":                  {fieldURI},
	"resources/subscribe":             {fieldURI},
	"resources/unsubscribe":           {fieldURI},
	"tasks/get":                       {fieldTaskID},
	"tasks/result":                    {fieldTaskID},
	"tasks/update":                    {fieldTaskID},
	"tasks/cancel":                    {fieldTaskID},
	"logging/setLevel":                {fieldLevel},
	"notifications/cancelled":         {fieldRequestID},
	"notifications/progress":          {fieldProgressToken},
	"notifications/resources/updated": {fieldURI},
}

// find finds the field that the name text stands for at level l. exact is
// false if they differ, but only in case: a decoder that folds case, as
// encoding/json does, takes one for the other.
func find(l level, text []byte) (f field, exact bool) {
	for _, k := range fields[l] {
		switch {
		case string(text) == string(k.name):
			return k.field, true
		case mayFold(text, k.name) && bytes.EqualFold(text, k.name):
			return k.field, false
		}
	}
	return unknown, true
}

// mayFold is a cheap necessary condition for [bytes.EqualFold] with one of the
// names in fields. Two letters beyond ASCII fold to ASCII ones, U+017F to s
// and U+212A to k, so a disguised name may be longer; but no name begins with
// one of these.
func mayFold(text, name []byte) bool {
	return len(text) >= len(name) && text[0]|0x20 == name[0]|0x20
}

// disguised returns a member of params that decides what the method does and
// that is there in another case, too.
func (s *scanner) disguised() (name string, ok bool) {
	if s.disguises == 0 || !s.m.Method.Present() {
		return "", false
	}
	for _, f := range paramsOf[Text(s.m.Method.Of(s.b))] {
		if s.disguises&(1<<f) == 0 {
			continue
		}
		for _, k := range fields[params] {
			if k.field == f {
				return string(k.name), true
			}
		}
	}
	return "", false
}

// nameSet holds the decoded member names of one object. The usual few are kept
// as parts of the frame; escaped names and long lists move to a map.
type nameSet struct {
	few [12][]byte
	n   int
	all map[string]struct{}
}

// add reports false if the name was in the set.
func (s *nameSet) add(name []byte, escaped bool) bool {
	if s.all == nil {
		for _, other := range s.few[:s.n] {
			if string(other) == string(name) {
				return false
			}
		}
		if s.n < len(s.few) && !escaped {
			s.few[s.n] = name
			s.n++
			return true
		}
		s.all = make(map[string]struct{}, 2*len(s.few))
		for _, other := range s.few[:s.n] {
			s.all[string(other)] = struct{}{}
		}
	}
	if _, ok := s.all[string(name)]; ok {
		return false
	}
	s.all[string(name)] = struct{}{}
	return true
}
