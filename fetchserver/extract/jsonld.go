// SPDX-License-Identifier: Apache-2.0

package extract

import (
	"slices"
	"strings"
	"unicode/utf16"
	"unicode/utf8"

	"golang.org/x/net/html"
	"golang.org/x/net/html/atom"
)

// Caps on the JSON-LD of a page. What is beyond them is not read.
const (
	maxLDBytes  = 1 << 20 // of all blocks together
	maxLDValues = 20000   // kept values
	maxLDDepth  = 12      // what is nested deeper is passed over
	maxLDString = 64 << 10
)

// thing is a JSON-LD node object, reduced to the properties that this package
// looks at.
type thing struct {
	types []string // without the address of the vocabulary
	id    string
	props []property
}

type property struct {
	name   string
	values []ldValue // an array is spread out
}

// ldValue is a string (or a number or boolean as written) or a thing.
type ldValue struct {
	text  string
	thing *thing
}

func (t *thing) is(types ...string) bool {
	for _, have := range t.types {
		if slices.Contains(types, have) {
			return true
		}
	}
	return false
}

func (t *thing) values(name string) []ldValue {
	for i := range t.props {
		if t.props[i].name == name {
			return t.props[i].values
		}
	}
	return nil
}

// text returns the first string of a property.
func (t *thing) text(name string) string {
	for _, v := range t.values(name) {
		if v.text != "" {
			return v.text
		}
	}
	return ""
}

// ldProperties are the ones that are kept.
var ldProperties = func() map[string]string {
	m := map[string]string{}
	for name := range strings.FieldsSeq(`@graph @id @type acceptedAnswer answerCount articleBody author creator dateCreated
		datePublished description givenName familyName headline inLanguage mainEntity mainEntityOfPage name
		publisher text uploadDate`) {
		m[name] = name
	}
	return m
}()

// ldReader reads JSON as it is found on pages: wrapped in comments, with line
// breaks in strings, with commas too many, cut off. What can be read is kept.
// Time is linear in the size of the input, and the depth of recursion capped.
type ldReader struct {
	s      string
	i      int
	budget int // values that may still be kept
}

// readLD returns the things at the top of a block and in its graphs.
func readLD(block string, budget int) (things []*thing, left int) {
	r := &ldReader{s: block, budget: budget}
	for r.i < len(r.s) && r.budget > 0 {
		switch r.s[r.i] {
		case '{', '[':
			values, ok := r.value(nil, 0)
			for _, v := range values {
				things = v.flatten(things)
			}
			if !ok {
				return things, r.budget
			}
		default:
			r.i++
		}
	}
	return things, r.budget
}

// flatten appends a thing and those of its graph.
func (v ldValue) flatten(to []*thing) []*thing {
	if v.thing == nil {
		return to
	}
	if len(v.thing.types) > 0 || v.thing.id != "" {
		to = append(to, v.thing)
	}
	for _, g := range v.thing.values("@graph") {
		to = g.flatten(to)
	}
	return to
}

func (r *ldReader) space() byte {
	for r.i < len(r.s) {
		if c := r.s[r.i]; !isSpace(c) {
			return c
		}
		r.i++
	}
	return 0
}

// value appends what it reads to values; arrays are spread out. False means
// that the input makes no sense from here on.
func (r *ldReader) value(values []ldValue, depth int) ([]ldValue, bool) {
	c := r.space()
	if depth > maxLDDepth || r.budget <= 0 {
		return values, r.pass()
	}
	switch c {
	case '{':
		r.budget--
		t, ok := r.object(depth)
		return append(values, ldValue{thing: t}), ok
	case '[':
		r.i++
		for {
			switch r.space() {
			case ',':
				r.i++
			case ']':
				r.i++
				return values, true
			default:
				var ok bool
				if values, ok = r.value(values, depth+1); !ok {
					return values, false
				}
			}
		}
	case '"':
		r.budget--
		s, ok := r.str()
		return append(values, ldValue{text: s}), ok
	default:
		r.budget--
		s := r.scalar()
		return append(values, ldValue{text: s}), s != ""
	}
}

func (r *ldReader) object(depth int) (*thing, bool) {
	t := &thing{}
	r.i++ // {
	for {
		switch r.space() {
		case ',':
			r.i++
			continue
		case '}':
			r.i++
			return t, true
		case '"':
		default:
			return t, false
		}
		key, ok := r.str()
		if !ok || r.space() != ':' {
			return t, false
		}
		r.i++
		name, wanted := ldProperties[key]
		if !wanted {
			if !r.pass() {
				return t, false
			}
			continue
		}
		values, ok := r.value(nil, depth+1)
		switch name {
		case "@type":
			for _, v := range values {
				if v.text != "" && len(t.types) < 8 {
					t.types = append(t.types, localName(v.text))
				}
			}
		case "@id":
			if len(values) > 0 {
				t.id = values[0].text
			}
		default:
			if len(values) > 0 && t.values(name) == nil {
				t.props = append(t.props, property{name, values})
			}
		}
		if !ok {
			return t, false
		}
	}
}

