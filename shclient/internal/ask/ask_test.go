// SPDX-License-Identifier: Apache-2.0

//lint:file-ignore SA1019 servers of the legacy era ask for it

package ask

import (
	"context"
	"encoding/json"
	"errors"
	"io"
	"reflect"
	"strings"
	"testing"

	"github.com/modelcontextprotocol/go-sdk/mcp"

	"github.com/atrawog/mcp-oauth-gateway/shclient/internal/render"
)

// person enters lines, and then no more. What they see ends up in out, with
// their own lines after the prompts.
func person(out *strings.Builder, lines ...string) *Asker {
	return &Asker{
		Server: "https://example.com/mcp",
		Out:    out,
		Screen: render.Screen{Width: 60},
		ReadLine: func(_ context.Context, prompt string) (string, error) {
			out.WriteString(prompt)
			if len(lines) == 0 {
				return "", io.EOF
			}
			line := lines[0]
			lines = lines[1:]
			out.WriteString(line + "\n")
			return line, nil
		},
	}
}

const bookingSchema = `{"type":"object","required":["name","nights"],"properties":{
	"breakfast":{"type":"boolean","default":true},
	"name":{"type":"string","title":"Your name","minLength":2},
	"nights":{"type":"integer","minimum":1,"maximum":30,"description":"how many\u001b[2J"},
	"room":{"type":"string","oneOf":[{"const":"s","title":"Single"},{"const":"d","title":"Double"}],"default":"d"},
	"extras":{"type":"array","items":{"type":"string","enum":["towels","sauna","parking"]},"maxItems":2}}}`

func elicit(t *testing.T, a *Asker, schema string) *mcp.ElicitResult {
	t.Helper()
	result, err := a.Elicit(t.Context(), &mcp.ElicitParams{Message: "Which room?\x1b]0;x\a", RequestedSchema: json.RawMessage(schema)})
	if err != nil {
		t.Fatal(err)
	}
	return result
}

func TestForm(t *testing.T) {
	var out strings.Builder
	got := elicit(t, person(&out,
		"", "A", "Ada", // required, too short, right
		"many", "31", "3",
		"no",
		"3", "single",
		"1, parking, 1, 9", "1, parking, 1",
		"y"), bookingSchema)
	want := map[string]any{"name": "Ada", "nights": int64(3), "breakfast": false, "room": "s", "extras": []any{"towels", "parking"}}
	if got.Action != "accept" || !reflect.DeepEqual(got.Content, want) {
		t.Errorf("%s %v, want %v", got.Action, got.Content, want)
	}
	const seen = `https://example.com/mcp asks:

  Which room?]0;x

/decline or /cancel instead of an answer ends the form.

Your name (text)
> 
An answer is required.
> A
That does not fit: want at least 2 characters.
> Ada

nights (whole number)
how many[2J
> many
That does not fit: want a whole number, such as 5.
> 31
That does not fit: want at most 30.
> 3

breakfast (yes or no, optional)
[yes] > no

room (one of these, optional)
   1) Single
   2) Double
[Double] > 3
That does not fit: "3" is none of them: want a number from 1 to 2.
[Double] > single

extras (any of these, separated by commas, optional)
   1) towels
   2) sauna
   3) parking
> 1, parking, 1, 9
That does not fit: "9" is none of them: want a number from 1 to 3.
> 1, parking, 1

Your answers:
  Your name  Ada
  nights     3
  breakfast  no
  room       Single
  extras     towels, parking
Send this? [y]es, [e]dit, [d]ecline, [c]ancel: y
`
	if out.String() != seen {
		t.Errorf("the person sees:\n%s", out.String())
	}
}

func TestDefaultsAndEditing(t *testing.T) {
	var out strings.Builder
	got := elicit(t, person(&out,
		"Ada", "3", "", "", "", "edit", // defaults, nothing, once more
		"", "4", "", "", "", ""), bookingSchema)
	want := map[string]any{"name": "Ada", "nights": int64(4), "breakfast": true, "room": "d"}
	if got.Action != "accept" || !reflect.DeepEqual(got.Content, want) {
		t.Errorf("%s %v, want %v", got.Action, got.Content, want)
	}
}

func TestTheFormEnds(t *testing.T) {
	for name, test := range map[string]struct {
		lines []string
		want  string
	}{
		"declined in a field":  {[]string{"Ada", " /decline "}, "decline"},
		"cancelled in a field": {[]string{"/cancel"}, "cancel"},
		"end of input":         {nil, "cancel"},
		"declined at the end":  {[]string{"Ada", "3", "", "", "", "d"}, "decline"},
		"cancelled at the end": {[]string{"Ada", "3", "", "", "", "x", "c"}, "cancel"},
	} {
		var out strings.Builder
		if got := elicit(t, person(&out, test.lines...), bookingSchema); got.Action != test.want || got.Content != nil {
			t.Errorf("%s: %s %v, want %s", name, got.Action, got.Content, test.want)
		}
	}
}

func TestNobodyIsThere(t *testing.T) {
	var out strings.Builder
	a := &Asker{Out: &out}
	got := elicit(t, a, bookingSchema)
	if want := "The server asks: Which room?]0;x\n  declined, since nobody is at the terminal\n"; got.Action != "decline" || out.String() != want {
		t.Errorf("%s, %q", got.Action, out.String())
	}
	if _, err := a.Sample(t.Context(), &mcp.CreateMessageParams{}); err == nil {
		t.Error("sampling is not refused")
	}
}

