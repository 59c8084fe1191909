// SPDX-License-Identifier: Apache-2.0

package github

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"

	"github.com/atrawog/mcp-oauth-gateway/oauthdyn/authserver/login/allow"
	"github.com/atrawog/mcp-oauth-gateway/oauthdyn/authserver/login/internal/upstream"
)

const (
	apiVersion = "2022-11-28"
	maxPages   = 20 // of 100 organisations or addresses
	longWait   = time.Hour
	shortWait  = time.Minute // when GitHub does not say how long
)

// api asks GitHub's REST API.
type api struct {
	client        *http.Client
	url           string
	organisations bool // are asked for
	emails        bool
}

// apiError is a reply that is not 200.
type apiError struct {
	path   string
	status int
	after  time.Duration // set if the request was one too many
}

func (e *apiError) Error() string {
	if e.after > 0 {
		return fmt.Sprintf("GET %s: rate limit reached, for %v", e.path, e.after)
	}
	return fmt.Sprintf("GET %s: %d %s", e.path, e.status, http.StatusText(e.status))
}

// apiProblem explains to the person what went wrong.
func apiProblem(err error) error {
	e, ok := errors.AsType[*apiError](err)
	switch {
	case !ok:
	case e.after > 0:
		return &upstream.Problem{
			Status: http.StatusServiceUnavailable,
			Text:   fmt.Sprintf("GitHub has answered too many questions. Try again in %d minutes.", int(e.after/time.Minute)+1),
			After:  e.after,
			Err:    err,
		}
	case e.status == http.StatusUnauthorized:
		return &upstream.Problem{Status: http.StatusForbidden, Text: "GitHub does not let this server see your account any more.", Err: err}
	case e.status == http.StatusForbidden:
		return &upstream.Problem{Status: http.StatusForbidden, Text: "GitHub does not let this server see your account. It may be suspended, or its organisation may not allow the app.", Err: err}
	}
	return upstream.Unreachable(name, err)
}

// person returns who a token belongs to. The second result reports that GitHub
// leaves out organisations, because the person has not signed in to them.
func (a *api) person(ctx context.Context, token string) (p allow.Person, sso bool, err error) {
	var user struct {
		ID    int64  `json:"id"`
		Login string `json:"login"`
	}
	if _, err := a.get(ctx, token, a.url+"/user", &user); err != nil {
		return p, false, err
	}
	if user.ID <= 0 || user.Login == "" {
		return p, false, errors.New("GET /user: the reply has no id or login")
	}
	p = allow.Person{ID: strconv.FormatInt(user.ID, 10), Login: user.Login}
	if a.organisations {
		if sso, err = a.addOrganisations(ctx, token, &p); err != nil {
			return p, false, err
		}
	}
	if a.emails {
		err = a.addEmails(ctx, token, &p)
	}
	return p, sso, err
}

func (a *api) addOrganisations(ctx context.Context, token string, p *allow.Person) (sso bool, err error) {
	type organisation struct {
		ID    int64  `json:"id"`
		Login string `json:"login"`
	}
	header, err := list(ctx, a, token, "/user/orgs", func(o organisation) {
		if o.ID > 0 && o.Login != "" {
			p.Groups = append(p.Groups, strings.ToLower(o.Login), "id:"+strconv.FormatInt(o.ID, 10))
		}
	})
	return strings.HasPrefix(header.Get("X-GitHub-SSO"), "partial-results"), err
}

func (a *api) addEmails(ctx context.Context, token string, p *allow.Person) error {
	type email struct {
		Email    string `json:"email"`
		Verified bool   `json:"verified"`
	}
	_, err := list(ctx, a, token, "/user/emails", func(e email) {
		if e.Verified {
			p.Emails = append(p.Emails, e.Email)
		}
	})
	return err
}

// list reads all pages of a list, and returns the header of the first.
func list[T any](ctx context.Context, a *api, token, path string, each func(T)) (first http.Header, err error) {
	next := a.url + path + "?per_page=100"
	for range maxPages {
		var items []T
		header, err := a.get(ctx, token, next, &items)
		if err != nil {
			return nil, err
		}
		if first == nil {
			first = header
		}
		for _, item := range items {
			each(item)
		}
		if next = nextPage(header); next == "" {
			return first, nil
		}
	}
	return nil, fmt.Errorf("GET %s: more than %d pages", path, maxPages)
}

// nextPage returns the address of the next page: RFC 8288.
func nextPage(header http.Header) string {
	for link := range strings.SplitSeq(strings.Join(header.Values("Link"), ","), ",") {
		address, params, _ := strings.Cut(strings.TrimSpace(link), ">")
		for param := range strings.SplitSeq(params, ";") {
			if strings.TrimSpace(param) == `rel="next"` {
				return strings.TrimPrefix(address, "<")
			}
		}
	}
	return ""
}

// get reads the JSON at an address of the API. A token goes nowhere else.
func (a *api) get(ctx context.Context, token, address string, v any) (http.Header, error) {
	u, err := url.Parse(address)
	if err != nil || !strings.HasPrefix(address, a.url+"/") {
		return nil, errors.New("GitHub named an address that is not its API's")
	}
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, address, nil)
	if err != nil {
		return nil, err
	}
	req.Header.Set("Authorization", "Bearer "+token)
	req.Header.Set("Accept", "application/vnd.github+json")
	req.Header.Set("X-GitHub-Api-Version", apiVersion)
	res, err := a.client.Do(req)
	if err != nil {
		return nil, err
	}
	defer res.Body.Close()
	if res.StatusCode != http.StatusOK {
		return nil, &apiError{path: u.Path, status: res.StatusCode, after: retryAfter(res)}
	}
	if err := json.NewDecoder(res.Body).Decode(v); err != nil {
		return nil, fmt.Errorf("GET %s: %w", u.Path, err)
	}
	return res.Header, nil
}

// retryAfter returns how long GitHub asks to wait: 0 unless the reply is about a
// rate limit.
func retryAfter(res *http.Response) time.Duration {
	if res.StatusCode != http.StatusForbidden && res.StatusCode != http.StatusTooManyRequests {
		return 0
	}
	wait := time.Duration(0)
	if seconds, err := strconv.Atoi(res.Header.Get("Retry-After")); err == nil { // secondary limits
		wait = time.Duration(min(max(seconds, 0), int(longWait/time.Second))) * time.Second
	} else if res.Header.Get("X-RateLimit-Remaining") == "0" {
		if reset, err := strconv.ParseInt(res.Header.Get("X-RateLimit-Reset"), 10, 64); err == nil {
			wait = time.Until(time.Unix(reset, 0))
		}
	} else if res.StatusCode == http.StatusForbidden {
		return 0
	}
	return min(max(wait, shortWait), longWait)
}
