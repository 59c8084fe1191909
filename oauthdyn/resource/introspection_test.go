// SPDX-License-Identifier: Apache-2.0

package resource

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/atrawog/mcp-oauth-gateway/oauthdyn"
)

// An endpointFixture is an authorization server that answers introspection
// requests, without sockets.
type endpointFixture struct {
	t      *testing.T
	asked  atomic.Int32
	flying atomic.Int32
	most   atomic.Int32

	mu sync.Mutex
	// mu guards the fields below.
	answer   func(token string) string
	status   int
	slowness time.Duration
}

const activeAnswer = `{"active":true,"sub":"local:alice","aud":"` + testResource + `","scope":"a b","client_id":"client","username":"alice","token_type":"Bearer"}`

func newEndpointFixture(t *testing.T) *endpointFixture {
	return &endpointFixture{t: t, status: 200, answer: func(string) string { return activeAnswer }}
}

func (f *endpointFixture) set(change func()) {
	f.mu.Lock()
	defer f.mu.Unlock()
	change()
}

// RoundTrip implements http.RoundTripper.
func (f *endpointFixture) RoundTrip(req *http.Request) (*http.Response, error) {
	rec := httptest.NewRecorder()
	switch req.URL.String() {
	case testIssuer + oauthdyn.WellKnownServer:
		fmt.Fprintf(rec, `{"issuer":%q,"introspection_endpoint":"%s/introspect"}`, testIssuer, testIssuer)
		return rec.Result(), nil
	case testIssuer + "/introspect":
	default:
		f.t.Errorf("request for %s", req.URL)
		rec.Code = 404
		return rec.Result(), nil
	}
	f.asked.Add(1)
	now := f.flying.Add(1)
	defer f.flying.Add(-1)
	f.most.Store(max(f.most.Load(), now))
	f.mu.Lock()
	answer, status, slowness := f.answer, f.status, f.slowness
	f.mu.Unlock()
	select {
	case <-time.After(slowness):
	case <-req.Context().Done():
		return nil, req.Context().Err()
	}
	if id, secret, ok := req.BasicAuth(); !ok || id != "gate+%2F" || secret != "s%3Acret" {
		f.t.Errorf("authenticates as %q with %q", id, secret)
	}
	if err := req.ParseForm(); err != nil {
		f.t.Error(err)
	}
	if req.Method != "POST" || req.URL.RawQuery != "" || req.PostForm.Get("token_type_hint") != "access_token" {
		f.t.Errorf("%s %s %v", req.Method, req.URL, req.PostForm)
	}
	rec.WriteHeader(status)
	_, _ = io.WriteString(rec, answer(req.PostForm.Get("token")))
	return rec.Result(), nil
}

func (f *endpointFixture) verifier(edits ...func(*IntrospectionOptions)) *IntrospectionVerifier {
	f.t.Helper()
	o := IntrospectionOptions{
		Issuer: testIssuer, ClientID: "gate /", ClientSecret: "s:cret", Audience: testResource,
		HTTPClient: &http.Client{Transport: f}, CacheSize: cacheShards * 4,
	}
	for _, edit := range edits {
		edit(&o)
	}
	v, err := NewIntrospectionVerifier(o)
	if err != nil {
		f.t.Fatal(err)
	}
	return v
}

func (f *endpointFixture) wantAsked(want int32) {
	f.t.Helper()
	if got := f.asked.Load(); got != want {
		f.t.Errorf("asked %d times, want %d", got, want)
	}
}

