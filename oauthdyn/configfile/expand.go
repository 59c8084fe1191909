// SPDX-License-Identifier: Apache-2.0

package configfile

import (
	"errors"
	"fmt"
	"strings"
)

// Expand replaces each ${NAME} by what lookup, such as [os.LookupEnv], has under
// that name, which must exist. So secrets can stay out of command lines. The
// error names the variable, never a value.
func Expand(text string, lookup func(name string) (value string, ok bool)) (string, error) {
	var b strings.Builder
	for {
		before, rest, found := strings.Cut(text, "${")
		b.WriteString(before)
		if !found {
			return b.String(), nil
		}
		name, after, closed := strings.Cut(rest, "}")
		if !closed {
			return "", errors.New("${ without }")
		}
		value, ok := lookup(name)
		if !ok {
			return "", fmt.Errorf("the environment has no variable %s", name)
		}
		b.WriteString(value)
		text = after
	}
}
