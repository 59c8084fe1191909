// SPDX-License-Identifier: Apache-2.0

package faultyserver

import (
	"encoding/json"
	"fmt"
	"strconv"
)

func callTool(x *exchange) (obj, *failure) {
	if arguments, ok := x.params["arguments"]; ok && object(x.params, "arguments") == nil && arguments != nil {
		return nil, invalid("arguments is not an object")
	}
	name, arguments := text(x.params, "name"), object(x.params, "arguments")
	var result obj
	var f *failure
	switch {
	case name == "add":
		result, f = add(x, arguments)
	case name == "count":
		if steps, ok := arguments["steps"]; ok && !integer(steps, 1, 10) && !x.s.on("tool-input-unchecked") {
			return x.badInput("steps must be an integer from 1 to 10")
		}
		result = count(x, arguments)
	case name == "greet":
		who, ok := arguments["name"].(string)
		if !ok {
			return x.badInput("name must be a string")
		}
		result = says("Hello, " + who + ".")
	case (name == "picture" || name == "ask") && len(arguments) > 0:
		return x.badInput(name + " has no arguments")
	case name == "picture":
		result = obj{"content": []any{obj{"type": "image", "data": pixel, "mimeType": "image/png"}}}
		x.spoilPicture(result["content"].([]any)[0].(obj))
	case name == "region":
		if region, ok := arguments["region"]; ok && text(arguments, "region") != region {
			return x.badInput("region must be a string")
		}
		result = says("Hello, " + text(arguments, "region") + ".")
	case name == "ask" && modern(x.version):
		result, f = ask(x)
	default:
		switch {
		case !has(x.params, "name") && x.s.on("call-without-name-code"):
			return nil, &failure{code: internalError, message: "oops"}
		case x.s.on("unknown-tool-code"):
			return nil, &failure{code: internalError, message: "oops"}
		case x.s.on("unknown-tool-result"):
			return obj{"content": []any{}, "isError": true}, nil
		case x.s.on("unknown-tool-answered"):
			return says("Done."), nil
		}
		return nil, invalid("Unknown tool: " + name)
	}
	if result != nil && x.s.on("tool-content-missing") {
		delete(result, "content")
	}
	return result, f
}

// integer reports whether a value is one, from least to most.
func integer(v any, least, most int64) bool {
	n, _ := v.(json.Number)
	i, err := n.Int64()
	return err == nil && least <= i && i <= most
}

func says(words string) obj {
	return obj{"content": []any{obj{"type": "text", "text": words}}}
}

// badInput tells of arguments that do not fit: to the model since 2025-11-25, to the program before.
func (x *exchange) badInput(why string) (obj, *failure) {
	if x.version < v1125 {
		return nil, invalid(why)
	}
	result := says(why)
	result["isError"] = true
	return result, nil
}

func (x *exchange) spoilPicture(c obj) {
	switch {
	case x.s.on("image-not-base64"):
		c["data"] = "not base64!"
	case x.s.on("image-without-type"):
		delete(c, "mimeType")
	case x.s.on("content-too-new"):
		clear(c)
		c["type"], c["uri"], c["name"] = "resource_link", "test://blob", "blob"
	case x.s.on("content-type-odd"):
		c["type"] = "hologram"
	}
}

func add(x *exchange, arguments obj) (obj, *failure) {
	_, okA := arguments["a"].(json.Number)
	_, okB := arguments["b"].(json.Number)
	if !okA || !okB {
		if x.s.on("tool-input-unchecked") {
			return says("0"), nil
		}
		return x.badInput("a and b must be numbers")
	}
	sum := json.Number(strconv.FormatFloat(number(arguments, "a")+number(arguments, "b"), 'f', -1, 64))
	structured := obj{"sum": sum}
	result := says(fmt.Sprintf(`{"sum":%s}`, sum))
	if x.version < v0618 {
		return result, nil
	}
	switch {
	case x.s.on("structured-mismatch"):
		structured["sum"] = "three"
	case x.s.on("structured-missing"):
		return result, nil
	case x.s.on("structured-without-text"):
		result["content"] = []any{}
	}
	result["structuredContent"] = structured
	return result, nil
}

// count reports progress, if it was asked to, and logs.
func count(x *exchange, arguments obj) obj {
	steps := 3
	if has(arguments, "steps") {
		steps = max(1, min(10, int(number(arguments, "steps"))))
	}
	token, wanted := object(x.params, "_meta")["progressToken"]
	progress := func(n int) obj {
		return notification("notifications/progress", obj{"progressToken": token, "progress": n, "total": steps, "message": "counting"})
	}
	for i := 1; i <= steps; i++ {
		x.log("info", fmt.Sprint("step ", i))
		x.log("debug", fmt.Sprint("step ", i, " done"))
		if !wanted {
			if x.s.on("progress-unasked") {
				token = "nobody's"
				x.notify(progress(i))
			}
			continue
		}
		p := progress(i)
		switch {
		case x.s.on("progress-not-increasing"):
			p = progress(1)
		case x.s.on("progress-token-changed"):
			p["params"].(obj)["progressToken"] = fmt.Sprint("x", token)
		}
		x.notify(p)
	}
	if wanted && x.s.on("progress-after-answer") {
		x.after = append(x.after, progress(steps+1))
	}
	return says(fmt.Sprint("Hello, ", steps, "."))
}
