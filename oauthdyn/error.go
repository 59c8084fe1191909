// SPDX-License-Identifier: Apache-2.0

package oauthdyn

import (
	"net/http"
	"strings"
)

// Error codes of the OAuth RFCs that this module sends or reacts to.
const (
	// RFC 6749, sections 4.1.2.1 and 5.2.
	CodeInvalidRequest          = "invalid_request"
	CodeInvalidClient           = "invalid_client"
	CodeInvalidGrant            = "invalid_grant"
	CodeUnauthorizedClient      = "unauthorized_client"
	CodeUnsupportedGrantType    = "unsupported_grant_type"
	CodeUnsupportedResponseType = "unsupported_response_type"
	CodeInvalidScope            = "invalid_scope"
	CodeAccessDenied            = "access_denied"
	CodeServerError             = "server_error"
	CodeTemporarilyUnavailable  = "temporarily_unavailable"

	// RFC 6750, section 3.1.
	CodeInvalidToken      = "invalid_token"
	CodeInsufficientScope = "insufficient_scope"

	// RFC 7591, section 3.2.2.
	CodeInvalidRedirectURI    = "invalid_redirect_uri"
	CodeInvalidClientMetadata = "invalid_client_metadata"

	CodeUnapprovedSoftwareStatement = "unapproved_software_statement"

	// RFC 7009, section 2.2.1.
	CodeUnsupportedTokenType = "unsupported_token_type"

	// RFC 8628, section 3.5.
	CodeAuthorizationPending = "authorization_pending"
	CodeSlowDown             = "slow_down"
	CodeExpiredToken         = "expired_token"

	// RFC 9449, sections 5 and 8.
	CodeInvalidDPoPProof = "invalid_dpop_proof"
	CodeUseDPoPNonce     = "use_dpop_nonce"

	// RFC 8707, section 2.
	CodeInvalidTarget = "invalid_target"
)

// Error is an error response of an OAuth endpoint, as RFC 6749 section 5.2 and
// RFC 7591 section 3.2.2 define it. It is what the peer said; failures of our
// own (network, validation) are ordinary errors.
//
// Use errors.As to get at it, or errors.Is with an Error that holds just a Code:
//
//	if errors.Is(err, &oauthdyn.Error{Code: oauthdyn.CodeInvalidGrant}) { … }
//
// Its texts come from the peer: they are cut off when they are long, and hold no
// control characters.
type Error struct {
	Code        string `json:"error"`
	Description string `json:"error_description,omitempty"`
	URI         string `json:"error_uri,omitempty"`

	// Status is the HTTP status of the response; 0 when the error came
	// through a redirect.
	Status int `json:"-"`
}

// Error returns the code, or the text of the status if there is none, and the
// description if there is one.
func (e *Error) Error() string {
	var b strings.Builder
	b.WriteString(e.Code)
	if e.Code == "" {
		b.WriteString(http.StatusText(e.Status))
	}
	if e.Description != "" {
		b.WriteString(": ")
		b.WriteString(e.Description)
	}
	return b.String()
}

// Is reports whether target is an *Error with the same code.
func (e *Error) Is(target error) bool {
	t, ok := target.(*Error)
	return ok && t.Code == e.Code
}
