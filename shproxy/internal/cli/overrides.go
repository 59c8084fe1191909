// SPDX-License-Identifier: Apache-2.0

package cli

import (
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"slices"
	"time"

	"github.com/spf13/pflag"

	"github.com/atrawog/mcp-oauth-gateway/shproxy/internal/cli/mcpjson"
)

// overrides are the members of "shproxy" in the configuration file that are no
// settings.
type overrides struct {
	path    string
	passEnv []string
}

func (o *overrides) read(members []mcpjson.Member, s *spec) error {
	s.settings.headerEnv, s.settings.claimEnv = maps.Clone(s.settings.headerEnv), maps.Clone(s.settings.claimEnv)
	for _, m := range members {
		if err := o.take(m, s); err != nil {
			return fmt.Errorf("%s: %w", m.Name, err)
		}
	}
	return s.settings.check(memberName)
}

func (o *overrides) take(m mcpjson.Member, s *spec) error {
	if string(m.Value) == "null" {
		return errors.New("null is no value; without the member, the flag counts")
	}
	switch m.Name {
	case "path":
		if err := json.Unmarshal(m.Value, &o.path); err != nil {
			return errors.New("want a string")
		}
		o.path = trimPath(o.path)
		return checkPath(o.path)
	case "passEnv":
		names, err := mcpjson.Strings(m.Value)
		if err != nil {
			return err
		}
		if s.url != "" {
			return errors.New("it means nothing for a server with a url")
		}
		o.passEnv = append(slices.Clone(o.passEnv), names...)
		return checkPatterns(names)
	case "passAuthorization":
		if err := json.Unmarshal(m.Value, &s.passAuthorization); err != nil {
			return errors.New("want true or false")
		}
		if s.url == "" {
			return errors.New("only servers with a url can be given the client's token")
		}
		return nil
	}
	for _, setting := range allSettings() {
		if memberName(setting) == m.Name {
			if s.url != "" && setting.flag != "request-timeout" && setting.flag != "max-message-bytes" {
				return errors.New("it means nothing for a server with a url")
			}
			return setJSON(setting.field(&s.settings), m.Value)
		}
	}
	return errors.New("there is no such member")
}

// setJSON gives a setting the value of a member.
func setJSON(field any, value json.RawMessage) error {
	switch field := field.(type) {
	case *int:
		return orElse(json.Unmarshal(value, field), "want a whole number")
	case *bool:
		return orElse(json.Unmarshal(value, field), "want true or false")
	case *pairs:
		var texts map[string]string
		if err := json.Unmarshal(value, &texts); err != nil {
			return errors.New(`want an object like {"VARIABLE": "name"}`)
		}
		for variable, name := range texts {
			if err := field.Set(variable + "=" + name); err != nil {
				return err
			}
		}
		return nil
	}
	var text string
	if json.Unmarshal(value, &text) != nil {
		text = string(value) // a number, perhaps
	}
	switch field := field.(type) {
	case *time.Duration:
		d, err := time.ParseDuration(text)
		*field = d
		return orElse(err, `want a duration like "30s"`)
	case pflag.Value:
		return field.Set(text)
	}
	return errors.New("it cannot be set here")
}

func orElse(err error, text string) error {
	if err != nil {
		return errors.New(text)
	}
	return nil
}