func TestAddress(t *testing.T) {
	for name, test := range map[string]struct {
		line, want string
		fails      error
		opened     bool
	}{
		"yes":                     {"y", "accept", nil, true},
		"no":                      {"n", "decline", nil, false},
		"nothing":                 {"", "decline", nil, false},
		"cancel":                  {"c", "cancel", nil, false},
		"a browser that does not": {"yes", "cancel", errors.New("no browser"), true},
	} {
		var out strings.Builder
		opened := ""
		a := person(&out, test.line)
		a.Open = func(_ context.Context, address string) error { opened = address; return test.fails }
		got, err := a.Elicit(t.Context(), &mcp.ElicitParams{Mode: "url", Message: "Pay here", URL: "https://pay.example/\x1b[2J?a=1"})
		if err != nil || got.Action != test.want || (opened != "") != test.opened {
			t.Errorf("%s: %v %v, opened %q", name, got, err, opened)
		}
		if !strings.Contains(out.String(), "\n  https://pay.example/[2J?a=1\n") {
			t.Errorf("%s: the address is not shown:\n%s", name, out.String())
		}
	}
}

func TestSample(t *testing.T) {
	params := &mcp.CreateMessageParams{
		SystemPrompt: "Be brief.",
		Messages: []*mcp.SamplingMessage{
			{Role: "user", Content: &mcp.TextContent{Text: "How are\x1b you?"}},
			{Role: "user", Content: &mcp.ImageContent{MIMEType: "image/png", Data: []byte("123")}},
		},
	}
	var out strings.Builder
	got, err := person(&out, "Fine.", "", "And you?", ".").Sample(t.Context(), params)
	if err != nil || got.Content.(*mcp.TextContent).Text != "Fine.\n\nAnd you?" || got.Model != "human" || got.Role != "assistant" {
		t.Errorf("%+v %v", got, err)
	}
	for _, want := range []string{"system:\n  Be brief.\n", "user:\n  How are you?\n", "[image image/png, 3 bytes]"} {
		if !strings.Contains(out.String(), want) {
			t.Errorf("the person does not see %q:\n%s", want, out.String())
		}
	}
	for name, lines := range map[string][]string{"nothing": {"."}, "decline": {"/decline"}, "end": nil} {
		if got, err := person(&out, lines...).Sample(t.Context(), params); err == nil {
			t.Errorf("%s: %+v", name, got)
		}
	}
}

func TestFormats(t *testing.T) {
	for _, test := range []struct {
		schema, text string
		want         any
	}{
		{`{"type":"string","format":"email"}`, "a@example.com", "a@example.com"},
		{`{"type":"string","format":"email"}`, "A <a@example.com>", nil},
		{`{"type":"string","format":"uri"}`, "https://example.com", "https://example.com"},
		{`{"type":"string","format":"uri"}`, "example.com", nil},
		{`{"type":"string","format":"date"}`, "2026-02-29", nil},
		{`{"type":"string","format":"date-time"}`, "2026-07-28T12:00:00+02:00", "2026-07-28T12:00:00+02:00"},
		{`{"type":"string","pattern":"^[a-z]+$"}`, "ab1", nil},
		{`{"type":"string","pattern":"(?<"}`, "anything", "anything"},
		{`{"type":"string"}`, " kept ", " kept "},
		{`{"type":"number","minimum":0.5}`, "0.25", nil},
		{`{"type":"number"}`, "1e400", nil},
		{`{"type":"number"}`, "2.5", 2.5},
		{`{"type":"integer"}`, "1.5", nil},
		{`{"type":"boolean"}`, "N", false},
		{`{"type":"boolean"}`, "maybe", nil},
		{`{"type":"string","enum":["2","1"],"enumNames":["two","one"]}`, "1", "1"},
		{`{"type":"string","enum":["a","b"],"enumNames":["Alpha"]}`, "alpha", "a"},
		{`{"type":"array","items":{"anyOf":[{"const":"x","title":"X-ray"}]},"minItems":1}`, ",", nil},
	} {
		fields, err := parseFields(json.RawMessage(`{"properties":{"f":` + test.schema + `}}`))
		if err != nil {
			t.Fatal(err)
		}
		got, err := fields[0].parse(test.text)
		if test.want == nil {
			if err == nil {
				t.Errorf("%s takes %q for %v", test.schema, test.text, got)
			}
		} else if err != nil || !reflect.DeepEqual(got, test.want) {
			t.Errorf("%s: %q becomes %#v (%v), want %#v", test.schema, test.text, got, err, test.want)
		}
	}
}

func FuzzParseFields(f *testing.F) {
	f.Add(bookingSchema, "1")
	f.Add(`{"properties":{"a":{"type":"array","default":[1]}}}`, "x,")
	f.Fuzz(func(t *testing.T, schema, text string) {
		fields, err := parseFields(json.RawMessage(schema))
		if err != nil {
			return
		}
		for _, field := range fields {
			_ = field.kindName()
			if value, err := field.parse(text); err == nil {
				_ = field.show(value)
			}
			if field.fallback != nil {
				_ = field.show(field.fallback)
			}
		}
	})
}
