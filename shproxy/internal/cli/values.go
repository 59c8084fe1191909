// SPDX-License-Identifier: Apache-2.0

package cli

import (
	"errors"
	"maps"
	"slices"
	"strings"
)

// pairs is a repeatable flag VARIABLE=VALUE, where VARIABLE is the name of an
// environment variable.
type pairs map[string]string

func (p *pairs) Set(s string) error {
	name, value, ok := strings.Cut(s, "=")
	if !ok || value == "" {
		return errors.New("want VARIABLE=NAME")
	}
	if err := checkVariable(name); err != nil {
		return err
	}
	if *p == nil {
		*p = make(pairs)
	}
	(*p)[name] = value
	return nil
}

func (p *pairs) String() string {
	var all []string
	for _, name := range slices.Sorted(maps.Keys(*p)) {
		all = append(all, name+"="+(*p)[name])
	}
	return strings.Join(all, ",")
}

func (*pairs) Type() string { return "VARIABLE=NAME" }