func TestS96IntrospectionAnswers(t *testing.T) {
	const aud = `"sub":"s","aud":"` + testResource + `"`
	for _, test := range []struct {
		name, answer string
		want         error // nil: fine; errors.ErrUnsupported: any other than ErrInvalidToken
	}{
		{"active", activeAnswer, nil},
		{"least", `{"active":true,` + aud + `}`, nil},
		{"one of several audiences", `{"active":true,"sub":"s","aud":["x","` + testResource + `"]}`, nil},
		{"issuer", `{"active":true,"iss":"` + testIssuer + `",` + aud + `}`, nil},
		{"exp within skew", fmt.Sprintf(`{"active":true,"exp":%d,%s}`, time.Now().Add(-30*time.Second).Unix(), aud), nil},
		{"inactive", `{"active":false}`, ErrInvalidToken},
		{"S96 foreign audience", `{"active":true,"sub":"s","aud":"https://other.example"}`, ErrInvalidToken},
		{"S85 no audience", `{"active":true,"sub":"s"}`, ErrInvalidToken},
		{"S85 audience with a slash", `{"active":true,"sub":"s","aud":"` + testResource + `/"}`, ErrInvalidToken},
		{"S85 other issuer", `{"active":true,"iss":"https://other.example",` + aud + `}`, ErrInvalidToken},
		{"S85 expired", fmt.Sprintf(`{"active":true,"exp":%d,%s}`, time.Now().Add(-2*time.Minute).Unix(), aud), ErrInvalidToken},
		{"S85 not yet", fmt.Sprintf(`{"active":true,"nbf":%d,%s}`, time.Now().Add(2*time.Minute).Unix(), aud), ErrInvalidToken},
		{"no subject", `{"active":true,"aud":"` + testResource + `"}`, ErrInvalidToken},
		{"DPoP token", `{"active":true,"token_type":"DPoP",` + aud + `}`, ErrInvalidToken},
		{"bound to a key", `{"active":true,"cnf":{"jkt":"x"},` + aud + `}`, ErrInvalidToken},
		{"refresh token", `{"active":true,"token_use":"refresh_token",` + aud + `}`, ErrInvalidToken},
		{"nothing about activity", `{` + aud + `}`, ErrInvalidToken},
		{"other case", `{"Active":true,` + aud + `}`, ErrInvalidToken},
		{"text", `{"active":"true",` + aud + `}`, errors.ErrUnsupported},
		{"twice", `{"active":false,"active":true,` + aud + `}`, errors.ErrUnsupported},
		{"HTML", `<html>`, errors.ErrUnsupported},
		{"huge", strings.Repeat(" ", maxDocument) + activeAnswer, errors.ErrUnsupported},
	} {
		t.Run(test.name, func(t *testing.T) {
			f := newEndpointFixture(t)
			f.answer = func(string) string { return test.answer }
			p, err := f.verifier().Verify(t.Context(), "token")
			switch {
			case test.want == nil && (err != nil || p.Issuer != testIssuer || p.Subject == ""):
				t.Errorf("%+v, error %v", p, err)
			case errors.Is(test.want, ErrInvalidToken) && !errors.Is(err, ErrInvalidToken):
				t.Errorf("error %v, want that the token is invalid", err)
			case errors.Is(test.want, errors.ErrUnsupported) && (err == nil || errors.Is(err, ErrInvalidToken)):
				t.Errorf("error %v, want one that is not about the token", err)
			}
			if err != nil && (strings.Contains(err.Error(), "s:cret") || strings.Contains(err.Error(), "s%3Acret")) {
				t.Error("the error shows the secret")
			}
		})
	}
	p, err := newEndpointFixture(t).verifier().Verify(t.Context(), "token")
	if err != nil || p.Username != "alice" || p.ClientID != "client" || !p.HasScopes("a", "b") {
		t.Errorf("principal %+v, error %v", p, err)
	}
}

func TestIntrospectionClientAsSubject(t *testing.T) {
	const aud = `"aud":"` + testResource + `"`
	for _, test := range []struct {
		name, answer, subject string // empty: refused
	}{
		{"neither", `{"active":true,` + aud + `}`, ""},
		{"client", `{"active":true,"client_id":"robot",` + aud + `}`, "robot"},
		{"subject before client", `{"active":true,"client_id":"robot","sub":"s",` + aud + `}`, "s"},
		{"a person without a subject", `{"active":true,"client_id":"robot","username":"alice",` + aud + `}`, ""},
		{"the same otherwise", `{"active":true,"client_id":"robot","preferred_username":"alice",` + aud + `}`, ""},
	} {
		t.Run(test.name, func(t *testing.T) {
			for _, allowed := range []bool{true, false} {
				f := newEndpointFixture(t)
				f.answer = func(string) string { return test.answer }
				p, err := f.verifier(func(o *IntrospectionOptions) { o.ClientAsSubject = allowed }).Verify(t.Context(), "token")
				want := test.subject
				if !allowed && want == "robot" {
					want = ""
				}
				if want == "" {
					wantError(t, test.name, err, ErrInvalidToken)
				} else if err != nil || p.Subject != want {
					t.Errorf("allowed %v: %+v, %v: want %q", allowed, p, err, want)
				}
			}
		})
	}
}

