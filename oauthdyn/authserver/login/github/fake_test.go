// SPDX-License-Identifier: Apache-2.0

package github_test

import (
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"
)

const (
	clientID     = "Ov23liFAKE"
	clientSecret = "the-secret-of-the-app"
)

// A fake behaves like a GitHub Enterprise Server, as its documentation says: the
// web application flow, /user, /user/orgs and /user/emails.
type fake struct {
	*httptest.Server
	t        *testing.T
	callback string // registered at the app

	mu sync.Mutex
	// mu guards the fields below.
	user     account
	deny     bool     // the person clicks Cancel
	withheld string   // a scope that the person does not grant
	fail     failure  // of the API
	prompts  []string // of authorization requests
	codes    map[string]grant
	tokens   map[string]grant
	calls    map[string]int // of the API, by path
	forms    []url.Values   // of the token endpoint
}

type account struct {
	ID     int64
	Login  string
	Orgs   []org
	Emails []email
	SSO    bool
}

type org struct {
	ID    int64  `json:"id"`
	Login string `json:"login"`
}

type email struct {
	Email    string `json:"email"`
	Primary  bool   `json:"primary"`
	Verified bool   `json:"verified"`
}

type grant struct {
	scopes    []string
	challenge string
	id        int64
}

type failure struct {
	path   string
	status int
	header map[string]string
	body   string
}

func newFake(t *testing.T) *fake {
	f := &fake{t: t, codes: map[string]grant{}, tokens: map[string]grant{}, calls: map[string]int{},
		user: account{ID: 583231, Login: "Octocat"}}
	mux := http.NewServeMux()
	mux.HandleFunc("GET /login/oauth/authorize", f.authorize)
	mux.HandleFunc("POST /login/oauth/access_token", f.accessToken)
	mux.HandleFunc("GET /api/v3/user", f.api("", func() any {
		return map[string]any{"id": f.user.ID, "login": f.user.Login, "email": nil, "type": "User"}
	}))
	mux.HandleFunc("GET /api/v3/user/orgs", f.api("read:org", func() any { return f.user.Orgs }))
	mux.HandleFunc("GET /api/v3/user/emails", f.api("user:email", func() any { return f.user.Emails }))
	f.Server = httptest.NewServer(mux)
	t.Cleanup(f.Close)
	return f
}

// set changes the fake between requests.
func (f *fake) set(change func()) {
	f.mu.Lock()
	defer f.mu.Unlock()
	change()
}

// authorize is the page on which the person has allowed the app before.
func (f *fake) authorize(w http.ResponseWriter, r *http.Request) {
	f.mu.Lock()
	defer f.mu.Unlock()
	q := r.URL.Query()
	f.prompts = append(f.prompts, q.Get("prompt"))
	if q.Get("client_id") != clientID || q.Get("redirect_uri") != f.callback || q.Get("code_challenge_method") != "S256" {
		f.t.Errorf("authorization request %v", q)
		http.Error(w, "bad request", http.StatusBadRequest)
		return
	}
	reply := url.Values{"state": {q.Get("state")}}
	if f.deny {
		reply.Set("error", "access_denied")
		reply.Set("error_description", "The user has denied your application access.")
		reply.Set("error_uri", "https://docs.github.com/")
	} else {
		code := rand.Text()
		scopes := strings.Fields(q.Get("scope"))
		scopes = slices.DeleteFunc(scopes, func(s string) bool { return s == f.withheld })
		f.codes[code] = grant{scopes, q.Get("code_challenge"), f.user.ID}
		reply.Set("code", code)
	}
	http.Redirect(w, r, f.callback+"?"+reply.Encode(), http.StatusFound)
}

