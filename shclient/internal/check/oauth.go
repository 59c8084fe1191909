// SPDX-License-Identifier: Apache-2.0

package check

import (
	"context"
	"encoding/json"
	"net"
	"net/http"
	"net/url"
	"strings"
)

// wall is what a client without a login meets at a protected server.
type wall struct {
	status   int
	header   http.Header
	bearer   map[string]string // parameters of the challenge; nil if there is none
	exchange *Exchange
	names    []string // that the resource may have in its metadata; the first is its URL
	resource *document
	servers  []*document
}

// document is metadata in JSON, or that there are none.
type document struct {
	issuer   string // of an authorization server
	url      string
	exchange *Exchange
	members  map[string]json.RawMessage // nil if there are none
	failures []*Exchange
}

func (d *document) text(name string) string { return text(d.members[name]) }

func (d *document) list(name string) []string {
	var list []string
	_ = json.Unmarshal(d.members[name], &list) // empty then
	return list
}

// show puts the document into the next finding.
func (d *document) show(p *Probe) {
	if d.exchange != nil {
		p.Show(d.exchange)
	}
}

// anonymous is a request of nobody, or of one with the credentials.
func anonymous(method, version, credentials string) HTTPRequest {
	h := http.Header{}
	h.Set("Accept", "application/json, text/event-stream")
	if credentials != "" {
		h.Set("Authorization", credentials)
	}
	r := HTTPRequest{Method: method, Header: h, Anonymous: true}
	if method == http.MethodPost {
		h.Set("Content-Type", "application/json")
		r.Body = requestBytes(json.RawMessage("1"), "initialize", InitializeParams(min(version, V20251125)))
	}
	r.Until = Message.IsResponse
	return r
}

// wall asks without a login, once for all rules and versions. A server that
// wants none is an error made by Skipf.
func (p *Probe) wall(ctx context.Context) (*wall, error) {
	const key = "wall"
	if w, ok := p.run.memory[key].(*wall); ok {
		if w.exchange == nil {
			return nil, Skipf("the server wants no login")
		}
		return w, nil
	}
	resp, err := p.Do(ctx, anonymous(http.MethodPost, p.Version, ""))
	if err != nil {
		return nil, err
	}
	w := &wall{status: resp.Status, header: resp.Header}
	p.run.memory[key] = w
	challenged := resp.Status == http.StatusUnauthorized || resp.Header.Get("WWW-Authenticate") != ""
	if !challenged && p.withoutLogin(resp) {
		return nil, Skipf("the server wants no login")
	}
	w.exchange = resp.Exchange
	w.bearer = bearer(resp.Header.Values("WWW-Authenticate"))
	return w, p.fetchMetadata(ctx, w)
}

// withoutLogin reports whether an answer without a challenge is that of a server
// for everybody: it serves the request, or refuses it as any other server would.
func (p *Probe) withoutLogin(resp *HTTPResponse) bool {
	return resp.Status != http.StatusForbidden && (resp.Status < 300 || resp.Status >= 400)
}

// maxServers are looked at.
const maxServers = 3

// fetchMetadata follows the challenge, or the well-known paths, to the metadata
// of the resource, and those to the authorization servers.
func (p *Probe) fetchMetadata(ctx context.Context, w *wall) error {
	target, err := url.Parse(p.run.target.URL)
	if err != nil {
		return err
	}
	origin := p.origin()
	path := strings.TrimSuffix(target.EscapedPath(), "/")
	w.names = []string{origin + path}
	const wellKnown = "/.well-known/oauth-protected-resource"
	w.resource = p.fetch(ctx, w.bearer["resource_metadata"], origin+wellKnown+path, origin+wellKnown)
	// RFC 9728, section 3.3: the resource is the one whose well-known path this is.
	if u, err := url.Parse(w.resource.url); err == nil && w.resource.members != nil {
		if rest, ok := strings.CutPrefix(u.EscapedPath(), wellKnown); ok && strings.HasPrefix(path, strings.TrimSuffix(rest, "/")) {
			w.names = append(w.names, u.Scheme+"://"+u.Host+strings.TrimSuffix(rest, "/"))
		}
	}
	servers := w.resource.list("authorization_servers")
	for _, issuer := range servers[:min(len(servers), maxServers)] {
		as := &document{issuer: issuer}
		if u, err := url.Parse(issuer); err == nil && p.safe(issuer) {
			origin, path := u.Scheme+"://"+u.Host, strings.TrimSuffix(u.EscapedPath(), "/")
			urls := []string{origin + "/.well-known/oauth-authorization-server" + path, origin + "/.well-known/openid-configuration" + path}
			if path != "" {
				urls = append(urls, origin+path+"/.well-known/openid-configuration")
			}
			as = p.fetch(ctx, urls...)
			as.issuer = issuer
		}
		w.servers = append(w.servers, as)
	}
	return nil
}

