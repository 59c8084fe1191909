// SPDX-License-Identifier: Apache-2.0

package cli_test

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"math/rand/v2"
	"net/http"
	"net/url"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"golang.org/x/oauth2"

	"github.com/atrawog/mcp-oauth-gateway/oauthdyn"
	"github.com/atrawog/mcp-oauth-gateway/oauthdyn/oauthdyntest/browser"
)

// A visitor is a person with a browser and many clients, one after the other.
type visitor struct {
	s      *site
	name   string
	number int
	http   *http.Client
	person *browser.Browser
	kept   []login // whose refresh token must work at the end
	ended  []login // whose refresh token must not
}

// A login is what a client has of a grant, and how it ended if it did.
type login struct{ client, access, refresh, ended string }

func newVisitor(s *site, i int) *visitor {
	return &visitor{s: s, name: fmt.Sprint("visitor ", i), http: &http.Client{Transport: s.balancer, Timeout: patience}}
}

// visit lives until the budget of operations is used up.
func (v *visitor) visit() {
	for v.s.budget.Load() > 0 && !v.s.t.Failed() {
		v.live()
	}
}

// did counts an operation.
func (v *visitor) did(what *atomic.Int64) {
	what.Add(1)
	v.s.budget.Add(-1)
}

// live is the life of a client.
func (v *visitor) live() {
	client, ok := v.register()
	if !ok {
		return
	}
	code, ok := v.authorize(client)
	if !ok {
		return
	}
	if rand.IntN(10) == 0 {
		v.redeemTwice(client, code)
		return
	}
	l, ok := v.redeem(client, code)
	if !ok {
		return
	}
	for range 2 + rand.IntN(8) {
		if rand.IntN(5) == 0 {
			ok = v.refreshTwice(&l)
		} else {
			ok = v.refresh(&l)
		}
		if !ok {
			return
		}
		if rand.IntN(3) == 0 {
			v.introspect(l.access, true)
		}
	}
	if rand.IntN(4) == 0 {
		v.revoke(l)
		return
	}
	v.kept = append(v.kept, l)
}

// settle looks at the end whether every refresh token is as it should be.
func (v *visitor) settle() {
	for _, l := range v.kept {
		if v.refresh(&l) {
			v.introspect(l.access, true)
			v.s.verified.Add(1)
		}
	}
	for _, l := range v.ended {
		v.refused(l)
		v.introspect(l.access, false)
		v.s.verified.Add(1)
	}
}

// ask sends a request again and again until it gets an answer for which the
// server has not failed; then it decodes it. Not again means that one failure
// ends it.
func (v *visitor) ask(method, path string, header map[string]string, body string, reply any, again bool) (status int) {
	for started := time.Now(); ; {
		status, data, err := v.send(method, "http://"+v.s.replicas[0].addr+path, header, body)
		if err == nil && status < 500 {
			if err := json.Unmarshal(data, reply); err != nil && len(data) > 0 {
				v.s.t.Errorf("%s: %d %s", path, status, data)
			}
			return status
		}
		v.s.failures.Add(1)
		if time.Since(started) > patience {
			v.s.t.Errorf("%s: there is no good answer: %d %v %s", path, status, err, data)
		}
		if !again || v.s.t.Failed() {
			return 0
		}
		time.Sleep(10 * time.Millisecond) // between two attempts
	}
}

func (v *visitor) send(method, address string, header map[string]string, body string) (int, []byte, error) {
	req, err := http.NewRequest(method, address, strings.NewReader(body))
	if err != nil {
		return 0, nil, err
	}
	for name, value := range header {
		req.Header.Set(name, value)
	}
	res, err := v.http.Do(req)
	if err != nil {
		return 0, nil, err
	}
	defer res.Body.Close()
	data, err := io.ReadAll(res.Body)
	return res.StatusCode, data, err
}

var formType = map[string]string{"Content-Type": "application/x-www-form-urlencoded"}

