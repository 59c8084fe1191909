// SPDX-License-Identifier: Apache-2.0

package service_test

import (
	"context"
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/atrawog/mcp-oauth-gateway/oauthdyn/exposition"
	"github.com/atrawog/mcp-oauth-gateway/oauthdyn/service"
)

func TestPrefersHTML(t *testing.T) {
	for accept, want := range map[string]bool{
		"":                 false,
		"*/*":              false,
		"application/json": false,
		"text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8": true,
		"text/html, application/json":                                     false,
		"text/html, application/json;q=0.5":                               true,
		"text/html;q=0.4, application/json;q=0.5":                         false,
		"TEXT/HTML":             true,
		"text/html;q=0":         false,
		"text/html;q=x":         false,
		"text/*":                false,
		"nonsense//, text/html": true,
	} {
		if got := service.PrefersHTML([]string{accept}); got != want {
			t.Errorf("%q: %v", accept, got)
		}
	}
	if !service.PrefersHTML([]string{"application/json;q=0.1", "text/html"}) {
		t.Error("a second header does not count")
	}
}

// newAdmin serves an admin address and returns its URL.
func newAdmin(t *testing.T, peers *service.Peers, ready error) string {
	t.Helper()
	a := &service.Admin{
		Program: "prog", Version: "v1.2.3<script>", Peers: peers,
		Probes:  &service.Probes{Stopping: new(atomic.Bool), Check: func(context.Context) error { return ready }},
		Metrics: func(*exposition.Writer) {},
		Facts:   func() []service.Fact { return []service.Fact{{Name: "jobs", Value: "3<script>", Bad: true}} },
	}
	s := httptest.NewServer(a.Handler())
	t.Cleanup(s.Close)
	return s.URL
}

func getStatus(t *testing.T, url, accept string) (http.Header, string) {
	t.Helper()
	r, err := http.NewRequestWithContext(t.Context(), http.MethodGet, url+"/status", nil)
	if err != nil {
		t.Fatal(err)
	}
	r.Header.Set("Accept", accept)
	resp, err := http.DefaultClient.Do(r)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	if err != nil || resp.StatusCode != http.StatusOK {
		t.Fatal(resp.Status, err)
	}
	return resp.Header, string(body)
}

// The page tells of the program and of all others, also of those that are ill,
// silent, or something else, and of itself, without an end.
func TestStatusOfTheGateway(t *testing.T) {
	silent := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) { <-r.Context().Done() }))
	defer silent.Close()
	hostile := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.WriteHeader(http.StatusServiceUnavailable)
		_ = json.NewEncoder(w).Encode(map[string]string{"status": "<b>", "error": strings.Repeat("<script>", 1000)})
	}))
	defer hostile.Close()
	other := httptest.NewServer(http.NotFoundHandler())
	defer other.Close()
	self := httptest.NewUnstartedServer(nil)
	peers, err := service.ParsePeers([]string{
		"well=" + newAdmin(t, nil, nil), "ill=" + newAdmin(t, nil, errors.New("no store")) + "/", "silent=" + silent.URL,
		"hostile=" + hostile.URL, "other=" + other.URL, "gone=http://127.0.0.1:1", "self=http://" + self.Listener.Addr().String(),
	})
	if err != nil {
		t.Fatal(err)
	}
	self.Config.Handler = (&service.Admin{
		Program: "self", Version: "v1", Peers: peers, Metrics: func(*exposition.Writer) {},
		Probes: &service.Probes{Stopping: new(atomic.Bool), Check: func(context.Context) error { return nil }},
	}).Handler()
	self.Start()
	defer self.Close()
	_, text := getStatus(t, self.URL, "application/json")
	var status struct {
		Status string
		Peers  []service.PeerStatus
	}
	if err := json.Unmarshal([]byte(text), &status); err != nil || status.Status != "ok" || len(status.Peers) != 7 {
		t.Fatal(err, text)
	}
	for i, want := range []string{"well ok prog v1.2.3<script>", "ill failed prog v1.2.3<script> no store", "silent unreachable", "hostile failed <script>",
		"other unreachable status 404, and no JSON", "gone unreachable dial", "self ok self v1"} {
		s := status.Peers[i]
		got := strings.Join(strings.Fields(strings.Join([]string{s.Name, s.State, s.Program, s.Version, s.Error}, " ")), " ")
		if !strings.HasPrefix(got, want) || len(s.Error) > 210 {
			t.Errorf("%q, want %q", got, want)
		}
	}
	header, page := getStatus(t, self.URL, "text/html")
	if !strings.Contains(header.Get("Content-Security-Policy"), "default-src 'none'") || strings.Contains(page, "<script") || strings.Contains(page, "<b>") {
		t.Errorf("%v\n%s", header, page)
	}
	for _, want := range []string{">no store<", "/status\">well</a>", "state unreachable", "The rest of the gateway"} {
		if !strings.Contains(page, want) {
			t.Errorf("the page lacks %s:\n%s", want, page)
		}
	}
	if _, page := getStatus(t, newAdmin(t, nil, nil), "text/html"); !strings.Contains(page, `class="bad"><dt>jobs</dt><dd>3&lt;script&gt;`) || strings.Contains(page, "The rest") {
		t.Error(page)
	}
}

func TestParsePeers(t *testing.T) {
	for _, value := range []string{"", "x", "=http://h", "a=", "a=h:1", "a=ftp://h", "a=http://u:p@h", "a=http://h/?q"} {
		if _, err := service.ParsePeers([]string{value}); err == nil || strings.Contains(err.Error(), "u:p") {
			t.Errorf("%q: %v", value, err)
		}
	}
	if _, err := service.ParsePeers(make([]string, 33)); err == nil {
		t.Error("any number of peers")
	}
}
