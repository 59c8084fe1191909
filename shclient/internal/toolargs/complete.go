// SPDX-License-Identifier: Apache-2.0

package toolargs

import (
	"encoding/json"
	"slices"
	"strings"
)

// Complete lists the ways on from the beginning of an assignment: the names of
// arguments as "name=", required ones first, and behind the "=" the values of
// an enumeration. given are the assignments that stand already; their names
// come again only where another element can be added.
func (s *Schema) Complete(prefix string, given []string) []string {
	var list []string
	if name, value, ok := strings.Cut(prefix, "="); ok {
		p, _ := s.param(name)
		for _, v := range p.Values() {
			if strings.HasPrefix(v, value) {
				list = append(list, name+"="+v)
			}
		}
		return list
	}
	var names []string
	for _, text := range given {
		name, _, _ := strings.Cut(text, "=")
		names = append(names, strings.TrimSuffix(name, ":"))
	}
	for _, p := range s.params {
		if strings.HasPrefix(p.Name, prefix) && (p.types.has(typeArray) || !slices.Contains(names, p.Name)) {
			list = append(list, p.Name+"=")
		}
	}
	return list
}

// Values lists the values of p if it has but a few, as they are written behind
// the "=".
func (p Param) Values() []string {
	var list []string
	for _, raw := range p.enum {
		var text string
		if json.Unmarshal(raw, &text) != nil {
			text = string(raw)
		}
		list = append(list, text)
	}
	if len(list) == 0 && p.types == typeBoolean {
		return []string{"true", "false"}
	}
	return list
}
