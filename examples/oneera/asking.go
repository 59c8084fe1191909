// SPDX-License-Identifier: Apache-2.0

package main

import "strings"

// askingTools ask the client for something. The questions whose names the
// suite looks at have those.
func askingTools() []tool {
	message := schema(`"message":{"type":"string"}`)
	none := schema("")
	return []tool{
		{"test_sampling", "asks the client's model", schema(`"prompt":{"type":"string"}`), sampling},
		{"test_elicitation", "asks the user for a name", message, elicitation},
		{"test_elicitation_sep1034_defaults", "asks with defaults", none, eliciting("fields", defaultsForm())},
		{"test_elicitation_sep1330_enums", "asks for choices", none, eliciting("choices", enumsForm())},
		{"test_streaming_elicitation", "asks the user", none, eliciting("streaming", field("What is your name?", "name"))},
		{"test_missing_capability", "needs the client's model", none, sampling},

		{"test_input_required_result_elicitation", "asks the user for a name", none, greeting},
		{"test_input_required_result_sampling", "asks the client's model", none, capital},
		{"test_input_required_result_list_roots", "asks for the roots", none, roots},
		{"test_input_required_result_request_state", "asks to confirm", none, confirming},
		{"test_input_required_result_tampered_state", "asks to confirm", none, confirming},
		{"test_input_required_result_multiple_inputs", "asks three things at once", none, threeAtOnce},
		{"test_input_required_result_multi_round", "asks two things, one after the other", none, twoInTurn},
		{"test_input_required_result_capabilities", "asks only what the client can do", none, considerate},

		{"roots", "asks for the roots", none, roots},
		{"open_page", "asks the user to open a page", none, eliciting("page", page("Please look at this", "http://127.0.0.1/page"))},
		{"needs_login", "works when the user has opened a page", none, needsLogin},
	}
}

// eliciting returns a tool that tells what the user did.
func eliciting(name string, q question) func(*call) (object, error) {
	return func(c *call) (object, error) {
		a, err := c.ask1(name, q)
		if err != nil {
			return nil, err
		}
		return text("Elicitation result: action=%s, content=%s", a.Action, a.Content), nil
	}
}

func elicitation(c *call) (object, error) {
	args, err := c.arguments()
	if err != nil {
		return nil, err
	}
	return eliciting("username", field(args.Message, "username"))(c)
}

func sampling(c *call) (object, error) {
	args, err := c.arguments()
	if err != nil {
		return nil, err
	}
	a, err := c.ask1("completion", prompting(args.Prompt))
	return text("LLM response: %s", a.text()), err
}

func greeting(c *call) (object, error) {
	a, err := c.ask1("user_name", field("What is your name?", "name"))
	return text("Hello, %s!", a.field("name")), err
}

func capital(c *call) (object, error) {
	a, err := c.ask1("capital_question", prompting("What is the capital of France?"))
	return text("Sampling response: %s", a.text()), err
}

func roots(c *call) (object, error) {
	a, err := c.ask1("client_roots", listRoots())
	var uris []string
	for _, root := range a.Roots {
		uris = append(uris, root.URI)
	}
	return text("%d roots: %s", len(uris), strings.Join(uris, " ")), err
}

func confirming(c *call) (object, error) {
	a, err := c.ask1("confirm", form("Please confirm", object{"ok": object{"type": "boolean"}}, "ok"))
	return text("state-ok: %s", a.Action), err
}

func threeAtOnce(c *call) (object, error) {
	got, err := c.ask(map[string]question{
		"user_name":    field("What is your name?", "name"),
		"greeting":     prompting("Generate a greeting"),
		"client_roots": listRoots(),
	})
	return text("%s %s, %d roots", got["greeting"].text(), got["user_name"].field("name"), len(got["client_roots"].Roots)), err
}

func twoInTurn(c *call) (object, error) {
	name, err := c.ask1("step1", field("Step 1: What is your name?", "name"))
	if err != nil {
		return nil, err
	}
	color, err := c.ask1("step2", field("Step 2: What is your favorite color?", "color"))
	return text("%s likes %s", name.field("name"), color.field("color")), err
}

func considerate(c *call) (object, error) {
	questions := map[string]question{}
	for name, q := range map[string]question{
		"user_name": field("What is your name?", "name"), "greeting": prompting("Generate a greeting"), "client_roots": listRoots(),
	} {
		if c.client.has(needs[q.method]) {
			questions[name] = q
		}
	}
	got, err := c.ask(questions)
	return text("asked %d things", len(got)), err
}

func needsLogin(c *call) (object, error) {
	err := c.era.visit(c, "login", "http://127.0.0.1/login")
	return text("logged in"), err
}

func defaultsForm() question {
	return form("Please check these", object{
		"name":     object{"type": "string", "default": "John Doe"},
		"age":      object{"type": "integer", "default": 30},
		"score":    object{"type": "number", "default": 95.5},
		"status":   object{"type": "string", "enum": []string{"active", "inactive", "pending"}, "default": "active"},
		"verified": object{"type": "boolean", "default": true},
	})
}

func enumsForm() question {
	options := []string{"option1", "option2", "option3"}
	titled := []object{
		{"const": "value1", "title": "First Option"}, {"const": "value2", "title": "Second Option"}, {"const": "value3", "title": "Third Option"},
	}
	return form("Please choose", object{
		"untitledSingle": object{"type": "string", "enum": options},
		"titledSingle":   object{"type": "string", "oneOf": titled},
		"legacyEnum":     object{"type": "string", "enum": []string{"opt1", "opt2", "opt3"}, "enumNames": []string{"Option One", "Option Two", "Option Three"}},
		"untitledMulti":  object{"type": "array", "minItems": 1, "maxItems": 3, "items": object{"type": "string", "enum": options}},
		"titledMulti":    object{"type": "array", "minItems": 1, "maxItems": 3, "items": object{"anyOf": titled}},
	})
}
