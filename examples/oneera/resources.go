// SPDX-License-Identifier: Apache-2.0

package main

import (
	"fmt"
	"slices"
	"strings"
)

// A resource is what resources/list says of it, and its content.
type resource struct {
	URI      string `json:"uri"`
	Name     string `json:"name"`
	MIMEType string `json:"mimeType"`

	read func(*call) (object, error) // returns text or blob
}

func textResource(uri, name, words string) resource {
	return resource{uri, name, "text/plain", func(*call) (object, error) { return object{"text": words}, nil }}
}

func allResources() []resource {
	return []resource{
		textResource("test://static-text", "static-text", "This is the content of the static text resource."),
		{"test://static-binary", "static-binary", "image/png", func(*call) (object, error) { return object{"blob": png}, nil }},
		textResource("test://watched-resource", "watched-resource", "This one is touched now and then."),
		{"test://who-asks", "asking", "text/plain", askingResource},
	}
}

// askingResource is there since the modern era lets resources/read ask, too.
func askingResource(c *call) (object, error) {
	a, err := c.ask1("password", field("What is the password?", "password"))
	return object{"text": "The password is " + a.field("password")}, err
}

const (
	templatePrefix = "test://template/"
	templateSuffix = "/data"
)

// find returns the resource with the URI, or nil.
func (s *server) find(uri string) *resource {
	if id, ok := strings.CutPrefix(uri, templatePrefix); ok && strings.HasSuffix(id, templateSuffix) {
		id = strings.TrimSuffix(id, templateSuffix)
		r := textResource(uri, "template", fmt.Sprintf(`{"id":%q,"templateTest":true,"data":%q}`, id, "Data for ID: "+id))
		r.MIMEType = "application/json"
		return &r
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	at := slices.IndexFunc(s.resources, func(r resource) bool { return r.URI == uri })
	if at < 0 {
		return nil
	}
	r := s.resources[at]
	return &r
}

func noSuchResource(e era, uri string) error {
	err := fail(e.noResource(), "Resource not found")
	err.Data = object{"uri": uri}
	return err
}

func (c *call) listResources() (object, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	return object{"resources": slices.Clone(c.resources)}, nil
}

func (c *call) listTemplates() (object, error) {
	return object{"resourceTemplates": []object{
		{"uriTemplate": templatePrefix + "{id}" + templateSuffix, "name": "template", "mimeType": "application/json"},
	}}, nil
}

func (c *call) readResource() (object, error) {
	r := c.find(c.params.URI)
	if r == nil {
		return nil, noSuchResource(c.era, c.params.URI)
	}
	content, err := r.read(c)
	if err != nil {
		return nil, err
	}
	content["uri"], content["mimeType"] = r.URI, r.MIMEType
	return object{"contents": []object{content}}, nil
}
