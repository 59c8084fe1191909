// SPDX-License-Identifier: Apache-2.0

package check

import (
	"context"
	"encoding/json"
	"errors"
	"net/url"

	"github.com/yosida95/uritemplate/v3"
)

func resourceRules() []Rule {
	const resource, templates, contents, failures = "server/resources#resource", "server/resources#resource-templates", "server/resources#resource-contents", "server/resources#error-handling"
	return []Rule{
		{
			ID: "resources.members", Level: Must, Transports: Both, Section: resource,
			Demand: "a resource has a uri and a name, and its members have the types of the schema",
			Check:  shaped(kindResources, resourceShape+" icons:array annotations:object"),
		}, {
			ID: "resources.uri", Level: Must, Transports: Both, Section: "server/resources#common-uri-schemes",
			Demand: "the uri of a resource is a URI with a scheme (RFC 3986)",
			Check:  resourceURI,
		}, {
			ID: "resources.unique", Level: Should, Transports: Both, Section: resource,
			Demand: "no two resources have the same uri",
			Check:  unique(kindResources, "uri"),
		}, {
			ID: "resources.template-members", Level: Must, Transports: Both, Section: templates,
			Demand: "a resource template has a uriTemplate and a name, and its members have the types of the schema",
			Check:  shaped(kindTemplates, "uriTemplate:string! name:string! title:string description:string mimeType:string icons:array annotations:object"),
		}, {
			ID: "resources.template-uri", Level: Must, Transports: Both, Section: templates,
			Demand: "the uriTemplate of a resource template is a URI template (RFC 6570)",
			Check:  templateURI,
		}, {
			ID: "resources.contents", Level: Must, Transports: Both, Section: contents,
			Demand: "the contents of a resource have a uri, and text or a blob in Base64",
			Check:  resourceContents,
		}, {
			ID: "resources.unknown", Level: Must, Since: V20260728, Transports: Both, Section: failures,
			Demand: "reading a resource that does not exist is answered with the error -32602",
			Check:  unknownResource(codeInvalidParams),
		}, {
			ID: "resources.unknown-code", Level: Should, Until: V20251125, Transports: Both, Section: failures,
			Demand: "reading a resource that does not exist is answered with the error -32002",
			Check:  unknownResource(codeNoResource),
		}, {
			ID: "resources.read-params", Level: Should, Transports: Both, Section: failures,
			Demand: "resources/read without a uri is answered with the error -32602",
			Check: func(ctx context.Context, p *Probe) error {
				return p.refused(ctx, "resources", "resources/read", "resources/read without a uri", map[string]any{})
			},
		},
	}
}

const (
	codeNoResource = -32002 // until 2025-11-25

)

func resourceURI(ctx context.Context, p *Probe) error {
	return p.each(ctx, kindResources, func(i item) {
		uri := text(i.members["uri"])
		if u, err := url.Parse(uri); uri != "" && (err != nil || u.Scheme == "") {
			p.Brokenf("%q is no URI with a scheme", bound(uri, 200))
		}
	})
}

func templateURI(ctx context.Context, p *Probe) error {
	return p.each(ctx, kindTemplates, func(i item) {
		template := text(i.members["uriTemplate"])
		if _, err := uritemplate.New(template); err != nil {
			p.Brokenf("%q is no URI template: %v", bound(template, 200), err)
		}
	})
}

const maxReads = 20 // of resources, in a version

func resourceContents(ctx context.Context, p *Probe) error {
	l, err := p.list(ctx, kindResources)
	if err != nil {
		return err
	}
	s, err := p.Session(ctx)
	if err != nil {
		return err
	}
	tried := false
	for _, i := range l.items[:min(len(l.items), maxReads)] {
		uri := text(i.members["uri"])
		if uri == "" {
			continue
		}
		p.Forget()
		answer, err := s.Request(ctx, p, "resources/read", map[string]any{"uri": uri})
		if err != nil {
			return err
		}
		if answer.Error() != nil || text(members(answer.Result())["resultType"]) == "input_required" {
			continue
		}
		tried = true
		for _, wrong := range misshapen(answer.Result(), "contents:array!") {
			p.Brokenf("%q: %s", bound(uri, 200), wrong)
		}
		var contents []json.RawMessage
		_ = json.Unmarshal(members(answer.Result())["contents"], &contents) // told above
		for _, c := range contents {
			for _, wrong := range miscontents(c) {
				p.Brokenf("%q: contents: %s", bound(uri, 200), wrong)
			}
		}
	}
	if !tried {
		return Skipf("the server has no resource that could be read")
	}
	return nil
}

func unknownResource(code int) func(context.Context, *Probe) error {
	return func(ctx context.Context, p *Probe) error {
		s, err := p.declares(ctx, "resources")
		if err != nil {
			return err
		}
		answer, err := s.Request(ctx, p, "resources/read", map[string]any{"uri": "shclient-check://no/such/resource"})
		return p.wantError("reading an unknown resource", answer, err, code)
	}
}

// refused makes a request that lacks something, and wants -32602.
func (p *Probe) refused(ctx context.Context, capability, method, what string, params map[string]any) error {
	s, err := p.declares(ctx, capability)
	if err != nil {
		return err
	}
	answer, err := s.Request(ctx, p, method, params)
	if p.Modern() && p.Transport == HTTP {
		// A header may be missing as well, which may be seen first.
		return p.wantError(what, answer, err, codeInvalidParams, codeMismatch)
	}
	return p.wantError(what, answer, err, codeInvalidParams)
}

// skip reports whether an error means that there is nothing to try.
func isSkip(err error) bool {
	_, ok := errors.AsType[*skipped](err)
	return ok
}