// localName drops the vocabulary from the name of a type.
func localName(s string) string {
	return s[strings.LastIndexAny(s, "/#:")+1:]
}

// pass goes past a value without keeping it, however deep it is.
func (r *ldReader) pass() bool {
	depth := 0
	for {
		switch r.space() {
		case 0:
			return false
		case '{', '[':
			depth++
			r.i++
		case '}', ']':
			if depth == 0 {
				return false
			}
			depth--
			r.i++
		case '"':
			if !r.passString() {
				return false
			}
		case ',', ':':
			if depth == 0 {
				return false
			}
			r.i++
			continue
		default:
			if r.scalar() == "" {
				return false
			}
		}
		if depth == 0 {
			return true
		}
	}
}

// scalar reads a number, true, false or null, or whatever stands for them.
func (r *ldReader) scalar() string {
	start := r.i
	for r.i < len(r.s) && !isSpace(r.s[r.i]) && !strings.ContainsRune(`,:"[]{}`, rune(r.s[r.i])) {
		r.i++
	}
	return r.s[start:r.i]
}

func (r *ldReader) passString() bool {
	for r.i++; r.i < len(r.s); r.i++ {
		switch r.s[r.i] {
		case '\\':
			r.i++
		case '"':
			r.i++
			return true
		}
	}
	r.i = len(r.s)
	return false
}

// str reads a string (RFC 8259 section 7). Control characters in it are
// allowed.
func (r *ldReader) str() (string, bool) {
	start := r.i + 1
	ended := r.passString()
	end := r.i
	if ended {
		end--
	}
	s := r.s[min(start, end):end]
	if len(s) > maxLDString {
		s = strings.ToValidUTF8(s[:maxLDString], "")
	}
	if strings.IndexByte(s, '\\') < 0 {
		return s, ended
	}
	b := make([]byte, 0, len(s))
	for i := 0; i < len(s); i++ {
		if s[i] != '\\' || i+1 == len(s) {
			b = append(b, s[i])
			continue
		}
		i++
		switch s[i] {
		case 'n':
			b = append(b, '\n')
		case 't':
			b = append(b, '\t')
		case 'r':
			b = append(b, '\r')
		case 'b':
			b = append(b, '\b')
		case 'f':
			b = append(b, '\f')
		case 'u':
			c, ok := hex4(s[i+1:])
			if !ok {
				b = append(b, '\\', 'u')
				continue
			}
			i += 4
			if utf16.IsSurrogate(c) {
				low, ok := rune(0), false
				if strings.HasPrefix(s[i+1:], `\u`) {
					low, ok = hex4(s[i+3:])
				}
				if full := utf16.DecodeRune(c, low); ok && full != utf8.RuneError {
					c, i = full, i+6
				} else {
					c = utf8.RuneError
				}
			}
			b = utf8.AppendRune(b, c)
		default:
			b = append(b, s[i])
		}
	}
	return string(b), ended
}

func hex4(s string) (rune, bool) {
	if len(s) < 4 {
		return 0, false
	}
	var c rune
	for i := range 4 {
		switch d := s[i] | 0x20; {
		case s[i] >= '0' && s[i] <= '9':
			c = c<<4 | rune(s[i]-'0')
		case d >= 'a' && d <= 'f':
			c = c<<4 | rune(d-'a'+10)
		default:
			return 0, false
		}
	}
	return c, true
}

// plain makes text of a string in which authors left markup.
func plain(s string) string {
	if strings.IndexByte(s, '&') >= 0 {
		s = html.UnescapeString(s)
	}
	if strings.IndexByte(s, '<') < 0 {
		return s
	}
	var b strings.Builder
	z := html.NewTokenizer(strings.NewReader(s))
	raw := false // in a script or style element
	for {
		switch z.Next() {
		case html.ErrorToken:
			return b.String()
		case html.TextToken:
			if !raw {
				b.Write(z.Text())
			}
		case html.StartTagToken:
			name, _ := z.TagName()
			raw = kindOf(atom.Lookup(name))&skipped != 0
			b.WriteByte(' ')
		case html.EndTagToken:
			raw = false
			b.WriteByte(' ')
		}
	}
}