func (v *visitor) register() (id string, ok bool) {
	v.number++
	var reply oauthdyn.ClientInformation
	status := v.ask("POST", "/register", map[string]string{"Content-Type": "application/json"}, fmt.Sprintf(
		`{"redirect_uris":[%q],"token_endpoint_auth_method":"none","client_name":"client %d of %s"}`, killCallback, v.number, v.name), &reply, true)
	if status != http.StatusCreated {
		v.s.t.Errorf("register: %d", status)
		return "", false
	}
	v.did(&v.s.registered)
	return reply.ClientID, true
}

// authorize signs the person in, if the browser has no session, and consents. If
// that fails, she begins anew.
func (v *visitor) authorize(client string) (code string, ok bool) {
	address := "http://" + v.s.replicas[0].addr + "/authorize?" + url.Values{
		"response_type": {"code"}, "client_id": {client}, "redirect_uri": {killCallback}, "resource": {killResource},
		"code_challenge": {oauth2.S256ChallengeFromVerifier(killVerifier)}, "code_challenge_method": {"S256"},
	}.Encode()
	for started := time.Now(); ; {
		if v.person == nil || rand.IntN(50) == 0 {
			v.person = &browser.Browser{Username: "alice", Password: "correct horse", Client: &http.Client{Transport: v.s.balancer, Timeout: patience}}
		}
		at, err := v.person.Authorize(context.Background(), address)
		if err == nil {
			if code = at.Query().Get("code"); code != "" {
				v.did(&v.s.authorized)
				return code, true
			}
			err = fmt.Errorf("%s", at.Query().Get("error"))
		}
		v.s.failures.Add(1)
		v.person = nil
		if time.Since(started) > patience {
			v.s.t.Errorf("authorize: %v", err)
		}
		if v.s.t.Failed() {
			return "", false
		}
		time.Sleep(10 * time.Millisecond) // between two attempts
	}
}

// tokens is an answer of the token endpoint.
type tokens struct {
	Access  string `json:"access_token"`
	Refresh string `json:"refresh_token"`
	Error   string `json:"error"`
}

func (v *visitor) sendCode(client, code string) (status int, reply tokens) {
	status = v.ask("POST", "/token", formType, url.Values{
		"grant_type": {oauthdyn.GrantAuthorizationCode}, "client_id": {client}, "code": {code}, "code_verifier": {killVerifier},
		"redirect_uri": {killCallback},
	}.Encode(), &reply, false)
	if status == http.StatusOK {
		v.s.gotTokens(code)
		v.did(&v.s.redeemed)
	}
	return status, reply
}

// redeem gets tokens. Without an answer it gives up: the code may be used.
func (v *visitor) redeem(client, code string) (l login, ok bool) {
	switch status, reply := v.sendCode(client, code); {
	case status == http.StatusOK:
		return login{client: client, access: reply.Access, refresh: reply.Refresh}, true
	case status != 0:
		v.s.t.Errorf("redeem: %d %s", status, reply.Error)
	default:
		v.s.abandoned.Add(1)
	}
	return login{}, false
}

// redeemTwice sends a code to both replicas at once: one wins, and since the
// other one shows that somebody has stolen the code, the grant ends.
func (v *visitor) redeemTwice(client, code string) {
	var (
		statuses [2]int
		replies  [2]tokens
		both     sync.WaitGroup
	)
	for i := range 2 {
		both.Go(func() { statuses[i], replies[i] = v.sendCode(client, code) })
	}
	both.Wait()
	for i := range 2 {
		if statuses[i] == http.StatusOK && statuses[1-i] == http.StatusBadRequest {
			v.s.replayed.Add(1)
			v.ended = append(v.ended, login{
				client: client, access: replies[i].Access, refresh: replies[i].Refresh,
				ended: "its code was sent twice, and refused with " + replies[1-i].Error,
			})
			return
		}
	}
	if statuses[0] != 0 && statuses[1] != 0 {
		v.s.t.Errorf("a code was sent twice: %v", statuses)
	}
	v.s.abandoned.Add(1)
}

