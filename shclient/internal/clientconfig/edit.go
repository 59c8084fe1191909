// SPDX-License-Identifier: Apache-2.0

package clientconfig

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"strings"

	"github.com/tailscale/hujson"
)

// ErrExists is the error of Insert when there is an entry of the name.
var ErrExists = errors.New("there is a server of that name already")

// Insert puts an entry into the text of a file, below member and name, and
// leaves every other byte of it as it is. An entry that is there is replaced if
// force says so. comments says that the file may have comments.
func Insert(text []byte, member, name string, entry json.RawMessage, comments, force bool) ([]byte, error) {
	body, bom := bytes.CutPrefix(text, byteOrderMark)
	if len(bytes.TrimSpace(body)) == 0 {
		body = []byte("{}\n")
	}
	if _, err := standard(body, comments); err != nil {
		return nil, err
	}
	e := &editor{text: body, unit: indentUnit(body)}
	root, err := e.object(nil)
	if err != nil {
		return nil, err
	}
	servers := e.find(root, member)
	if servers == nil {
		entry = quoteMember(name, entry)
		e.insert(root, 0, member, entry)
		return e.done(bom)
	}
	object, err := e.object(servers)
	if err != nil {
		return nil, fmt.Errorf("%q is no object", member)
	}
	switch old := e.find(object, name); {
	case old == nil:
		e.insert(object, 1, name, entry)
	case !force:
		return nil, ErrExists
	default:
		e.splice(old.StartOffset, old.EndOffset, e.format(entry, 2))
	}
	return e.done(bom)
}

// quoteMember is an object of one member.
func quoteMember(name string, value json.RawMessage) json.RawMessage {
	key, _ := json.Marshal(name) // a string has JSON
	return fmt.Appendf(nil, "{%s:%s}", key, value)
}

// editor changes JSON by places in its text.
type editor struct {
	text []byte
	unit string // of indentation
}

// object parses the text, or takes a value of it, which must be an object.
func (e *editor) object(v *hujson.Value) (*hujson.Value, error) {
	if v == nil {
		root, err := hujson.Parse(e.text)
		if err != nil {
			return nil, err
		}
		v = &root
	}
	if _, ok := v.Value.(*hujson.Object); !ok {
		return nil, errors.New("a JSON object is wanted")
	}
	return v, nil
}

// find returns the value of a member: the last, if several have the name, as
// parsers do.
func (e *editor) find(object *hujson.Value, name string) *hujson.Value {
	members := object.Value.(*hujson.Object).Members
	for i := len(members) - 1; i >= 0; i-- {
		if key, ok := members[i].Name.Value.(hujson.Literal); ok && key.String() == name {
			return &members[i].Value
		}
	}
	return nil
}

// insert adds a member at the end of an object of some depth.
func (e *editor) insert(object *hujson.Value, depth int, name string, value json.RawMessage) {
	key, _ := json.Marshal(name) // a string has JSON
	outer := strings.Repeat(e.unit, depth)
	added := "\n" + outer + e.unit + string(key) + ": " + e.format(value, depth+1)
	closing := object.EndOffset - 1 // the brace
	end := len(bytes.TrimRight(e.text[:closing], " \t\r\n"))
	rest := string(e.text[end:closing])
	members := object.Value.(*hujson.Object).Members
	if !strings.Contains(rest, "\n") {
		rest = "\n" + outer
	}
	if len(members) == 0 {
		e.splice(end, closing, added+rest)
		return
	}
	last := &members[len(members)-1].Value
	if last.AfterExtra != nil { // a comma stands there
		e.splice(end, closing, added+","+rest)
		return
	}
	e.splice(end, closing, added+rest)
	e.splice(last.EndOffset, last.EndOffset, ",")
}

// format is a value as it stands at a depth.
func (e *editor) format(value json.RawMessage, depth int) string {
	var b bytes.Buffer
	if json.Indent(&b, value, strings.Repeat(e.unit, depth), e.unit) != nil {
		return string(value) // which done refuses
	}
	return b.String()
}

// splice replaces a part of the text, with the ends of lines that it has.
func (e *editor) splice(from, to int, with string) {
	if bytes.Contains(e.text, []byte("\r\n")) {
		with = strings.ReplaceAll(strings.ReplaceAll(with, "\r\n", "\n"), "\n", "\r\n")
	}
	e.text = bytes.Join([][]byte{e.text[:from], []byte(with), e.text[to:]}, nil)
}

// done returns the text, which must parse.
func (e *editor) done(bom bool) ([]byte, error) {
	if _, err := hujson.Parse(e.text); err != nil {
		return nil, fmt.Errorf("the entry is no JSON: %w", err)
	}
	if bom {
		return append(bytes.Clone(byteOrderMark), e.text...), nil
	}
	return e.text, nil
}

// indentUnit is the indentation of the first member of a text.
func indentUnit(text []byte) string {
	for line := range bytes.Lines(text) {
		inner := bytes.TrimLeft(line, " \t")
		if n := len(line) - len(inner); n > 0 && len(inner) > 0 && inner[0] == '"' {
			return string(line[:n])
		}
	}
	return "  "
}
