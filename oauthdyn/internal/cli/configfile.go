// SPDX-License-Identifier: Apache-2.0

package cli

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"

	"github.com/spf13/pflag"
)

// maxConfigBytes bounds the configuration file.
const maxConfigBytes = 1 << 20

// notInFile are flags that mean something on the command line only.
var notInFile = map[string]bool{"config": true, "check-config": true, "help": true}

// readConfig sets the flags that a configuration file names, unless they are
// set already. The file is a JSON object; its members are flags in camel case.
// Repeatable flags are arrays.
func readConfig(path string, flags *pflag.FlagSet) error {
	data, err := readBounded(path)
	if err != nil {
		return err
	}
	members, err := configMembers(bytes.TrimPrefix(data, []byte("\ufeff"))) // as some editors write
	if err != nil {
		return &usageError{text: path + ": " + err.Error(), hint: `it has to look like {"issuer": "https://auth.example.com", "resource": ["https://mcp.example.com/mcp"]}`}
	}
	known := map[string]*pflag.Flag{}
	flags.VisitAll(func(f *pflag.Flag) {
		if !notInFile[f.Name] {
			known[camelCase(f.Name)] = f
		}
	})
	for _, m := range members {
		if err := m.apply(flags, known[m.name]); err != nil {
			return &usageError{text: fmt.Sprintf("%s: line %d: %s: %s", path, m.line, m.name, err)}
		}
	}
	return nil
}

func readBounded(path string) ([]byte, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, fmt.Errorf("--config: %w", err)
	}
	defer f.Close()
	data, err := io.ReadAll(io.LimitReader(f, maxConfigBytes+1))
	if err == nil && len(data) > maxConfigBytes {
		err = fmt.Errorf("%s is larger than %d bytes", path, maxConfigBytes)
	}
	return data, err
}

// camelCase is the name of a flag as the member of a file.
func camelCase(kebab string) string {
	words := strings.Split(kebab, "-")
	for i, word := range words[1:] {
		words[i+1] = strings.ToUpper(word[:1]) + word[1:]
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
func (m *configMember) apply(flags *pflag.FlagSet, flag *pflag.Flag) error {
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
	case "int", "uint16":
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