// refresh exchanges the refresh token. If the answer is lost it comes again.
func (v *visitor) refresh(l *login) bool {
	started := time.Now()
	var reply tokens
	status := v.ask("POST", "/token", formType, url.Values{
		"grant_type": {oauthdyn.GrantRefreshToken}, "client_id": {l.client}, "refresh_token": {l.refresh},
	}.Encode(), &reply, true)
	switch {
	case status == http.StatusOK:
		v.s.exchanged(l.refresh, reply.Refresh)
		l.access, l.refresh = reply.Access, reply.Refresh
		v.did(&v.s.refreshed)
		return true
	case time.Since(started) > clientsRepeat:
		v.s.late.Add(1)
	default:
		v.s.t.Errorf("a refresh token is lost: %d %s", status, reply.Error)
	}
	return false
}

// refreshTwice sends a refresh token to both replicas at once, as two processes
// with one credential file would.
func (v *visitor) refreshTwice(l *login) bool {
	logins, oks := [2]login{*l, *l}, [2]bool{}
	var both sync.WaitGroup
	for i := range 2 {
		both.Go(func() { oks[i] = v.refresh(&logins[i]) })
	}
	both.Wait()
	v.s.repeated.Add(1)
	*l = logins[0]
	return oks[0] && oks[1]
}

// refused checks that a refresh token is no good.
func (v *visitor) refused(l login) {
	var reply tokens
	status := v.ask("POST", "/token", formType, url.Values{
		"grant_type": {oauthdyn.GrantRefreshToken}, "client_id": {l.client}, "refresh_token": {l.refresh},
	}.Encode(), &reply, true)
	if status != http.StatusBadRequest || reply.Error != oauthdyn.CodeInvalidGrant {
		v.s.t.Errorf("a refresh token that should be refused, since %s: %d %s", l.ended, status, reply.Error)
	}
}

func (v *visitor) introspect(token string, active bool) {
	req, err := http.NewRequest("POST", "/", nil)
	if err != nil {
		v.s.t.Error(err)
		return
	}
	req.SetBasicAuth("mcp", url.QueryEscape(replicasSecret))
	var reply struct{ Active bool }
	status := v.ask("POST", "/introspect", map[string]string{"Content-Type": formType["Content-Type"], "Authorization": req.Header.Get("Authorization")},
		url.Values{"token": {token}}.Encode(), &reply, true)
	if status != http.StatusOK || reply.Active != active {
		v.s.t.Errorf("introspect: %d, active %v, want %v", status, reply.Active, active)
	}
	v.did(&v.s.introspected)
}

// revoke ends a grant and waits until both replicas refuse its access token.
func (v *visitor) revoke(l login) {
	epoch := v.s.faults.Load()
	if status := v.ask("POST", "/revoke", formType, url.Values{"client_id": {l.client}, "token": {l.refresh}}.Encode(), &struct{}{}, true); status != http.StatusOK {
		v.s.t.Errorf("revoke: %d", status)
		return
	}
	v.did(&v.s.revoked)
	started := time.Now()
	for _, r := range v.s.replicas {
		v.waitRefused(r, l.access)
	}
	if epoch%2 == 0 && v.s.faults.Load() == epoch {
		v.s.mu.Lock()
		v.s.delays = append(v.s.delays, time.Since(started))
		v.s.mu.Unlock()
	}
	l.ended = "it was revoked"
	v.ended = append(v.ended, l)
}

// waitRefused waits until a replica refuses a token, as a reverse proxy asks it.
func (v *visitor) waitRefused(r *replica, token string) {
	for started := time.Now(); !v.s.t.Failed(); time.Sleep(5 * time.Millisecond) { // between two questions
		req, err := http.NewRequest("GET", "http://"+r.addr+"/verify", nil)
		if err != nil {
			v.s.t.Error(err)
			return
		}
		u, _ := url.Parse(killResource)
		for name, value := range map[string]string{
			"Authorization": "Bearer " + token, "X-Forwarded-Method": "GET", "X-Forwarded-Proto": u.Scheme, "X-Forwarded-Host": u.Host, "X-Forwarded-Uri": u.Path,
		} {
			req.Header.Set(name, value)
		}
		if res, err := r.client.Do(req); err == nil {
			_ = res.Body.Close()
			if res.StatusCode == http.StatusUnauthorized {
				return
			}
			if res.StatusCode != http.StatusOK {
				v.s.t.Errorf("verify: %s", res.Status)
			}
		}
		if time.Since(started) > patience {
			v.s.t.Error("a replica does not learn that a token was revoked")
		}
	}
}
