// SPDX-License-Identifier: Apache-2.0

package original_test

import (
	"encoding/json"
	"errors"
	"maps"
	"net/http"
	"net/http/httptest"
	"net/url"
	"slices"
	"strings"
	"testing"
	"time"

	goredis "github.com/redis/go-redis/v9"

	"github.com/atrawog/mcp-oauth-gateway/oauthdyn/authserver"
	"github.com/atrawog/mcp-oauth-gateway/oauthdyn/authserver/login/allow"
	"github.com/atrawog/mcp-oauth-gateway/oauthdyn/authserver/login/github"
	"github.com/atrawog/mcp-oauth-gateway/oauthdyn/authserver/original"
	"github.com/atrawog/mcp-oauth-gateway/oauthdyn/authserver/store"
	"github.com/atrawog/mcp-oauth-gateway/oauthdyn/authserver/store/memory"
	"github.com/atrawog/mcp-oauth-gateway/oauthdyn/internal/redistest"
)

const resource = "https://mcp.example/mcp"

// clientOf is a client as the original writes it.
func clientOf(id string, changes map[string]any) map[string]any {
	c := map[string]any{
		"client_id": id, "client_secret": "secret of " + id, "client_secret_expires_at": 0, "client_id_issued_at": 1750000000,
		"redirect_uris": `["https://client.example/cb"]`, "client_name": "Name of " + id, "scope": "openid profile email",
		"created_at": 1750000000, "response_types": `["code"]`, "grant_types": `["authorization_code", "refresh_token"]`,
		"registration_access_token": "reg-" + id,
	}
	maps.Copy(c, changes)
	return c
}

func refreshOf(client string) map[string]any {
	return map[string]any{"user_id": "583231", "username": "octocat", "client_id": client, "scope": "openid", "created_at": 1750000000}
}

// fill writes what the original would have written.
func fill(t *testing.T, db *goredis.Client) {
	t.Helper()
	set := func(key string, value any, ttl time.Duration) {
		data, ok := value.(string)
		if !ok {
			b, err := json.Marshal(value)
			if err != nil {
				t.Fatal(err)
			}
			data = string(b)
		}
		if err := db.Set(t.Context(), key, data, ttl).Err(); err != nil {
			t.Fatal(err)
		}
	}
	set("oauth:client:client_a", clientOf("client_a", nil), time.Hour)
	set("oauth:client:client_lists", clientOf("client_lists", map[string]any{
		"redirect_uris": []string{"http://localhost:3000/cb", "javascript:alert(1)", "http://localhost.evil.example/"},
	}), 0)
	set("oauth:client:client_bad", clientOf("client_bad", map[string]any{"redirect_uris": `["javascript:alert(1)"]`}), 0)
	set("oauth:client:client_old", clientOf("client_old", map[string]any{"client_secret_expires_at": 1750000001}), 0)
	set("oauth:client:client_rubbish", "rubbish", 0)
	set("oauth:client:client_other", clientOf("client_a", nil), 0)

	set("oauth:refresh:refresh-token_A", refreshOf("client_a"), time.Hour)
	set("oauth:refresh:refresh-token_B", refreshOf("client_lists"), 0)
	set("oauth:refresh:orphan", refreshOf("client_deleted"), time.Hour)
	set("oauth:refresh:nobody", map[string]any{"user_id": "x", "client_id": "client_a"}, time.Hour)
	set("oauth:refresh:rubbish", "{", time.Hour)

	set("oauth:token:jti", "{}", time.Hour)
	set("oauth:code:code", "{}", time.Hour)
	if err := db.SAdd(t.Context(), "oauth:user_tokens:octocat", "jti").Err(); err != nil {
		t.Fatal(err)
	}
}

func read(t *testing.T, db goredis.UniversalClient) (*memory.Store, *original.Report) {
	t.Helper()
	s := memory.New(nil)
	report, err := original.Read(t.Context(), db, original.Options{Resources: []string{resource}, Scopes: []string{"mcp"}},
		func(r store.Record) error { return s.Import(t.Context(), []store.Record{r}) })
	if err != nil {
		t.Fatal(err)
	}
	return s, report
}

