// SPDX-License-Identifier: Apache-2.0

package mcpjson

import (
	"errors"
	"fmt"
	"strings"
)

// expand replaces ${NAME} and ${env:NAME} by the value of the variable, and
// ${NAME:-TEXT} by TEXT if there is none. $${ stands for ${ itself.
func expand(s string, lookup func(string) (string, bool)) (string, error) {
	var out strings.Builder
	for {
		i := strings.Index(s, "${")
		if i < 0 {
			out.WriteString(s)
			return out.String(), nil
		}
		if i > 0 && s[i-1] == '$' {
			out.WriteString(s[:i-1] + "${")
			s = s[i+2:]
			continue
		}
		name, rest, ok := strings.Cut(s[i+2:], "}")
		if !ok {
			return "", errors.New("${ without a }; write $${ for the characters themselves")
		}
		value, err := variable(name, lookup)
		if err != nil {
			return "", err
		}
		out.WriteString(s[:i] + value)
		s = rest
	}
}

func variable(reference string, lookup func(string) (string, bool)) (string, error) {
	name, otherwise, optional := strings.Cut(reference, ":-")
	name = strings.TrimPrefix(name, "env:")
	if name == "" || strings.ContainsAny(name, ": ") {
		return "", fmt.Errorf("${%s}: only the variables of the environment are known here; write $${ for the characters themselves", reference)
	}
	value, ok := lookup(name)
	if !ok && !optional {
		return "", fmt.Errorf("the variable %q is not set; ${%s:-TEXT} has TEXT in its place", name, name)
	}
	if value == "" && optional {
		return otherwise, nil
	}
	return value, nil
}