func TestS89IntrospectionIsSharedAndRemembered(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := newEndpointFixture(t)
		f.slowness = time.Second
		v := f.verifier()
		impatient, cancel := context.WithTimeout(t.Context(), time.Millisecond)
		defer cancel()
		var all sync.WaitGroup
		for i := range 50 {
			ctx, want := t.Context(), error(nil)
			if i == 0 {
				ctx, want = impatient, context.DeadlineExceeded
			}
			all.Go(func() {
				_, err := v.Verify(ctx, "token")
				wantError(t, "verify", err, want)
			})
			synctest.Wait() // the impatient one asks, for everybody
		}
		all.Wait()
		f.wantAsked(1)

		// Revoked meanwhile: noticed after MaxAge.
		f.set(func() { f.answer = func(string) string { return `{"active":false}` } })
		time.Sleep(defaultIntrospectionAge - 2*time.Second)
		_, err := v.Verify(t.Context(), "token")
		wantError(t, "remembered", err, nil)
		f.wantAsked(1)
		time.Sleep(2 * time.Second)
		for range 3 { // what is not valid is not remembered
			_, err = v.Verify(t.Context(), "token")
			wantError(t, "revoked", err, ErrInvalidToken)
		}
		f.wantAsked(4)
		if v.cache.len() > 1 || len(v.asking) != 0 {
			t.Errorf("%d tokens and %d questions are kept", v.cache.len(), len(v.asking))
		}

		// Never past the expiry.
		f.set(func() {
			f.slowness = 0
			f.answer = func(string) string {
				return fmt.Sprintf(`{"active":true,"sub":"s","aud":%q,"exp":%d}`, testResource, time.Now().Add(5*time.Second).Unix())
			}
		})
		_, err = v.Verify(t.Context(), "short")
		wantError(t, "short", err, nil)
		time.Sleep(5 * time.Second)
		_, err = v.Verify(t.Context(), "short")
		wantError(t, "short", err, nil)
		f.wantAsked(6)

		every := f.verifier(func(o *IntrospectionOptions) { o.MaxAge = -1 })
		for range 3 {
			_, err = every.Verify(t.Context(), "token")
			wantError(t, "every time", err, nil)
		}
		f.wantAsked(9)
	})
}

func TestS96MadeUpTokensDoNotPileUp(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := newEndpointFixture(t)
		f.answer, f.slowness = func(string) string { return `{"active":false}` }, time.Millisecond
		v := f.verifier()
		var all sync.WaitGroup
		for i := range 1000 {
			all.Go(func() {
				_, err := v.Verify(t.Context(), fmt.Sprint("token", i))
				wantError(t, "made up", err, ErrInvalidToken)
			})
		}
		all.Wait()
		f.wantAsked(1000)
		if most := f.most.Load(); most > maxIntrospections {
			t.Errorf("%d questions at once", most)
		}
		if v.cache.len() != 0 {
			t.Error("made-up tokens are kept")
		}
		_, err := v.Verify(t.Context(), strings.Repeat("a", 9000))
		wantError(t, "long", err, ErrInvalidToken)
		f.wantAsked(1000)
	})
}

func TestIntrospectionPauses(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := newEndpointFixture(t)
		f.status = 502
		v := f.verifier()
		for start := time.Now(); time.Since(start) < time.Minute; time.Sleep(10 * time.Millisecond) {
			if _, err := v.Verify(t.Context(), "token"); err == nil || errors.Is(err, ErrInvalidToken) {
				t.Fatalf("error %v, want one that is not about the token", err)
			}
		}
		f.wantAsked(8) // at 0, .25, .75, 1.75, 3.75, 7.75, 15.75, 31.75 seconds
		f.set(func() { f.status = 200 })
		time.Sleep(maxBackoff)
		_, err := v.Verify(t.Context(), "token")
		wantError(t, "back", err, nil)

		// A token that displeases the server must not shut out the others.
		f.set(func() { f.status = 400 })
		if _, err := v.Verify(t.Context(), "odd"); err == nil || errors.Is(err, ErrInvalidToken) {
			t.Errorf("odd token: %v", err)
		}
		f.set(func() { f.status = 200 })
		_, err = v.Verify(t.Context(), "another")
		wantError(t, "another", err, nil)
	})
}

func TestNewIntrospectionVerifierErrors(t *testing.T) {
	good := IntrospectionOptions{Issuer: testIssuer, ClientID: "c", ClientSecret: "hunter2", Audience: testResource}
	if _, err := NewIntrospectionVerifier(good); err != nil {
		t.Fatal(err)
	}
	if text := fmt.Sprintf("%v %+v %#v %s", good, good, good, &good); strings.Contains(text, "hunter2") {
		t.Errorf("prints as %s", text)
	}
	for name, edit := range map[string]func(*IntrospectionOptions){
		"audience": func(o *IntrospectionOptions) { o.Audience = "" },
		"client":   func(o *IntrospectionOptions) { o.ClientID = "" },
		"issuer":   func(o *IntrospectionOptions) { o.Issuer = "http://auth.example" },
		"endpoint": func(o *IntrospectionOptions) { o.Endpoint = "http://auth.example/introspect" },
	} {
		o := good
		edit(&o)
		if _, err := NewIntrospectionVerifier(o); err == nil {
			t.Errorf("%s: no error", name)
		}
	}
}
