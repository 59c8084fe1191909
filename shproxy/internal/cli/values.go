// SPDX-License-Identifier: Apache-2.0

package cli

import (
	"errors"
	"fmt"
	"maps"
	"os"
	"path/filepath"
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

// fileError is the error of the file that a flag names. It does not repeat a
// secret that was given in place of the file.
func fileError(flag, secret, name string, err error) error {
	if _, absent := os.Lstat(name); absent != nil && looksSecret(name) {
		return &usageError{text: flag + " wants the name of a file, not the " + secret, plain: true}
	}
	return fmt.Errorf("%s: %w", flag, err)
}

// looksSecret reports whether a name of a file is rather something random, in
// hexadecimal or base64, perhaps with the name of who holds it before it. Random
// is what has slashes if it has all kinds of characters and leads nowhere.
func looksSecret(name string) bool {
	if len(name) < 32 || !consistsOf(name, letters+digits+"+/-_=") || !strings.ContainsAny(name, digits) {
		return false
	}
	if !strings.Contains(name, "/") {
		return true
	}
	_, absent := os.Stat(filepath.Dir(name))
	return absent != nil && strings.ToLower(name) != name && strings.ToUpper(name) != name
}
