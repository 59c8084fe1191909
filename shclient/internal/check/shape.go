// SPDX-License-Identifier: Apache-2.0

package check

import (
	"encoding/base64"
	"encoding/json"
	"fmt"
	"slices"
	"strings"
)

// misshapen compares an object with a shape, and says what is wrong. A shape is
// a list of members, each name:type, with several types parted by | and ! behind
// one that must be there; "name:string! size:number".
func misshapen(raw json.RawMessage, shape string) []string {
	m := members(raw)
	if m == nil {
		return []string{fmt.Sprintf("it is %s, no object", given(raw))}
	}
	var wrong []string
	for field := range strings.FieldsSeq(shape) {
		name, types, _ := strings.Cut(field, ":")
		types, required := strings.CutSuffix(types, "!")
		value, there := m[name]
		switch {
		case !there && required:
			wrong = append(wrong, "the member "+name+" is missing")
		case there && !isOneOf(value, strings.Split(types, "|")):
			wrong = append(wrong, fmt.Sprintf("the member %s is %s, not of type %s", name, given(value), strings.ReplaceAll(types, "|", " or ")))
		}
	}
	return wrong
}

func isOneOf(value json.RawMessage, types []string) bool {
	return slices.ContainsFunc(types, func(t string) bool {
		switch t {
		case "any":
			return true
		case "integer":
			return isInteger(value)
		case "base64":
			_, err := base64.StdEncoding.DecodeString(text(value))
			return kindOf(value) == "string" && err == nil
		case "strings":
			var s []string
			return kindOf(value) == "array" && json.Unmarshal(value, &s) == nil
		case "objects":
			var o []map[string]json.RawMessage
			return kindOf(value) == "array" && json.Unmarshal(value, &o) == nil
		}
		return kindOf(value) == t
	})
}

// annotationsShape are the annotations of content and resources.
func misannotated(raw json.RawMessage) []string {
	if raw == nil {
		return nil
	}
	wrong := misshapen(raw, "audience:strings priority:number lastModified:string")
	m := members(raw)
	var audience []string
	_ = json.Unmarshal(m["audience"], &audience) // told above
	for _, a := range audience {
		if a != "user" && a != "assistant" {
			wrong = append(wrong, fmt.Sprintf("the audience %q is neither user nor assistant", a))
		}
	}
	var priority float64
	if json.Unmarshal(m["priority"], &priority) == nil && (priority < 0 || priority > 1) {
		wrong = append(wrong, fmt.Sprintf("the priority %v is not between 0 and 1", priority))
	}
	return wrong
}

// contentSince has the versions that types of content came with.
var contentSince = map[string]string{"text": V20241105, "image": V20241105, "resource": V20241105, "audio": V20250326, "resource_link": V20250618}

// miscontent says what is wrong with a content block.
func miscontent(raw json.RawMessage) []string {
	m := members(raw)
	if m == nil {
		return []string{fmt.Sprintf("content is %s, no object", given(raw))}
	}
	var wrong []string
	switch kind := text(m["type"]); {
	case kind == "text":
		wrong = misshapen(raw, "text:string!")
	case kind == "image", kind == "audio":
		wrong = misshapen(raw, "data:base64! mimeType:string!")
	case kind == "resource":
		wrong = miscontents(m["resource"])
	case kind == "resource_link":
		wrong = misshapen(raw, resourceShape)
	default:
		wrong = []string{fmt.Sprintf("content has the type %s, which no version knows", given(m["type"]))}
	}
	return append(wrong, misannotated(m["annotations"])...)
}

const resourceShape = "uri:string! name:string! title:string description:string mimeType:string size:number"

// miscontents says what is wrong with the contents of a resource.
func miscontents(raw json.RawMessage) []string {
	wrong := misshapen(raw, "uri:string! mimeType:string text:string blob:base64")
	if m := members(raw); m != nil && m["text"] == nil && m["blob"] == nil {
		wrong = append(wrong, "there is neither text nor blob")
	}
	return wrong
}
