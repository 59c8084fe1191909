// SPDX-License-Identifier: Apache-2.0

package main

import (
	"encoding/json"
	"errors"
	"maps"
	"slices"
)

// A question is a request to the client: in the legacy era sent in mid-call, in
// the modern one returned as input that is required.
type question struct {
	method string
	params object
}

// The capability that a client must have to be asked, by method.
var needs = map[string]string{
	"elicitation/create":     "elicitation",
	"sampling/createMessage": "sampling",
	"roots/list":             "roots",
}

// form asks the user for something; schema holds the properties.
func form(text string, properties object, required ...string) question {
	schema := object{"type": "object", "properties": properties}
	if len(required) > 0 {
		schema["required"] = required
	}
	return question{"elicitation/create", object{"message": text, "requestedSchema": schema}}
}

// field asks the user for a single string.
func field(text, name string) question {
	return form(text, object{name: object{"type": "string"}}, name)
}

// page asks the user to open a URL.
func page(text, url string) question {
	return question{"elicitation/create", object{"mode": "url", "message": text, "url": url}}
}

// prompting asks the client's model.
func prompting(text string) question {
	said := object{"role": "user", "content": object{"type": "text", "text": text}}
	return question{"sampling/createMessage", object{"messages": []object{said}, "maxTokens": 100}}
}

func listRoots() question { return question{"roots/list", object{}} }

// An answer is the result of any question.
type answer struct {
	raw     json.RawMessage
	Action  string          `json:"action"` // of elicitation
	Content json.RawMessage `json:"content"`
	Role    string          `json:"role"` // of sampling
	Roots   []struct {
		URI string `json:"uri"`
	} `json:"roots"`
}

type answers map[string]answer

// parse reads a client's result, which must be one of the question.
func (q question) parse(raw json.RawMessage) (answer, error) {
	a := answer{raw: raw}
	if err := json.Unmarshal(raw, &a); err != nil {
		return a, err
	}
	ok := false
	switch q.method {
	case "elicitation/create":
		ok = a.Action == "decline" || a.Action == "cancel" || a.Action == "accept" && q.fits(a.Content)
	case "sampling/createMessage":
		ok = a.Role != "" && a.text() != ""
	case "roots/list":
		ok = a.Roots != nil
	}
	if !ok {
		return a, errors.New("that is no answer to the question")
	}
	return a, nil
}

// fits reports whether a form was filled in.
func (q question) fits(content json.RawMessage) bool {
	if q.params["mode"] == "url" {
		return true
	}
	schema := q.params["requestedSchema"].(object)
	required, _ := schema["required"].([]string)
	var fields map[string]json.RawMessage
	if json.Unmarshal(content, &fields) != nil {
		return false
	}
	return !slices.ContainsFunc(required, func(name string) bool { return fields[name] == nil })
}

// text is what the model said.
func (a answer) text() string {
	var content struct{ Text string }
	_ = json.Unmarshal(a.Content, &content) // several blocks are not asked for
	return content.Text
}

// field is a field of a form, or empty.
func (a answer) field(name string) string {
	var fields map[string]any
	_ = json.Unmarshal(a.Content, &fields) // nothing was accepted
	value, _ := fields[name].(string)
	return value
}

// names are those of the questions in a stable order.
func names(questions map[string]question) []string {
	return slices.Sorted(maps.Keys(questions))
}