// origin is that of the server under test.
func (p *Probe) origin() string {
	u, err := url.Parse(p.run.target.URL)
	if err != nil {
		return ""
	}
	return u.Scheme + "://" + u.Host
}

// fetch takes the first of some URLs that has a JSON object.
func (p *Probe) fetch(ctx context.Context, urls ...string) *document {
	d := &document{}
	for _, at := range urls {
		if at == "" || !p.safe(at) && !strings.HasPrefix(at, p.origin()+"/") {
			continue
		}
		resp, err := p.Do(ctx, HTTPRequest{Method: http.MethodGet, URL: at, Header: http.Header{"Accept": {"application/json"}}, Anonymous: true})
		if err != nil {
			continue // what is not there is told by the rule
		}
		if m := members(resp.Body); m != nil && resp.Status == http.StatusOK && resp.MediaType() == "application/json" {
			d.url, d.exchange, d.members = at, resp.Exchange, m
			return d
		}
		d.failures = append(d.failures, resp.Exchange)
	}
	return d
}

// protected is the check of a rule that looks at the wall.
func protected(look func(*Probe, *wall)) func(context.Context, *Probe) error {
	return func(ctx context.Context, p *Probe) error {
		w, err := p.wall(ctx)
		if err != nil {
			return err
		}
		p.Forget()
		look(p, w)
		return nil
	}
}

// eachServer is the check of a rule on each authorization server.
func eachServer(look func(context.Context, *Probe, *wall, *document) error) func(context.Context, *Probe) error {
	return func(ctx context.Context, p *Probe) error {
		w, err := p.wall(ctx)
		if err != nil {
			return err
		}
		if len(w.servers) == 0 {
			return Skipf("the server names no authorization server")
		}
		for _, as := range w.servers {
			p.Forget()
			if err := look(ctx, p, w, as); err != nil {
				return err
			}
		}
		return nil
	}
}

// safe reports whether a URL that a server names may be asked: it is https, or
// on this machine if the server is.
func (p *Probe) safe(at string) bool {
	u, err := url.Parse(at)
	if err != nil || u.Host == "" {
		return false
	}
	target, err := url.Parse(p.run.target.URL)
	return u.Scheme == "https" || u.Scheme == "http" && err == nil && loopback(u) && loopback(target)
}

func loopback(u *url.URL) bool {
	ip := net.ParseIP(u.Hostname())
	return u.Hostname() == "localhost" || ip != nil && ip.IsLoopback()
}

func withQuery(at string, values map[string]string) string {
	u, err := url.Parse(at)
	if err != nil {
		return at
	}
	q := u.Query()
	for name, value := range values {
		q.Set(name, value)
	}
	u.RawQuery = q.Encode()
	return u.String()
}

// bearer reads the parameters of the Bearer challenge (RFC 9110, section 11.6.1);
// nil if there is none.
func bearer(headers []string) map[string]string {
	for _, header := range headers {
		for rest := header; rest != ""; {
			var scheme string
			var parameters map[string]string
			scheme, parameters, rest = nextChallenge(rest)
			if strings.EqualFold(scheme, "Bearer") {
				return parameters
			}
		}
	}
	return nil
}

// nextChallenge reads one challenge from a header.
func nextChallenge(s string) (scheme string, parameters map[string]string, rest string) {
	s = strings.TrimLeft(s, " \t,")
	end := strings.IndexAny(s, " \t,")
	if end < 0 {
		return s, map[string]string{}, ""
	}
	scheme, s = s[:end], s[end:]
	parameters = map[string]string{}
	for {
		s = strings.TrimLeft(s, " \t,")
		end := strings.IndexAny(s, "= \t,")
		if end < 0 || s[end] != '=' {
			return scheme, parameters, s // the next scheme, or nothing
		}
		name := strings.ToLower(s[:end])
		s = s[end+1:]
		if !strings.HasPrefix(s, `"`) {
			end := strings.IndexAny(s, " \t,")
			if end < 0 {
				end = len(s)
			}
			parameters[name], s = s[:end], s[end:]
			continue
		}
		var value strings.Builder
		i := 1
		for ; i < len(s) && s[i] != '"'; i++ {
			if s[i] == '\\' && i+1 < len(s) {
				i++
			}
			value.WriteByte(s[i])
		}
		parameters[name], s = value.String(), s[min(i+1, len(s)):]
	}
}
