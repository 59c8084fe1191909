// SPDX-License-Identifier: Apache-2.0

package oidc_test

import (
	"crypto"
	"crypto/hmac"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"errors"
	"maps"
	"math/big"
	"net/http"
	"net/http/httptest"
	"net/url"
	"sync"
	"testing"
	"time"
)

const (
	clientID     = "mcp"
	clientSecret = "the-secret/of the client"
)

// A fake is an OpenID provider that can be made to lie. An honest one, which we
// did not write, is in examples/authservers.
type fake struct {
	*httptest.Server
	t        *testing.T
	callback string
	key      *rsa.PrivateKey
	keyID    string

	mu sync.Mutex
	// mu guards the fields below.
	metadata  map[string]any
	claims    map[string]any // of the ID token
	info      map[string]any // of UserInfo; nil: the claims
	header    map[string]any // of the ID token
	sign      func(input string) []byte
	reply     url.Values // of the authorization endpoint, besides code and state
	handlers  map[string]http.HandlerFunc
	requests  []url.Values // to the authorization endpoint
	forms     []url.Values // to the token endpoint
	codes     map[string]url.Values
	refresh   string // the token that is alive; "": none are given
	noIDToken bool
}

var key = sync.OnceValues(func() (*rsa.PrivateKey, error) { return rsa.GenerateKey(rand.Reader, 2048) })

func newFake(t *testing.T) *fake {
	k, err := key()
	if err != nil {
		t.Fatal(err)
	}
	f := &fake{t: t, key: k, keyID: "1", handlers: map[string]http.HandlerFunc{}, codes: map[string]url.Values{}, reply: url.Values{}}
	f.Server = httptest.NewServer(f)
	t.Cleanup(f.Close)
	f.metadata = map[string]any{
		"issuer":                                f.URL,
		"authorization_endpoint":                f.URL + "/authorize",
		"token_endpoint":                        f.URL + "/token",
		"userinfo_endpoint":                     f.URL + "/userinfo",
		"jwks_uri":                              f.URL + "/jwks",
		"response_types_supported":              []string{"code"},
		"subject_types_supported":               []string{"public"},
		"id_token_signing_alg_values_supported": []string{"RS256", "HS256", "none"},
		"scopes_supported":                      []string{"openid", "offline_access"},
		"authorization_response_iss_parameter_supported": true,
	}
	f.claims = map[string]any{
		"iss": f.URL, "sub": "u-1", "aud": clientID, "exp": time.Now().Add(time.Hour).Unix(), "iat": time.Now().Unix(),
		"preferred_username": "alice", "email": "alice@example.com", "email_verified": true, "groups": []string{"staff"},
	}
	f.header = map[string]any{"alg": "RS256", "kid": "1"}
	f.reply.Set("iss", f.URL)
	f.sign = func(input string) []byte {
		sum := sha256.Sum256([]byte(input))
		signature, err := rsa.SignPKCS1v15(rand.Reader, f.key, crypto.SHA256, sum[:])
		if err != nil {
			t.Error(err)
		}
		return signature
	}
	return f
}

// set changes the fake between requests.
func (f *fake) set(change func()) {
	f.mu.Lock()
	defer f.mu.Unlock()
	change()
}

// ServeHTTP implements http.Handler.
func (f *fake) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if h := f.handlers[r.URL.Path]; h != nil {
		h(w, r)
		return
	}
	switch r.URL.Path {
	case "/.well-known/openid-configuration":
		f.json(w, f.metadata)
	case "/jwks":
		f.json(w, map[string]any{"keys": []any{map[string]any{
			"kty": "RSA", "use": "sig", "alg": "RS256", "kid": f.keyID,
			"n": base64.RawURLEncoding.EncodeToString(f.key.N.Bytes()),
			"e": base64.RawURLEncoding.EncodeToString(big.NewInt(int64(f.key.E)).Bytes()),
		}}})
	case "/authorize":
		f.authorize(w, r)
	case "/token":
		f.token(w, r)
	case "/userinfo":
		if r.Header.Get("Authorization") != "Bearer access" {
			f.t.Errorf("userinfo with %q", r.Header.Get("Authorization"))
		}
		info := f.info
		if info == nil {
			info = f.claims
		}
		f.json(w, info)
	default:
		http.NotFound(w, r)
	}
}