func TestRead(t *testing.T) {
	db := redistest.Start(t, redistest.Redis(t)).Client()
	fill(t, db)
	before := db.DBSize(t.Context()).Val()
	s, report := read(t, db)
	if report.Clients != 2 || report.Grants != 2 {
		t.Errorf("%d clients, %d grants; want 2 and 2", report.Clients, report.Grants)
	}
	var skipped []string
	for _, skip := range report.Skipped {
		skipped = append(skipped, skip.ClientID+": "+skip.Reason)
	}
	slices.Sort(skipped)
	want := []string{
		": a refresh token's record cannot be read",
		"client_a: a refresh token is nobody's",
		"client_bad: it has no redirect URI that is allowed here",
		"client_deleted: a refresh token's client is not there",
		"client_old: its secret has expired",
		"client_other: its record cannot be read",
		"client_rubbish: its record cannot be read",
	}
	if !slices.Equal(skipped, want) {
		t.Errorf("skipped\n%s\nwant\n%s", strings.Join(skipped, "\n"), strings.Join(want, "\n"))
	}
	c, err := s.Client(t.Context(), "client_lists")
	if err != nil {
		t.Fatal(err)
	}
	if got := c.Metadata.RedirectURIs; !slices.Equal(got, []string{"http://localhost:3000/cb"}) {
		t.Errorf("redirect URIs %v", got)
	}
	if c.Secret != store.HashOf("secret of client_lists") || c.Registration != store.HashOf("reg-client_lists") {
		t.Error("the secrets are others")
	}
	for _, kept := range []string{"secret of", "reg-", "refresh-token"} {
		if text := dump(t, s); strings.Contains(text, kept) {
			t.Errorf("the store has %q in it", kept)
		}
	}
	g, err := s.Grant(t.Context(), store.HashOf("refresh-token_A"))
	if err != nil {
		t.Fatal(err)
	}
	if left := time.Until(g.Refresh.Expires); left > time.Hour || left < 0 {
		t.Errorf("the refresh token ends in %v, want what it had left", left)
	}
	if after := db.DBSize(t.Context()).Val(); after != before {
		t.Errorf("the original had %d keys, and has %d", before, after)
	}
}

func dump(t *testing.T, s store.Store) string {
	t.Helper()
	var text strings.Builder
	if err := s.Export(t.Context(), func(r store.Record) error { return json.NewEncoder(&text).Encode(r) }); err != nil {
		t.Fatal(err)
	}
	return text.String()
}

func TestReadErrors(t *testing.T) {
	server := redistest.Start(t, redistest.Redis(t))
	db := server.Client()
	if _, err := original.Read(t.Context(), db, original.Options{}, nil); err == nil || !strings.Contains(err.Error(), "no resource") {
		t.Errorf("without a resource: %v", err)
	}
	fill(t, db)
	full := errors.New("full")
	o := original.Options{Resources: []string{resource}}
	if _, err := original.Read(t.Context(), db, o, func(store.Record) error { return full }); !errors.Is(err, full) {
		t.Errorf("error %v, want that of the callback", err)
	}
	if err := db.SAdd(t.Context(), "oauth:client:set", "x").Err(); err != nil {
		t.Fatal(err)
	}
	if _, err := original.Read(t.Context(), db, o, func(store.Record) error { return nil }); err == nil {
		t.Error("no error for a key of another type")
	}
}

// A client goes on with the refresh token that the original gave it.
func TestGoOn(t *testing.T) {
	db := redistest.Start(t, redistest.Redis(t)).Client()
	fill(t, db)
	s, _ := read(t, db)
	for _, test := range []struct {
		name  string
		users []string
		want  int
	}{{"a person of the allow-list", []string{"octocat"}, http.StatusOK}, {"another list", []string{"hubot"}, http.StatusBadRequest}} {
		t.Run(test.name, func(t *testing.T) {
			ts := serve(t, s, test.users)
			refresh := func(token string) (status int, next string) {
				res, err := http.PostForm(ts.URL+"/token", url.Values{
					"grant_type": {"refresh_token"}, "client_id": {"client_a"}, "client_secret": {"secret of client_a"}, "refresh_token": {token},
				})
				if err != nil {
					t.Fatal(err)
				}
				defer res.Body.Close()
				var tokens struct {
					RefreshToken string `json:"refresh_token"`
					Scope        string `json:"scope"`
				}
				if err := json.NewDecoder(res.Body).Decode(&tokens); err != nil {
					t.Fatal(err)
				}
				if res.StatusCode == http.StatusOK && tokens.Scope != "mcp" {
					t.Errorf("scope %q", tokens.Scope)
				}
				return res.StatusCode, tokens.RefreshToken
			}
			token := "refresh-token_A"
			for range 3 {
				status, next := refresh(token)
				if status != test.want {
					t.Fatalf("status %d, want %d", status, test.want)
				}
				if status != http.StatusOK {
					return
				}
				token = next
			}
			if status, _ := refresh("refresh-token_A"); status != http.StatusBadRequest {
				t.Errorf("the old token again: status %d", status)
			}
			s, _ = read(t, db) // for the next one, since that ended the grant
		})
	}
}

func serve(t *testing.T, s store.Store, users []string) *httptest.Server {
	t.Helper()
	login, err := github.New(github.Options{ClientID: "id", ClientSecret: "secret", Allow: allow.List{Users: users}})
	if err != nil {
		t.Fatal(err)
	}
	var handler http.Handler
	ts := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { handler.ServeHTTP(w, r) }))
	t.Cleanup(ts.Close)
	server, err := authserver.New(t.Context(), authserver.Options{
		Issuer: ts.URL, Store: s, Login: login, Resources: []authserver.Resource{{URI: resource, Scopes: []string{"mcp"}}},
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(server.Close)
	handler = server
	return ts
}