// accessToken answers with status 200 also when it refuses.
func (f *fake) accessToken(w http.ResponseWriter, r *http.Request) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if r.ParseForm() != nil {
		f.t.Error("malformed form")
	}
	f.forms = append(f.forms, r.PostForm)
	reply := func(values map[string]string) {
		if r.Header.Get("Accept") == "application/json" {
			w.Header().Set("Content-Type", "application/json; charset=utf-8")
			_ = json.NewEncoder(w).Encode(values)
			return
		}
		form := url.Values{}
		for k, v := range values {
			form.Set(k, v)
		}
		w.Header().Set("Content-Type", "application/x-www-form-urlencoded; charset=utf-8")
		_, _ = w.Write([]byte(form.Encode()))
	}
	refuse := func(code, description string) {
		reply(map[string]string{"error": code, "error_description": description, "error_uri": "https://docs.github.com/"})
	}
	g, known := f.codes[r.PostForm.Get("code")]
	sum := sha256.Sum256([]byte(r.PostForm.Get("code_verifier")))
	switch {
	case r.PostForm.Get("client_id") != clientID || r.PostForm.Get("client_secret") != clientSecret:
		refuse("incorrect_client_credentials", "The client_id and/or client_secret passed are incorrect.")
		return
	case r.PostForm.Get("redirect_uri") != f.callback:
		refuse("redirect_uri_mismatch", "The redirect_uri MUST match the registered callback URL for this application.")
		return
	case !known || base64.RawURLEncoding.EncodeToString(sum[:]) != g.challenge:
		refuse("bad_verification_code", "The code passed is incorrect or expired.")
		return
	}
	delete(f.codes, r.PostForm.Get("code"))
	token := "gho_" + rand.Text()
	f.tokens[token] = g
	reply(map[string]string{"access_token": token, "token_type": "bearer", "scope": strings.Join(g.scopes, ",")})
}

// api answers requests with a token that has a scope, in pages.
func (f *fake) api(scope string, answer func() any) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		f.mu.Lock()
		defer f.mu.Unlock()
		f.calls[r.URL.Path]++
		token, _ := strings.CutPrefix(r.Header.Get("Authorization"), "Bearer ")
		g, known := f.tokens[token]
		message := func(status int, text string) {
			w.Header().Set("Content-Type", "application/json; charset=utf-8")
			w.WriteHeader(status)
			fmt.Fprintf(w, `{"message":%q,"documentation_url":"https://docs.github.com/rest","status":"%d"}`, text, status)
		}
		switch {
		case r.Header.Get("User-Agent") == "" || strings.HasPrefix(r.Header.Get("User-Agent"), "Go-http-client"):
			message(http.StatusForbidden, "Request forbidden by administrative rules. Please make sure your request has a User-Agent header")
			return
		case f.fail.status != 0 && strings.HasSuffix(r.URL.Path, f.fail.path):
			for name, value := range f.fail.header {
				w.Header().Set(name, value)
			}
			if f.fail.body != "" {
				w.WriteHeader(f.fail.status)
				_, _ = w.Write([]byte(f.fail.body))
				return
			}
			message(f.fail.status, "something is wrong")
			return
		case !known || g.id != f.user.ID:
			message(http.StatusUnauthorized, "Bad credentials")
			return
		case scope != "" && !slices.Contains(g.scopes, scope):
			message(http.StatusForbidden, "You need at least "+scope+" scope")
			return
		}
		w.Header().Set("X-RateLimit-Remaining", "4999")
		w.Header().Set("X-RateLimit-Reset", strconv.FormatInt(time.Now().Add(time.Hour).Unix(), 10))
		w.Header().Set("Content-Type", "application/json; charset=utf-8")
		if f.user.SSO && scope == "read:org" {
			w.Header().Set("X-GitHub-SSO", "partial-results; organizations=21955855,20582480")
		}
		_ = json.NewEncoder(w).Encode(f.page(w, r, answer()))
	}
}

// page cuts lists, as the parameters say, and links to the next page.
func (f *fake) page(w http.ResponseWriter, r *http.Request, all any) any {
	switch all := all.(type) {
	case []org:
		return cut(f, w, r, all)
	case []email:
		return cut(f, w, r, all)
	}
	return all
}

func cut[T any](f *fake, w http.ResponseWriter, r *http.Request, all []T) []T {
	size, err := strconv.Atoi(r.URL.Query().Get("per_page"))
	if err != nil || size > 100 {
		size = 30
	}
	number := max(1, func() int { n, _ := strconv.Atoi(r.URL.Query().Get("page")); return n }())
	link := func(page int, rel string) string {
		return fmt.Sprintf(`<%s%s?per_page=%d&page=%d>; rel=%q`, f.URL, r.URL.Path, size, page, rel)
	}
	if last := (len(all) + size - 1) / size; number < last {
		w.Header().Set("Link", link(number+1, "next")+", "+link(last, "last"))
	} else if last > 1 {
		w.Header().Set("Link", link(number-1, "prev")+", "+link(1, "first"))
	}
	first := min(len(all), (number-1)*size)
	return append([]T{}, all[first:min(len(all), first+size)]...)
}
