// SPDX-License-Identifier: Apache-2.0

package oauthdyn

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"sync/atomic"
	"testing"
	"time"
)

// deviceServer is a fake whose person says yes at the third poll, unless answer
// says otherwise.
func deviceServer(t *testing.T, answer func(poll int64) *Error) *fake {
	f := newFake(t)
	delete(f.serverMetadata, "authorization_endpoint")
	f.serverMetadata["device_authorization_endpoint"] = f.URL + "/device"
	f.replace("/device", func(w http.ResponseWriter, r *http.Request) {
		_ = r.ParseForm()
		f.mu.Lock()
		_, known := f.clients[r.PostForm.Get("client_id")]
		f.asked = append(f.asked, r.PostForm)
		f.mu.Unlock()
		if !known {
			writeJSON(w, 401, &Error{Code: CodeInvalidClient})
			return
		}
		writeJSON(w, 200, map[string]any{
			"device_code": "device-hush", "user_code": "WDJB-MJHT", "verification_uri": f.URL + "/enter",
			"verification_uri_complete": f.URL + "/enter?code=WDJB-MJHT", "expires_in": 60, "interval": 0.01,
		})
	})
	var polls atomic.Int64
	f.replace("/token", func(w http.ResponseWriter, r *http.Request) {
		_ = r.ParseForm()
		if r.PostForm.Get("grant_type") == GrantDeviceCode {
			if e := answer(polls.Add(1)); e != nil {
				writeJSON(w, 400, e)
				return
			}
		}
		f.serveToken(w, r)
	})
	return f
}

func afterThree(poll int64) *Error {
	if poll < 3 {
		return &Error{Code: CodeAuthorizationPending}
	}
	return nil
}

func TestDeviceCode(t *testing.T) {
	f := deviceServer(t, afterThree)
	f.resourceMetadata["scopes_supported"] = []string{"read"}
	store := NewMemoryStore()
	var shown DeviceAuthorization
	var left time.Duration
	with := func(c *Config) {
		c.Store, c.OpenURL = store, nil
		c.Flow = DeviceCode{Prompt: func(_ context.Context, a DeviceAuthorization) error {
			shown, left = a, time.Until(a.Expires)
			return nil
		}}
	}
	c := f.client(with)
	if status, _ := get(t, c.HTTPClient(), f.resource()); status != 200 {
		t.Fatalf("status %d", status)
	}
	if shown.UserCode != "WDJB-MJHT" || shown.VerificationURI != f.URL+"/enter" || !strings.HasPrefix(shown.VerificationURIComplete, f.URL) ||
		left < 30*time.Second || left > time.Minute {
		t.Errorf("shown %#v", shown)
	}
	if text := fmt.Sprintf("%v %+v", shown, &shown); strings.Contains(text, "WDJB") {
		t.Errorf("prints as %s", text)
	}
	if q := f.lastAsked(); q.Get("scope") != "read" || q.Get("resource") != f.resource() {
		t.Errorf("asked %v", q)
	}
	if form := f.lastForm(); form.Get("device_code") != "device-hush" || form.Get("resource") != f.resource() {
		t.Errorf("sent %v", form)
	}
	m := f.regs[0]
	if grants := fmt.Sprint(m["grant_types"]); !strings.Contains(grants, GrantDeviceCode) ||
		fmt.Sprint(m["redirect_uris"], m["response_types"]) != "[] []" {
		t.Errorf("registered %v", m)
	}
	// The registration is used again, and replaced once when it is forgotten.
	if _, err := f.client(with).Authenticate(t.Context()); err != nil || f.count("POST /register") != 1 {
		t.Errorf("%v after %d registrations", err, f.count("POST /register"))
	}
	f.forget()
	if _, err := f.client(with).Authenticate(t.Context()); err != nil || f.count("POST /register") != 2 {
		t.Errorf("%v after %d registrations", err, f.count("POST /register"))
	}
	// Nor does it matter that the server refuses a metadata document.
	f.serverMetadata["client_id_metadata_document_supported"] = true
	if _, err := f.client(with, func(c *Config) { c.ClientMetadataURL = documentURL }).Authenticate(t.Context()); err != nil || f.count("POST /register") != 2 {
		t.Errorf("%v after %d registrations", err, f.count("POST /register"))
	}
}

func TestDeviceCodeFails(t *testing.T) {
	yes := func(int64) *Error { return nil }
	device := func(change url.Values) func(*fake) {
		return func(f *fake) {
			answer := map[string]any{"device_code": "d", "user_code": "u", "verification_uri": f.URL, "expires_in": 60, "interval": 0.01}
			for name := range change {
				answer[name] = change.Get(name)
			}
			f.json("/device", answer)
		}
	}
	tests := []struct {
		name   string
		answer func(int64) *Error
		set    func(*fake)
		want   string
	}{
		{"declined", func(int64) *Error { return &Error{Code: CodeAccessDenied} }, nil, CodeAccessDenied},
		{"expired", func(int64) *Error { return &Error{Code: CodeExpiredToken} }, nil, CodeExpiredToken},
		{"nobody came", func(int64) *Error { return &Error{Code: CodeAuthorizationPending} }, device(url.Values{"expires_in": {"0.05"}}), "in time"},
		{"not offered", yes, func(f *fake) { delete(f.serverMetadata, "device_authorization_endpoint") }, "device_authorization_endpoint"},
		{"script", yes, device(url.Values{"verification_uri": {"javascript:alert(1)"}}), "verification page"},
		{"control characters", yes, device(url.Values{"user_code": {"a\x1b[2J"}}), "no usable codes"},
		{"no code", yes, device(url.Values{"device_code": {""}}), "no usable codes"},
		{"long code", yes, device(url.Values{"user_code": {strings.Repeat("a", 200)}}), "no usable codes"},
		{"refused", yes, func(f *fake) { f.status("/device", 403) }, "Forbidden"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			f := deviceServer(t, tt.answer)
			if tt.set != nil {
				tt.set(f)
			}
			_, err := f.client(func(c *Config) {
				c.Flow = DeviceCode{Prompt: func(context.Context, DeviceAuthorization) error { return nil }}
			}).Authenticate(t.Context())
			wantError(t, err, tt.want)
			if strings.Contains(err.Error(), "hush") {
				t.Errorf("the error holds a secret: %v", err)
			}
		})
	}
	f := deviceServer(t, yes)
	_, err := f.client(func(c *Config) {
		c.Flow = DeviceCode{Prompt: func(context.Context, DeviceAuthorization) error { return errors.New("no terminal") }}
	}).Authenticate(t.Context())
	wantError(t, err, "no terminal")
}

func TestDevicePollsSlowDown(t *testing.T) {
	p := &polling{interval: time.Second}
	for _, step := range []struct {
		err  error
		want time.Duration
	}{
		{&Error{Code: CodeAuthorizationPending, Status: 400}, time.Second},
		{&Error{Code: CodeSlowDown, Status: 400}, 6 * time.Second},
		{&Error{Status: 503}, 12 * time.Second},
		{errors.New("connection refused"), 24 * time.Second},
	} {
		if err := p.goOn(t.Context(), step.err); err != nil || p.interval != step.want {
			t.Errorf("after %v: %v, %v; want %v", step.err, p.interval, err, step.want)
		}
	}
	if err := p.goOn(t.Context(), &Error{Code: CodeInvalidGrant, Status: 400}); err == nil {
		t.Error("goes on after invalid_grant")
	}
}
