// SPDX-License-Identifier: Apache-2.0

// Package configfile reads what a command's flags would say from a file, so that
// commands with many of them all have the same kind of file: a JSON object whose
// members are flags in camel case, with arrays for those that can be repeated.
//
//	var size configfile.Size
//	flags.Var(&size, "max-bytes", "largest answer") // of a pflag.FlagSet that is parsed
//	err := configfile.Read("config.json", flags)    // {"maxBytes": "10MiB"}
//
// It is made for the commands of this project, and changes with them.
package configfile

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"slices"
	"strings"

	"github.com/spf13/pflag"
)

// maxBytes bounds the file.
const maxBytes = 1 << 20

// ErrFormat is in the error of a file that is not an object of JSON at all, of
// which an example would be of help.
var ErrFormat = errors.New("configfile: not a JSON object")

// Read sets the flags that a file of 1 MiB at most names, unless they are set
// already, and marks them as set. Those in except have no member. An error names
// the file, the line and the member, but no value of one that it does not know. It
// is one line.
func Read(path string, flags *pflag.FlagSet, except ...string) error {
	data, err := readBounded(path)
	if err != nil {
		return err
	}
	members, err := configMembers(bytes.TrimPrefix(data, []byte("\ufeff"))) // as some editors write
	if err != nil {
		return &formatError{path + ": " + err.Error()}
	}
	known := map[string]*pflag.Flag{}
	flags.VisitAll(func(f *pflag.Flag) {
		if !slices.Contains(except, f.Name) {
			known[member(f.Name)] = f
		}
	})
	for _, m := range members {
		if err := m.apply(known[m.name]); err != nil {
			return fmt.Errorf("%s: line %d: %s: %w", path, m.line, m.name, err)
		}
	}
	return nil
}

type formatError struct{ text string }

func (e *formatError) Error() string        { return e.text }
func (e *formatError) Is(target error) bool { return target == ErrFormat }

func readBounded(path string) ([]byte, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	data, err := io.ReadAll(io.LimitReader(f, maxBytes+1))
	if err == nil && len(data) > maxBytes {
		err = fmt.Errorf("%s is larger than %d bytes", path, maxBytes)
	}
	return data, err
}

// member is the name of a flag as the member of a file: idleTimeout for
// idle-timeout.
func member(flag string) string {
	words := strings.Split(flag, "-")
	for i, word := range words[1:] {
		if word != "" {
			words[i+1] = strings.ToUpper(word[:1]) + word[1:]
		}
	}
	return strings.Join(words, "")
}

// A configMember is a member of the file's object.
type configMember struct {
	name  string
	line  int
	value json.RawMessage
}

// configMembers takes an object apart. A struct would take members in another
// case, and the last of two.
func configMembers(data []byte) (members []configMember, err error) {
	dec := json.NewDecoder(bytes.NewReader(data))
	line := func(offset int64) int {
		return 1 + bytes.Count(data[:min(max(int(offset), 0), len(data))], []byte("\n"))
	}
	problem := func(err error) error {
		offset := dec.InputOffset()
		if syntax, ok := errors.AsType[*json.SyntaxError](err); ok {
			offset = syntax.Offset
		}
		if errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) {
			offset, err = int64(len(data)), errors.New("the end is missing")
		}
		return fmt.Errorf("line %d: %w", line(offset), err)
	}
	first, err := dec.Token()
	if err != nil {
		return nil, problem(err)
	}
	if first != json.Delim('{') {
		return nil, errors.New("want a JSON object")
	}
	seen := map[string]bool{}
	for dec.More() {
		token, err := dec.Token()
		if err != nil {
			return nil, problem(err)
		}
		m := configMember{name: token.(string), line: line(dec.InputOffset())}
		if seen[m.name] {
			return nil, fmt.Errorf("line %d: member %q is there twice", m.line, m.name)
		}
		seen[m.name] = true
		if err := dec.Decode(&m.value); err != nil {
			return nil, problem(err)
		}
		members = append(members, m)
	}
	if _, err := dec.Token(); err != nil {
		return nil, problem(err)
	}
	if _, err := dec.Token(); !errors.Is(err, io.EOF) {
		return nil, fmt.Errorf("line %d: there is something behind the object", line(dec.InputOffset()))
	}
	return members, nil
}

// apply sets the flag of the member; nil means that there is none.
func (m *configMember) apply(flag *pflag.Flag) error {
	if flag == nil {
		return errors.New("there is no such member")
	}
	texts, err := m.texts(flag)
	if err != nil || flag.Changed {
		return err
	}
	for _, text := range texts {
		if err := flag.Value.Set(text); err != nil {
			return fmt.Errorf("%q cannot be used: %w", text, err)
		}
	}
	// Marks it as set, for those who ask later.
	flag.Changed = true
	return nil
}

// texts returns the value as what the flag would get on the command line.
func (m *configMember) texts(flag *pflag.Flag) (texts []string, err error) {
	one := ""
	switch kind := flag.Value.Type(); kind {
	case "stringArray", "stringSlice":
		return m.list()
	case "bool":
		if one = string(m.value); one != "true" && one != "false" {
			return nil, errors.New("want true or false")
		}
	case "SIZE": // a number of bytes, or a text such as "10MiB"
		if one = string(m.value); strings.Trim(one, "0123456789") != "" && (json.Unmarshal(m.value, &one) != nil || one == "" || string(m.value) == "null") {
			return nil, errors.New(`want a number of bytes like 1048576 or "1MiB"`)
		}
	case "int", "int64", "uint16":
		if one = string(m.value); strings.Trim(one, "0123456789") != "" {
			return nil, errors.New("want a number")
		}
	default:
		want := "a string"
		if kind == "duration" {
			want = `a duration like "30s"`
		}
		if json.Unmarshal(m.value, &one) != nil || string(m.value) == "null" {
			return nil, errors.New("want " + want)
		}
	}
	return []string{one}, nil
}

func (m *configMember) list() (texts []string, err error) {
	var elements []*string // null would pass for an empty string
	if json.Unmarshal(m.value, &elements) != nil || elements == nil {
		return nil, errors.New("want an array of strings")
	}
	for _, text := range elements {
		if text == nil {
			return nil, errors.New("want an array of strings, and null is none")
		}
		texts = append(texts, *text)
	}
	return texts, nil
}