func (f *fake) json(w http.ResponseWriter, v any) {
	w.Header().Set("Content-Type", "application/json")
	_ = json.NewEncoder(w).Encode(v)
}

func (f *fake) authorize(w http.ResponseWriter, r *http.Request) {
	q := r.URL.Query()
	f.requests = append(f.requests, q)
	if q.Get("client_id") != clientID || q.Get("redirect_uri") != f.callback || q.Get("response_type") != "code" ||
		q.Get("code_challenge_method") != "S256" || q.Get("nonce") == "" {
		f.t.Errorf("authorization request %v", q)
	}
	reply := url.Values{"state": {q.Get("state")}}
	maps.Copy(reply, f.reply)
	if !reply.Has("error") {
		code := rand.Text()
		f.codes[code] = q
		reply.Set("code", code)
	}
	http.Redirect(w, r, f.callback+"?"+reply.Encode(), http.StatusFound)
}

func (f *fake) token(w http.ResponseWriter, r *http.Request) {
	if r.ParseForm() != nil {
		f.t.Error("malformed form")
	}
	form := r.PostForm
	f.forms = append(f.forms, form)
	refuse := func(code string) {
		w.Header().Set("Content-Type", "application/json")
		w.WriteHeader(http.StatusBadRequest)
		_ = json.NewEncoder(w).Encode(map[string]string{"error": code, "error_description": "no"})
	}
	if !f.authenticated(r) {
		refuse("invalid_client")
		return
	}
	claims := map[string]any{}
	maps.Copy(claims, f.claims)
	if form.Get("grant_type") == "refresh_token" {
		if f.refresh == "" || form.Get("refresh_token") != f.refresh {
			refuse("invalid_grant")
			return
		}
		delete(claims, "nonce")
	} else {
		q, known := f.codes[form.Get("code")]
		sum := sha256.Sum256([]byte(form.Get("code_verifier")))
		if !known || base64.RawURLEncoding.EncodeToString(sum[:]) != q.Get("code_challenge") || form.Get("redirect_uri") != q.Get("redirect_uri") {
			refuse("invalid_grant")
			return
		}
		delete(f.codes, form.Get("code"))
		if _, forced := claims["nonce"]; !forced {
			claims["nonce"] = q.Get("nonce")
		}
	}
	reply := map[string]any{"access_token": "access", "token_type": "Bearer", "expires_in": 60}
	if !f.noIDToken {
		reply["id_token"] = f.jwt(claims)
	}
	if f.refresh != "" {
		f.refresh += "+" // rotated
		reply["refresh_token"] = f.refresh
	}
	f.json(w, reply)
}

// authenticated takes the one way that the metadata names.
func (f *fake) authenticated(r *http.Request) bool {
	id, secret, basic := r.BasicAuth()
	methods, _ := f.metadata["token_endpoint_auth_methods_supported"].([]string)
	if len(methods) == 1 && methods[0] == "client_secret_post" {
		return !basic && r.PostForm.Get("client_id") == clientID && r.PostForm.Get("client_secret") == clientSecret
	}
	id, err := url.QueryUnescape(id)
	secret, err2 := url.QueryUnescape(secret)
	return errors.Join(err, err2) == nil && basic && id == clientID && secret == clientSecret
}

func (f *fake) jwt(claims map[string]any) string {
	part := func(v any) string {
		data, err := json.Marshal(v)
		if err != nil {
			f.t.Error(err)
		}
		return base64.RawURLEncoding.EncodeToString(data)
	}
	input := part(f.header) + "." + part(claims)
	return input + "." + base64.RawURLEncoding.EncodeToString(f.sign(input))
}

// hmacWithPublicKey signs as if the public key was a shared secret.
func (f *fake) hmacWithPublicKey(input string) []byte {
	mac := hmac.New(sha256.New, f.key.N.Bytes())
	mac.Write([]byte(input))
	return mac.Sum(nil)
}
