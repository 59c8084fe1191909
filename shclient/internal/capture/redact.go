// SPDX-License-Identifier: Apache-2.0

package capture

import (
	"fmt"
	"regexp"
	"slices"
	"strings"

	"github.com/atrawog/mcp-oauth-gateway/shproxy/jsonrpc"
)

// Redacted stands where a secret was.
const Redacted = "[redacted]"

// A Redactor takes secrets out of messages: values of members whose names say
// so, such as password or access_token, values at paths, secrets that are known,
// and what looks like a token, a cookie or a private key in any text. It is safe
// for concurrent use.
type Redactor struct {
	known *strings.Replacer
	paths [][]string
}

// minSecret is how long a known secret is at least: shorter ones would be found
// everywhere.
const minSecret = 6

// NewRedactor returns a Redactor that knows secrets, which it takes out wherever
// they are, and paths of members to take out. A path such as
// params.arguments.ssn starts at the message; * stands for any member or
// element.
func NewRedactor(secrets, paths []string) (*Redactor, error) {
	r := &Redactor{}
	secrets = slices.DeleteFunc(slices.Clone(secrets), func(s string) bool { return len(s) < minSecret })
	slices.SortFunc(secrets, func(a, b string) int { return len(b) - len(a) }) // a longer one may contain a shorter
	var pairs []string
	for _, s := range secrets {
		pairs = append(pairs, s, Redacted)
	}
	r.known = strings.NewReplacer(pairs...)
	for _, path := range paths {
		steps, err := ParsePath(path)
		if err != nil {
			return nil, err
		}
		r.paths = append(r.paths, steps)
	}
	return r, nil
}

// ParsePath reads a path of members, such as params.arguments.* or $.result.
func ParsePath(path string) ([]string, error) {
	steps := strings.Split(strings.TrimPrefix(path, "$."), ".")
	if slices.Contains(steps, "") {
		return nil, fmt.Errorf("the path %q: want names that are joined by dots, such as params.arguments.ssn", path)
	}
	return steps, nil
}

// Message returns a frame, which must be one that jsonrpc.Scan accepts, without
// its secrets. Everything else stays as it was, byte for byte.
func (r *Redactor) Message(frame []byte) []byte {
	w := walker{redactor: r, frame: frame}
	w.value(whole(frame), nil, false)
	return jsonrpc.AppendSplice(nil, frame, w.edits...)
}

func whole(frame []byte) jsonrpc.Span {
	start, end := 0, len(frame)
	for start < end && strings.IndexByte(" \t\r\n", frame[start]) >= 0 {
		start++
	}
	return jsonrpc.Span{Start: start, End: end}
}

type walker struct {
	redactor *Redactor
	frame    []byte
	edits    []jsonrpc.Edit
}

// value looks at a value; secret says that its name makes it one.
func (w *walker) value(span jsonrpc.Span, path []string, secret bool) {
	raw := span.Of(w.frame)
	if len(raw) == 0 {
		return
	}
	if len(path) > 0 && w.redactor.names(path) {
		w.replace(span, Redacted)
		return
	}
	switch raw[0] {
	case '{':
		w.object(span, path)
	case '[':
		for item := range jsonrpc.Items(w.frame, span) {
			w.value(item, append(path, "*"), secret)
		}
	case '"':
		text := jsonrpc.Text(raw)
		clean := w.redactor.Text(text)
		if secret && text != "" {
			clean = Redacted
		}
		if clean != text {
			w.replace(span, clean)
		}
	case 't', 'f', 'n':
	default:
		if secret {
			w.replace(span, Redacted)
		}
	}
}

// object looks at members. Of {"name": "X-Api-Key", "value": …} the name is that
// of the value.
func (w *walker) object(span jsonrpc.Span, path []string) {
	named := ""
	for _, member := range []string{"name", "key", "header"} {
		if value, ok := jsonrpc.Lookup(w.frame, span, member); ok && named == "" {
			named = jsonrpc.Text(value.Of(w.frame))
		}
	}
	for name, value := range jsonrpc.Members(w.frame, span) {
		member := jsonrpc.Text(name.Of(w.frame))
		secret := IsSecretName(member) || member == "value" && IsSecretName(named)
		w.value(value, append(path, member), secret)
	}
}

