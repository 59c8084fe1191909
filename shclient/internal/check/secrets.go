// SPDX-License-Identifier: Apache-2.0

package check

import (
	"net/http"
	"regexp"
	"slices"
	"strings"
	"sync"
)

// Secrets knows what must not stand in a report: tokens and the values of the
// user's headers as they go over the wire, and variables of the environment that
// sound secret. It is safe for concurrent use.
type Secrets struct {
	mu     sync.Mutex
	values []string // mu guards it; the longest first
}

// minSecret is the length of the shortest text that is taken for a secret;
// shorter ones stand anywhere by chance.
const minSecret = 6

var secretName = regexp.MustCompile(`(?i)(token|secret|passw|api_?key|credential|private)`)

// NewSecrets begins with those of an environment, as os.Environ gives it, which
// commands inherit.
func NewSecrets(environ []string) *Secrets {
	s := &Secrets{}
	for _, v := range environ {
		if name, value, _ := strings.Cut(v, "="); secretName.MatchString(name) {
			s.Add(value)
		}
	}
	return s
}

// Add remembers a secret.
func (s *Secrets) Add(value string) {
	if len(value) < minSecret {
		return
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if !slices.Contains(s.values, value) {
		s.values = append(s.values, value)
		slices.SortFunc(s.values, func(a, b string) int { return len(b) - len(a) })
	}
}

// Watch returns a RoundTripper that stands next to the network, and remembers
// the values of the headers that grant access.
func (s *Secrets) Watch(base http.RoundTripper) http.RoundTripper {
	return watcher{s, base}
}

type watcher struct {
	secrets *Secrets
	base    http.RoundTripper
}

func (w watcher) RoundTrip(req *http.Request) (*http.Response, error) {
	for _, name := range []string{"Authorization", "Proxy-Authorization", "Dpop", "Cookie"} {
		for _, value := range req.Header[name] {
			if _, token, ok := strings.Cut(value, " "); ok && name != "Cookie" {
				value = token
			}
			w.secrets.Add(value)
		}
	}
	return w.base.RoundTrip(req)
}

// redact takes the secrets out of text.
func (s *Secrets) redact(text string) string {
	if s == nil {
		return text
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, value := range s.values {
		text = strings.ReplaceAll(text, value, "[redacted]")
	}
	return text
}
