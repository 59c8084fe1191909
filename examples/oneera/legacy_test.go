// SPDX-License-Identifier: Apache-2.0

package main

import "testing"

const initialize = `
> {"id":0,"method":"initialize","params":{"protocolVersion":"2025-11-25","capabilities":{"sampling":{}},"clientInfo":{"name":"c","version":"1"}}}
< {"id":0,"result":{"protocolVersion":"2025-11-25","capabilities":{"resources":{"subscribe":true}},"serverInfo":{"name":"oneera"}}}
> {"method":"notifications/initialized"}
`

func TestLegacy(t *testing.T) {
	for name, conversation := range map[string]string{
		"nothing modern": `
			> {"id":1,"method":"server/discover","params":{META}}
			< {"id":1,"error":{"code":-32601}}
			> {"id":2,"method":"server/discover"}
			< {"id":2,"error":{"code":-32601}}
			> {"id":3,"method":"tools/call","params":{META,"name":"test_simple_text"}}
			< {"id":3,"error":{"code":-32601}}` + initialize + `
			> {"id":4,"method":"tools/call","params":{META,"name":"test_simple_text"}}
			< {"id":4,"error":{"code":-32601}}
			> {"id":5,"method":"subscriptions/listen","params":{"notifications":{}}}
			< {"id":5,"error":{"code":-32601}}`,
		"initialize comes first": `
			> {"id":1,"method":"tools/list"}
			< {"id":1,"error":{"code":-32600}}
			> {"id":2,"method":"ping"}
			< {"id":2,"result":{}}` + initialize + `
			> {"id":3,"method":"initialize","params":{"protocolVersion":"2025-11-25"}}
			< {"id":3,"error":{"code":-32600}}`,
		"an older client": `
			> {"id":1,"method":"initialize","params":{"protocolVersion":"2024-11-05","capabilities":{}}}
			< {"id":1,"result":{"protocolVersion":"2024-11-05"}}`,
		"a client of the future": `
			> {"id":1,"method":"initialize","params":{"protocolVersion":"2026-07-28","capabilities":{}}}
			< {"id":1,"result":{"protocolVersion":"2025-11-25"}}`,
		"whoami": initialize + `
			> {"id":1,"method":"tools/call","params":{"name":"whoami"}}
			< {"id":1,"result":{"content":[{"type":"text","text":"{\"capabilities\":{\"sampling\":{}},\"clientInfo\":{\"name\":\"c\",\"version\":\"1\"},\"protocolVersion\":\"2025-11-25\"}"}]}}`,
		"a question in mid-call": initialize + `
			> {"id":1,"method":"tools/call","params":{"name":"test_input_required_result_elicitation"}}
			< {"id":"user_name","method":"elicitation/create","params":{"message":"What is your name?","requestedSchema":{"type":"object","properties":{"name":{"type":"string"}},"required":["name"]}}}
			> {"id":"user_name","result":{"action":"accept","content":{"name":"Alice"}}}
			< {"id":1,"result":{"content":[{"type":"text","text":"Hello, Alice!"}]}}
			> {"id":2,"method":"tools/call","params":{"name":"test_input_required_result_elicitation"}}
			< {"id":"user_name-2","method":"elicitation/create"}
			> {"id":"user_name-2","result":{"action":"decline"}}
			< {"id":2,"result":{"content":[{"type":"text","text":"Hello, !"}]}}`,
		"a question of a prompt": initialize + `
			> {"id":1,"method":"prompts/get","params":{"name":"test_input_required_result_prompt"}}
			< {"id":"user_context","method":"elicitation/create"}
			> {"id":"user_context","result":{"action":"accept","content":{"context":"all"}}}
			< {"id":1,"result":{"messages":[{"role":"user","content":{"type":"text","text":"Context: all"}}]}}`,
		"three questions at once": initialize + `
			> {"id":1,"method":"tools/call","params":{"name":"test_input_required_result_multiple_inputs"}}
			< {"id":"client_roots","method":"roots/list"}
			< {"id":"greeting","method":"sampling/createMessage","params":{"maxTokens":100}}
			< {"id":"user_name","method":"elicitation/create"}
			> {"id":"user_name","result":{"action":"accept","content":{"name":"Alice"}}}
			> {"id":"greeting","result":{"role":"assistant","model":"m","content":{"type":"text","text":"Hi"}}}
			> {"id":"client_roots","result":{"roots":[{"uri":"file:///a"}]}}
			< {"id":1,"result":{"content":[{"type":"text","text":"Hi Alice, 1 roots"}]}}`,
		"one question after the other": initialize + `
			> {"id":1,"method":"tools/call","params":{"name":"test_input_required_result_multi_round"}}
			< {"id":"step1","method":"elicitation/create"}
			> {"id":"step1","result":{"action":"accept","content":{"name":"Alice"}}}
			< {"id":"step2","method":"elicitation/create"}
			> {"id":"step2","result":{"action":"accept","content":{"color":"red"}}}
			< {"id":1,"result":{"content":[{"type":"text","text":"Alice likes red"}]}}`,
		"only what the client can do": initialize + `
			> {"id":1,"method":"tools/call","params":{"name":"test_input_required_result_capabilities"}}
			< {"id":"greeting","method":"sampling/createMessage"}
			> {"id":"greeting","result":{"role":"assistant","model":"m","content":{"type":"text","text":"Hi"}}}
			< {"id":1,"result":{"content":[{"type":"text","text":"asked 1 things"}]}}`,
		"a question that is refused": initialize + `
			> {"id":1,"method":"tools/call","params":{"name":"roots"}}
			< {"id":"client_roots","method":"roots/list"}
			> {"id":"client_roots","error":{"code":-32601,"message":"no roots"}}
			< {"id":1,"result":{"isError":true,"content":[{"type":"text","text":"roots/list was refused: no roots (-32601)"}]}}`,
		"a page": initialize + `
			> {"id":1,"method":"tools/call","params":{"name":"open_page"}}
			< {"id":"page","method":"elicitation/create","params":{"mode":"url","url":"http://127.0.0.1/page","elicitationId":"page"}}
			> {"id":"page","result":{"action":"accept"}}
			< {"id":1,"result":{}}
			> {"id":2,"method":"tools/call","params":{"name":"needs_login"}}
			< {"id":2,"error":{"code":-32042,"data":{"elicitations":[{"mode":"url","elicitationId":"login","message":"Please log in","url":"http://127.0.0.1/login"}]}}}
			> {"id":3,"method":"tools/call","params":{"name":"needs_login"}}
			< {"id":3,"result":{"content":[{"type":"text","text":"logged in"}]}}`,
		"logging": initialize + `
			> {"id":1,"method":"tools/call","params":{"name":"test_logging_tool"}}
			< {"method":"notifications/message","params":{"level":"info","data":"test_logging_tool runs"}}
			< {"id":1,"result":{}}
			> {"id":2,"method":"logging/setLevel","params":{"level":"warning"}}
			< {"id":2,"result":{}}
			> {"id":3,"method":"tools/call","params":{"name":"test_logging_tool"}}
			< {"id":3,"result":{}}
			> {"id":4,"method":"logging/setLevel","params":{"level":"loud"}}
			< {"id":4,"error":{"code":-32602}}`,
		"progress": initialize + `
			> {"id":1,"method":"tools/call","params":{"name":"test_tool_with_progress","_meta":{"progressToken":7}}}
			< {"method":"notifications/progress","params":{"progressToken":7,"progress":0,"total":100}}
			< {"method":"notifications/progress","params":{"progressToken":7,"progress":50,"total":100}}
			< {"method":"notifications/progress","params":{"progressToken":7,"progress":100,"total":100}}
			< {"id":1,"result":{}}`,
		"lists change": initialize + `
			> {"id":1,"method":"tools/call","params":{"name":"test_trigger_tool_change"}}
			< {"method":"notifications/tools/list_changed"}
			< {"id":1,"result":{}}
			> {"id":2,"method":"tools/call","params":{"name":"test_trigger_prompt_change"}}
			< {"method":"notifications/prompts/list_changed"}
			< {"id":2,"result":{}}
			> {"id":3,"method":"tools/call","params":{"name":"add_resource"}}
			< {"method":"notifications/resources/list_changed"}
			< {"id":3,"result":{}}`,
		"a resource changes": initialize + `
			> {"id":1,"method":"tools/call","params":{"name":"touch_resource","arguments":{"uri":"test://watched-resource"}}}
			< {"id":1,"result":{}}
			> {"id":2,"method":"resources/subscribe","params":{"uri":"test://watched-resource"}}
			< {"id":2,"result":{}}
			> {"id":3,"method":"tools/call","params":{"name":"touch_resource","arguments":{"uri":"test://watched-resource"}}}
			< {"method":"notifications/resources/updated","params":{"uri":"test://watched-resource"}}
			< {"id":3,"result":{}}
			> {"id":4,"method":"resources/unsubscribe","params":{"uri":"test://watched-resource"}}
			< {"id":4,"result":{}}
			> {"id":5,"method":"tools/call","params":{"name":"touch_resource","arguments":{"uri":"test://watched-resource"}}}
			< {"id":5,"result":{}}`,
		"an unknown resource": initialize + `
			> {"id":1,"method":"resources/read","params":{"uri":"test://no"}}
			< {"id":1,"error":{"code":-32002,"data":{"uri":"test://no"}}}`,
		"a call is cancelled": initialize + `
			> {"id":1,"method":"tools/call","params":{"name":"slow","arguments":{"milliseconds":60000}}}
			> {"method":"notifications/cancelled","params":{"requestId":1}}
			> {"id":2,"method":"tools/call","params":{"name":"cancelled"}}
			< {"id":2,"result":{"content":[{"type":"text","text":"1"}]}}`,
		"its question is cancelled, too": initialize + `
			> {"id":1,"method":"tools/call","params":{"name":"roots"}}
			< {"id":"client_roots","method":"roots/list"}
			> {"method":"notifications/cancelled","params":{"requestId":1}}
			< {"method":"notifications/cancelled","params":{"requestId":"client_roots"}}
			> {"id":"client_roots","result":{"roots":[]}}`,
		"much": initialize + `
			> {"id":1,"method":"tools/call","params":{"name":"big","arguments":{"bytes":9}}}
			< {"id":1,"result":{"content":[{"type":"text","text":"big big b"}]}}`,
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			converse(t, func(s *server) era { return newLegacy(s, "2025-11-25", false) }, conversation)
		})
	}
}

func TestLegacyOfOldVersion(t *testing.T) {
	converse(t, func(s *server) era { return newLegacy(s, "2024-11-05", false) }, `
		> {"id":1,"method":"initialize","params":{"protocolVersion":"2025-11-25","capabilities":{}}}
		< {"id":1,"result":{"protocolVersion":"2024-11-05"}}`)
}

func TestLegacySilent(t *testing.T) {
	converse(t, func(s *server) era { return newLegacy(s, "2025-11-25", true) }, `
		> {"id":1,"method":"server/discover","params":{META}}
		> {"id":2,"method":"unknown"}`+initialize)
}
