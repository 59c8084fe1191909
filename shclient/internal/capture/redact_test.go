// SPDX-License-Identifier: Apache-2.0

package capture

import (
	"strings"
	"testing"

	"github.com/atrawog/mcp-oauth-gateway/shproxy/jsonrpc"
)

func newRedactor(t testing.TB, secrets, paths []string) *Redactor {
	t.Helper()
	r, err := NewRedactor(secrets, paths)
	if err != nil {
		t.Fatal(err)
	}
	return r
}

func TestMessagesLoseTheirSecrets(t *testing.T) {
	r := newRedactor(t, []string{"hunter22", "short", "hunter22-long"}, []string{"params.arguments.ssn", "$.result.content.*.text", "params.list.*"})
	for _, test := range []struct{ name, params, want string }{
		{"a name", `{"arguments":{"password":"x","n":1}}`, `{"arguments":{"password":"[redacted]","n":1}}`},
		{"names in any form", `{"API_Key":"x","X-Api-Key":"y","accessToken":"z","client_secret":"a","Cookie":"b"}`,
			`{"API_Key":"[redacted]","X-Api-Key":"[redacted]","accessToken":"[redacted]","client_secret":"[redacted]","Cookie":"[redacted]"}`},
		{"an escaped name", `{"\u0070assword":"x"}`, `{"\u0070assword":"[redacted]"}`},
		{"a number", `{"pin_token":1234}`, `{"pin_token":"[redacted]"}`},
		{"a list", `{"password":["a","b"]}`, `{"password":["[redacted]","[redacted]"]}`},
		{"a schema says nothing", `{"properties":{"password":{"type":"string"}}}`, `{"properties":{"password":{"type":"string"}}}`},
		{"a pair", `{"env":[{"name":"API_KEY","value":"x"},{"name":"HOME","value":"/"}]}`, `{"env":[{"name":"API_KEY","value":"[redacted]"},{"name":"HOME","value":"/"}]}`},
		{"progress tokens stay", `{"progressToken":"p","maxTokens":5,"nextCursor":"c"}`, `{"progressToken":"p","maxTokens":5,"nextCursor":"c"}`},
		{"a path", `{"arguments":{"ssn":{"a":[1]},"other":1}}`, `{"arguments":{"ssn":"[redacted]","other":1}}`},
		{"elements", `{"list":[1,{"a":2}]}`, `{"list":["[redacted]","[redacted]"]}`},
		{"a known secret", `{"text":"it is hunter22-long, not hunter22!"}`, `{"text":"it is [redacted], not [redacted]!"}`},
		{"all else stays, byte for byte", `{ "n": 1.0e0, "t": "caf\u00e9\/", "short": null }`, `{ "n": 1.0e0, "t": "caf\u00e9\/", "short": null }`},
	} {
		frame := `{"jsonrpc":"2.0","id":1,"method":"x","params":` + test.params + `}`
		want := `{"jsonrpc":"2.0","id":1,"method":"x","params":` + test.want + `}`
		if got := string(r.Message([]byte(frame))); got != want {
			t.Errorf("%s:\n%s\nwant\n%s", test.name, got, want)
		}
	}
	got := string(r.Message([]byte(`{"jsonrpc":"2.0","id":1,"result":{"content":[{"type":"text","text":"private"}]}}`)))
	if want := `{"jsonrpc":"2.0","id":1,"result":{"content":[{"type":"text","text":"[redacted]"}]}}`; got != want {
		t.Errorf("a path into a result: %s", got)
	}
}

func TestTextLosesItsSecrets(t *testing.T) {
	r := newRedactor(t, nil, nil)
	for text, want := range map[string]string{
		"Authorization: Bearer abcdefghijkl":                                        "Authorization: [redacted]",
		"curl -H 'x: Bearer abcdefghijkl' y":                                        "curl -H 'x: Bearer [redacted]' y",
		"eyJhbGciOiJI.eyJzdWIiOiIx.c2lnbmF0dXJl ok":                                 "[redacted] ok",
		"key sk-abcdefghijklmnopqrst, ghp_abcdefghijklmnopqrstuvw":                  "key [redacted], [redacted]",
		"https://ana:pw@host/x?access_token=abc&n=1":                                "https://[redacted]@host/x?access_token=[redacted]&n=1",
		"-----BEGIN RSA PRIVATE KEY-----\nabc\n-----END RSA PRIVATE KEY-----\nrest": "[redacted]\nrest",
		`{"MCP_TOKEN": "abc", "HOME": "/"}`:                                         `{"MCP_TOKEN": "[redacted]", "HOME": "/"}`,
		"DB_PASSWORD=abc HOME=/":                                                    "DB_PASSWORD=[redacted] HOME=/",
		"Set-Cookie: sid=1; Path=/\r\nDate: now":                                    "Set-Cookie: [redacted]\r\nDate: now",
		"the token counts, the password is long":                                    "the token counts, the password is long",
	} {
		got := r.Text(text)
		if got != want {
			t.Errorf("%q becomes %q, want %q", text, got, want)
		}
		if again := r.Text(got); again != got {
			t.Errorf("%q is redacted again, to %q", got, again)
		}
	}
}

func TestPathsThatAreNone(t *testing.T) {
	for _, path := range []string{"", "a..b", ".a", "$."} {
		if _, err := NewRedactor(nil, []string{path}); err == nil {
			t.Errorf("the path %q is taken", path)
		}
	}
}

// What is redacted stays a message of the same kind, and a known secret never
// comes through.
func FuzzRedactor(f *testing.F) {
	f.Add([]byte(`{"jsonrpc":"2.0","id":1,"method":"x","params":{"password":"hunter22","a":[{"name":"token","value":"v"}]}}`))
	f.Add([]byte(`{"jsonrpc":"2.0","id":1,"result":{"t":"Bearer hunter22hunter22 \u0068unter22"}}`))
	f.Add([]byte(` {"jsonrpc":"2.0","method":"x","params":{"cookie":["a",{"b":"c"}],"n":-1.5e3}} `))
	r := newRedactor(f, []string{"hunter22"}, []string{"params.*.n"})
	f.Fuzz(func(t *testing.T, frame []byte) {
		m, err := jsonrpc.Scan(frame)
		if err != nil {
			r.Text(string(frame))
			return
		}
		got := r.Message(frame)
		after, err := jsonrpc.Scan(got)
		if err != nil || after.Kind != m.Kind {
			t.Fatalf("%s\nbecomes\n%s\n%v", frame, got, err)
		}
		for _, text := range stringsIn(decode(got)) {
			if strings.Contains(text, "hunter22") {
				t.Fatalf("%s\nbecomes\n%s", frame, got)
			}
		}
	})
}

// stringsIn are all strings in a value, but for names.
func stringsIn(v any) (list []string) {
	switch v := v.(type) {
	case string:
		list = append(list, v)
	case []any:
		for _, item := range v {
			list = append(list, stringsIn(item)...)
		}
	case map[string]any:
		for name, item := range v {
			if name != "method" && name != "id" && name != "jsonrpc" {
				list = append(list, stringsIn(item)...)
			}
		}
	}
	return list
}