func (w *walker) replace(span jsonrpc.Span, text string) {
	w.edits = append(w.edits, jsonrpc.Edit{Span: span, With: jsonrpc.AppendString(nil, text)})
}

// names reports whether one of the paths leads to path. In path an element of an
// array is "*".
func (r *Redactor) names(path []string) bool {
	return slices.ContainsFunc(r.paths, func(want []string) bool { return matches(want, path) })
}

func matches(want, path []string) bool {
	return slices.EqualFunc(want, path, func(w, p string) bool { return w == p || w == "*" })
}

// secretEndings are how names of secrets end, in lower case and without marks.
var secretEndings = []string{
	"token", "secret", "password", "passwd", "passphrase", "apikey", "accesskey", "privatekey", "secretkey",
	"authorization", "cookie", "credential", "credentials", "pwd",
}

// IsSecretName reports whether the name of a member, a header or a variable says
// that its value is secret. Names of the protocol are exempt.
func IsSecretName(name string) bool {
	plain := strings.Map(func(r rune) rune {
		if r >= 'a' && r <= 'z' || r >= '0' && r <= '9' {
			return r
		}
		return -1
	}, strings.ToLower(name))
	if plain == "progresstoken" {
		return false
	}
	return slices.ContainsFunc(secretEndings, func(ending string) bool { return strings.HasSuffix(plain, ending) })
}

// patterns are what secrets in text look like; the first group stays.
var patterns = []*regexp.Regexp{
	regexp.MustCompile(`()-----BEGIN [A-Z ]*PRIVATE KEY-----[\s\S]*?(?:-----END [A-Z ]*PRIVATE KEY-----|$)`),
	regexp.MustCompile(`(?i)\b((?:proxy-)?authorization\s*[:=]\s*|(?:set-)?cookie\s*[:=]\s*)[^\r\n"]+`),
	regexp.MustCompile(`(?i)\b((?:bearer|basic)\s+)[A-Za-z0-9._~+/=-]{8,}`),
	regexp.MustCompile(`()\beyJ[A-Za-z0-9_-]{5,}\.[A-Za-z0-9_-]{5,}\.[A-Za-z0-9_-]*`),
	regexp.MustCompile(`()\b(?:sk|pk|rk)[-_][A-Za-z0-9_-]{16,}|\bgh[pousr]_[A-Za-z0-9]{20,}|\bgithub_pat_[A-Za-z0-9_]{20,}|\bglpat-[A-Za-z0-9_-]{16,}|\bxox[abeoprs]-[A-Za-z0-9-]{10,}|\bAKIA[0-9A-Z]{16}\b`),
	regexp.MustCompile(`(://)[^/\s@"]+:[^/\s@"]*@`),
	regexp.MustCompile(`(?i)([?&](?:[a-z0-9_-]*token|api_?key|key|password|[a-z0-9_-]*secret|code|sig|signature)=)[^&#\s"]+`),
	regexp.MustCompile(`(?i)("[a-z0-9_-]*(?:token|secret|password|passwd|passphrase|api_?key|access_?key|private_?key|credentials?)"\s*:\s*")[^"]+`),
	regexp.MustCompile(`(?i)\b([a-z0-9_-]*(?:token|secret|password|passwd|passphrase|api_?key|access_?key|private_?key|credentials?)\s*=\s*)[^\s,;&"']+`),
}

// Text returns text without what looks like a secret.
func (r *Redactor) Text(text string) string {
	text = r.known.Replace(text)
	for _, p := range patterns {
		text = p.ReplaceAllStringFunc(text, func(found string) string {
			groups := p.FindStringSubmatch(found)
			if len(groups) > 1 && strings.HasPrefix(found, groups[1]) {
				if strings.HasPrefix(found[len(groups[1]):], Redacted) {
					return found
				}
				if strings.HasSuffix(found, "@") {
					return groups[1] + Redacted + "@"
				}
				return groups[1] + Redacted
			}
			return Redacted
		})
	}
	return text
}
