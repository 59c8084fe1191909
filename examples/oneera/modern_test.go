// SPDX-License-Identifier: Apache-2.0

package main

import "testing"

func TestModern(t *testing.T) {
	for name, conversation := range map[string]string{
		"nothing legacy": `
			> {"id":1,"method":"initialize","params":{"protocolVersion":"2025-11-25","capabilities":{}}}
			< {"id":1,"error":{"code":-32022,"data":{"supported":["2026-07-28"],"requested":"2025-11-25"}}}
			> {"id":2,"method":"tools/list"}
			< {"id":2,"error":{"code":-32602}}
			> {"id":3,"method":"ping","params":{META}}
			< {"id":3,"error":{"code":-32601}}
			> {"id":4,"method":"logging/setLevel","params":{META,"level":"info"}}
			< {"id":4,"error":{"code":-32601}}
			> {"id":5,"method":"resources/subscribe","params":{META,"uri":"test://watched-resource"}}
			< {"id":5,"error":{"code":-32601}}`,
		"what a request has to say": `
			> {"id":1,"method":"tools/list","params":{"_meta":{"io.modelcontextprotocol/protocolVersion":"2026-07-28"}}}
			< {"id":1,"error":{"code":-32602}}
			> {"id":2,"method":"tools/list","params":{"_meta":{"io.modelcontextprotocol/protocolVersion":"2030-01-01","io.modelcontextprotocol/clientCapabilities":{}}}}
			< {"id":2,"error":{"code":-32022,"data":{"supported":["2026-07-28"],"requested":"2030-01-01"}}}`,
		"what a result says": `
			> {"id":1,"method":"server/discover","params":{META}}
			< {"id":1,"result":{"resultType":"complete","supportedVersions":["2026-07-28"],"capabilities":{"logging":{}},"ttlMs":0,"cacheScope":"private","_meta":{"io.modelcontextprotocol/serverInfo":{"name":"oneera"}}}}
			> {"id":2,"method":"resources/templates/list","params":{META}}
			< {"id":2,"result":{"resultType":"complete","ttlMs":0,"cacheScope":"private","_meta":{"io.modelcontextprotocol/serverInfo":{"name":"oneera"}}}}`,
		"a question": `
			> {"id":1,"method":"tools/call","params":{META,"name":"test_sampling","arguments":{"prompt":"p"}}}
			< {"id":1,"result":{"resultType":"input_required","inputRequests":{"completion":{"method":"sampling/createMessage","params":{"messages":[{"role":"user","content":{"type":"text","text":"p"}}],"maxTokens":100}}}}}
			> {"id":2,"method":"tools/call","params":{META,"name":"test_sampling","arguments":{"prompt":"p"},"requestState":"STATE","inputResponses":{"completion":{"role":"assistant","model":"m","content":{"type":"text","text":"t"}}}}}
			< {"id":2,"result":{"resultType":"complete","content":[{"type":"text","text":"LLM response: t"}]}}`,
		"a question of a prompt and of a resource": `
			> {"id":1,"method":"prompts/get","params":{META,"name":"test_input_required_result_prompt"}}
			< {"id":1,"result":{"resultType":"input_required","inputRequests":{"user_context":{"method":"elicitation/create"}}}}
			> {"id":2,"method":"prompts/get","params":{META,"name":"test_input_required_result_prompt","requestState":"STATE","inputResponses":{"user_context":{"action":"accept","content":{"context":"all"}}}}}
			< {"id":2,"result":{"messages":[{"role":"user","content":{"type":"text","text":"Context: all"}}]}}
			> {"id":3,"method":"resources/read","params":{META,"uri":"test://who-asks"}}
			< {"id":3,"result":{"resultType":"input_required","inputRequests":{"password":{"method":"elicitation/create"}}}}
			> {"id":4,"method":"resources/read","params":{META,"uri":"test://who-asks","requestState":"STATE","inputResponses":{"password":{"action":"accept","content":{"password":"x"}}}}}
			< {"id":4,"result":{"resultType":"complete","ttlMs":0,"contents":[{"uri":"test://who-asks","mimeType":"text/plain","text":"The password is x"}]}}`,
		"one question after the other": `
			> {"id":1,"method":"tools/call","params":{META,"name":"test_input_required_result_multi_round"}}
			< {"id":1,"result":{"inputRequests":{"step1":{}}}}
			> {"id":2,"method":"tools/call","params":{META,"name":"test_input_required_result_multi_round","requestState":"STATE","inputResponses":{"step1":{"action":"accept","content":{"name":"Alice"}}}}}
			< {"id":2,"result":{"inputRequests":{"step2":{}}}}
			> {"id":3,"method":"tools/call","params":{META,"name":"test_input_required_result_multi_round","requestState":"STATE","inputResponses":{"step2":{"action":"accept","content":{"color":"red"}}}}}
			< {"id":3,"result":{"content":[{"type":"text","text":"Alice likes red"}]}}`,
		"answers in parts": `
			> {"id":1,"method":"tools/call","params":{META,"name":"test_input_required_result_multiple_inputs"}}
			< {"id":1,"result":{"inputRequests":{"user_name":{},"greeting":{},"client_roots":{}}}}
			> {"id":2,"method":"tools/call","params":{META,"name":"test_input_required_result_multiple_inputs","requestState":"STATE","inputResponses":{"user_name":{"action":"accept","content":{"name":"Alice"}},"client_roots":{"roots":[]},"greeting":7,"other":{}}}}
			< {"id":2,"result":{"inputRequests":{"greeting":{}}}}
			> {"id":3,"method":"tools/call","params":{META,"name":"test_input_required_result_multiple_inputs","requestState":"STATE","inputResponses":{"greeting":{"role":"assistant","model":"m","content":{"type":"text","text":"Hi"}}}}}
			< {"id":3,"result":{"content":[{"type":"text","text":"Hi Alice, 0 roots"}]}}`,
		"a state of another call, and a changed one": `
			> {"id":1,"method":"tools/call","params":{META,"name":"test_input_required_result_tampered_state"}}
			< {"id":1,"result":{"inputRequests":{"confirm":{}}}}
			> {"id":2,"method":"tools/call","params":{META,"name":"test_input_required_result_request_state","requestState":"STATE","inputResponses":{"confirm":{"action":"accept","content":{"ok":true}}}}}
			< {"id":2,"error":{"code":-32602}}
			> {"id":3,"method":"tools/call","params":{META,"name":"test_input_required_result_tampered_state","requestState":"STATE-TAMPERED","inputResponses":{"confirm":{"action":"accept","content":{"ok":true}}}}}
			< {"id":3,"error":{"code":-32602}}`,
		"what the client cannot do": `
			> {"id":1,"method":"tools/call","params":{"_meta":{"io.modelcontextprotocol/protocolVersion":"2026-07-28","io.modelcontextprotocol/clientCapabilities":{}},"name":"test_missing_capability"}}
			< {"id":1,"error":{"code":-32021,"data":{"requiredCapabilities":{"sampling":{}}}}}`,
		"a page": `
			> {"id":1,"method":"tools/call","params":{META,"name":"needs_login"}}
			< {"id":1,"result":{"inputRequests":{"login":{"method":"elicitation/create","params":{"mode":"url","url":"http://127.0.0.1/login","message":"Please log in"}}}}}
			> {"id":2,"method":"tools/call","params":{META,"name":"needs_login","requestState":"STATE","inputResponses":{"login":{"action":"accept"}}}}
			< {"id":2,"result":{"content":[{"type":"text","text":"logged in"}]}}`,
		"logging": `
			> {"id":1,"method":"tools/call","params":{META,"name":"test_logging_tool"}}
			< {"id":1,"result":{}}
			> {"id":2,"method":"tools/call","params":{"_meta":{"io.modelcontextprotocol/protocolVersion":"2026-07-28","io.modelcontextprotocol/clientCapabilities":{},"io.modelcontextprotocol/logLevel":"info"},"name":"test_logging_tool"}}
			< {"method":"notifications/message","params":{"level":"info"}}
			< {"id":2,"result":{}}`,
		"subscriptions": `
			> {"id":"l","method":"subscriptions/listen","params":{META,"notifications":{"toolsListChanged":true,"resourceSubscriptions":["test://watched-resource"]}}}
			< {"method":"notifications/subscriptions/acknowledged","params":{"_meta":{"io.modelcontextprotocol/subscriptionId":"l"},"notifications":{"toolsListChanged":true,"resourceSubscriptions":["test://watched-resource"]}}}
			> {"id":1,"method":"tools/call","params":{META,"name":"test_trigger_prompt_change"}}
			< {"id":1,"result":{}}
			> {"id":2,"method":"tools/call","params":{META,"name":"test_trigger_tool_change"}}
			< {"method":"notifications/tools/list_changed","params":{"_meta":{"io.modelcontextprotocol/subscriptionId":"l"}}}
			< {"id":2,"result":{}}
			> {"id":3,"method":"tools/call","params":{META,"name":"touch_resource","arguments":{"uri":"test://watched-resource"}}}
			< {"method":"notifications/resources/updated","params":{"uri":"test://watched-resource","_meta":{"io.modelcontextprotocol/subscriptionId":"l"}}}
			< {"id":3,"result":{}}
			> {"method":"notifications/cancelled","params":{"requestId":"l"}}
			> {"id":4,"method":"tools/call","params":{META,"name":"test_trigger_tool_change"}}
			< {"id":4,"result":{}}`,
		"an unknown resource": `
			> {"id":1,"method":"resources/read","params":{META,"uri":"test://no"}}
			< {"id":1,"error":{"code":-32602,"data":{"uri":"test://no"}}}`,
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			converse(t, func(s *server) era { return newModern(s) }, conversation)
		})
	}
}
