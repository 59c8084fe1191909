// SPDX-License-Identifier: Apache-2.0

package clientconfig

import (
	"net/url"
	"regexp"
	"slices"
	"strings"
)

// masked stands for what may be a secret.
const masked = "***"

// MaskURL is a URL as it is shown: keys may hide in the query, the fragment and
// the user information.
func MaskURL(text string) string {
	text, _, _ = strings.Cut(text, "?")
	text, _, _ = strings.Cut(text, "#")
	scheme, rest, ok := strings.Cut(text, "://")
	if !ok {
		return text
	}
	authority, path, slash := strings.Cut(rest, "/")
	if i := strings.LastIndex(authority, "@"); i >= 0 {
		authority = masked + authority[i:]
	}
	if slash {
		path = "/" + path
	}
	return scheme + "://" + authority + path
}

var (
	secretName  = regexp.MustCompile(`(?i)(token|secret|passw|pwd|credential|auth|bearer|api.?key|access.?key|private.?key|-key$|^-H$|header|cookie|dsn)`)
	secretValue = regexp.MustCompile(`^(sk-|gh[opsu]_|github_pat_|glpat-|xox[abp]-|AKIA|eyJ|Bearer |Basic )`)
	inPath      = regexp.MustCompile(`(?i)(-file|-path|-dir)$`)
)

// MaskCommand is a command as it is shown: the values of flags that look like
// those of secrets, values that look like one, and all of a URL that MaskURL
// leaves out are replaced.
func MaskCommand(command []string) []string {
	shown := slices.Clone(command)
	for i := 1; i < len(shown); i++ {
		name, value, joined := strings.Cut(shown[i], "=")
		flag := strings.HasPrefix(name, "-") || joined
		switch {
		case secretValue.MatchString(shown[i]):
			shown[i] = masked
		case isURL(shown[i]):
			shown[i] = MaskURL(shown[i])
		case flag && joined && (secretName.MatchString(name) && !inPath.MatchString(name) || secretValue.MatchString(value)):
			shown[i] = name + "=" + masked
		case flag && joined && isURL(value):
			shown[i] = name + "=" + MaskURL(value)
		case flag && !joined && i+1 < len(shown) && secretName.MatchString(name) && !inPath.MatchString(name) && !strings.HasPrefix(shown[i+1], "-"):
			i++
			if header, _, ok := strings.Cut(shown[i], ":"); ok && !isURL(shown[i]) {
				shown[i] = header + ": " + masked
			} else {
				shown[i] = masked
			}
		}
	}
	return shown
}

func isURL(text string) bool {
	u, err := url.Parse(text)
	return strings.Contains(text, "://") && (err != nil || u.Scheme != "")
}

// bridges are commands that forward to a URL among their arguments.
var bridges = []string{"shclient", "mcp-remote", "mcp-proxy", "supergateway", "mcp-streamablehttp-client"}

// bridgeURL finds the URL that a command forwards to: the first one after the
// name of a bridge, which may be a package that npx or uvx runs.
func bridgeURL(command []string) string {
	for i, word := range command {
		base := word[strings.LastIndexAny(word, `/\`)+1:]
		base, _, _ = strings.Cut(base, "@")
		for _, end := range []string{".exe", ".cmd"} {
			base = strings.TrimSuffix(base, end)
		}
		if !slices.Contains(bridges, base) {
			continue
		}
		for _, arg := range command[i+1:] {
			if strings.HasPrefix(arg, "https://") || strings.HasPrefix(arg, "http://") {
				return arg
			}
		}
	}
	return ""
}
