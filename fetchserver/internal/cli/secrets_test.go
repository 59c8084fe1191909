// SPDX-License-Identifier: Apache-2.0

package cli_test

import (
	"net/http"
	"strings"
	"testing"
)

// What may be secret is nowhere in the log, even where everything is logged: the
// query of a URL, a header for the site, a token, a variable.
func TestNoSecretsInLog(t *testing.T) {
	s := site(t)
	p := start(t, "FETCHSERVER_PROXY_FILE=", "FETCH_USER_AGENT=Bot/1", "--allow-private", s.Listener.Addr().String(), "--log-level", "debug", "--allow-header", "X-Key")
	text, failed := p.fetch(map[string]any{"url": s.URL + "/path?key=sesame#sesame", "headers": map[string]any{"X-Key": "sesame"}})
	if failed {
		t.Fatal(text)
	}
	p.fetch(map[string]any{"url": "http://user:sesame@example.com/"})
	p.fetch(map[string]any{"url": "http://127.0.0.1/?sesame"})
	req, err := http.NewRequest(http.MethodPost, p.url+"?sesame", strings.NewReader("sesame"))
	if err != nil {
		t.Fatal(err)
	}
	req.Header.Set("Authorization", "Bearer sesame")
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	resp.Body.Close()
	p.loggedLine(`"msg":"request","method":"POST","path":"/mcp","status":4`)
	log := p.log()
	if !strings.Contains(log, `"msg":"fetched"`) || !strings.Contains(log, `"url":"`+s.URL+`/path"`) || !strings.Contains(log, `"msg":"request"`) {
		t.Errorf("the log lacks what it should have:\n%s", log)
	}
	if strings.Contains(log, "sesame") {
		t.Errorf("a secret is in the log:\n%s", log)
	}
}

// --log-urls says how much of a URL is logged.
func TestLogURLs(t *testing.T) {
	s := site(t)
	for how, want := range map[string]string{"full": "/path?q=1", "path": "/path", "host": ""} {
		p := start(t, "--allow-private", s.Listener.Addr().String(), "--log-urls", how, "--log-level", "debug")
		p.fetch(map[string]any{"url": s.URL + "/path?q=1"})
		p.logged("fetched")
		if log := p.log(); !strings.Contains(log, `"url":"`+s.URL+want+`"`) || how == "host" && strings.Contains(log, "/path") {
			t.Errorf("%s:\n%s", how, log)
		}
	}
}
