// SPDX-License-Identifier: Apache-2.0

package oauthdyn

import "net/http"

// StepKind says what a [DiscoveryStep] was about.
type StepKind string

// The steps of discovery, in the order in which they happen.
const (
	// StepChallenge asks the resource, without a token, for its challenge.
	StepChallenge StepKind = "challenge"

	// StepResourceMetadata reads a document that may be the metadata of the
	// resource (RFC 9728).
	StepResourceMetadata StepKind = "resource metadata"

	// StepServerMetadata reads a document that may be the metadata of an
	// authorization server (RFC 8414, OpenID Connect Discovery).
	StepServerMetadata StepKind = "server metadata"

	// StepServer decides whether an authorization server can be used.
	StepServer StepKind = "server"
)

// DiscoveryStep is one thing that discovery did; see [Config.Trace]. It must
// not be changed.
type DiscoveryStep struct {
	Kind StepKind

	// URL is what was requested. Empty for StepServer.
	URL string

	// Response is the answer; its Request tells where redirects led, and its Body
	// is not to be read. Nil if none came, or if nothing was requested.
	Response *http.Response

	// Issuer is the authorization server that StepServerMetadata and StepServer
	// are about.
	Issuer string

	// ResourceMetadata and ServerMetadata are what the document says, also when
	// it must not be used.
	ResourceMetadata *ResourceMetadata
	ServerMetadata   *ServerMetadata

	// Err is why the step led to nothing; nil if it did.
	Err error
}

// trace tells Config.Trace of a step.
func (c *Client) trace(s DiscoveryStep) {
	if c.cfg.Trace != nil {
		c.cfg.Trace(s)
	}
}
