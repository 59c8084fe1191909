// SPDX-License-Identifier: Apache-2.0

package authserver

import (
	"context"
	"encoding/json"
	"errors"
	"log/slog"
	"net/http"
	"net/url"
	"slices"
	"time"

	"github.com/atrawog/mcp-oauth-gateway/oauthdyn"
	"github.com/atrawog/mcp-oauth-gateway/oauthdyn/authserver/audit"
	"github.com/atrawog/mcp-oauth-gateway/oauthdyn/authserver/internal/usercode"
	"github.com/atrawog/mcp-oauth-gateway/oauthdyn/authserver/store"
)

const (
	// deviceTTL is how long a person has to enter the code and to sign in.
	deviceTTL = 10 * time.Minute

	// deviceMemory is how long a device hears that its code has expired.
	deviceMemory = 5 * time.Minute

	// pollInterval is what devices are told; a clock, or the network, may make
	// it a little shorter.
	pollInterval    = 5 * time.Second
	minPollInterval = 4 * time.Second

	// maxDeviceStarts bounds the codes that are given out to one network in a
	// minute.
	maxDeviceStarts = 100
)

// deviceRequest is what a device has asked for (RFC 8628 section 3.1), kept
// under its user code until somebody decides.
type deviceRequest struct {
	Code      store.Hash `json:"code"` // of the device
	ClientID  string     `json:"client_id"`
	Scopes    []string   `json:"scopes,omitempty"`
	Resources []string   `json:"resources"`
	Expires   time.Time  `json:"expires"`

	UserCode string `json:"user_code"`
}

// deviceState is what a device that waits is told of, kept under its device
// code. A person who agrees turns that into a store.Code.
type deviceState struct {
	ClientID string    `json:"client_id"`
	Expires  time.Time `json:"expires"`
	Denied   bool      `json:"denied,omitempty"`
}

// deviceAuthorization is the answer to a device: RFC 8628 section 3.2.
type deviceAuthorization struct {
	DeviceCode              string `json:"device_code"`
	UserCode                string `json:"user_code"`
	VerificationURI         string `json:"verification_uri"`
	VerificationURIComplete string `json:"verification_uri_complete"`
	ExpiresIn               int    `json:"expires_in"`
	Interval                int    `json:"interval"`
}

// LogValue keeps the codes out of logs.
func (d *deviceAuthorization) LogValue() slog.Value { return slog.StringValue(d.VerificationURI) }

// serveDeviceAuthorization is the device authorization endpoint: RFC 8628
// section 3.1.
func (s *Server) serveDeviceAuthorization(w http.ResponseWriter, r *http.Request) {
	answer, err := s.startDevice(w, r)
	if err != nil {
		s.audit(r.Context(), audit.Code, err)
		refuseClient(w, r, err)
		return
	}
	writeJSON(w, http.StatusOK, answer)
}

func (s *Server) startDevice(w http.ResponseWriter, r *http.Request) (*deviceAuthorization, *oauthdyn.Error) {
	form, err := tokenForm(w, r)
	if err != nil {
		return nil, err
	}
	client, err := s.authenticateClient(r, form)
	if err != nil {
		return nil, err
	}
	if !slices.Contains(client.Metadata.GrantTypes, oauthdyn.GrantDeviceCode) {
		return nil, fail(http.StatusBadRequest, oauthdyn.CodeUnauthorizedClient, "the client did not register "+oauthdyn.GrantDeviceCode+" among its grant_types")
	}
	resources, err := s.chooseResources(form["resource"])
	if err != nil {
		return nil, err
	}
	request := deviceRequest{ClientID: client.ID, Expires: time.Now().Add(deviceTTL)}
	for _, res := range resources {
		request.Resources = append(request.Resources, res.URI)
	}
	if request.Scopes, err = chooseScopes(form.Get("scope"), resources); err != nil {
		return nil, err
	}
	if err := s.within(w, r, "there were too many requests; try again in a minute",
		limit{countDeviceStarts, hashOf(networkOf(r)), maxDeviceStarts}); err != nil {
		return nil, err
	}
	code := randomString(secretBytes)
	request.Code = store.HashOf(code)
	if err := s.putDevice(r.Context(), &request); err != nil {
		return nil, s.internal(r, "keep a device", err)
	}
	page := s.url(pathDevice)
	return &deviceAuthorization{
		DeviceCode:              code,
		UserCode:                usercode.Format(request.UserCode),
		VerificationURI:         page,
		VerificationURIComplete: page + "?" + url.Values{"user_code": {usercode.Format(request.UserCode)}}.Encode(),
		ExpiresIn:               int(deviceTTL / time.Second),
		Interval:                int(pollInterval / time.Second),
	}, nil
}

// putDevice keeps a request under a user code that nobody else has.
func (s *Server) putDevice(ctx context.Context, d *deviceRequest) error {
	state, err := json.Marshal(deviceState{ClientID: d.ClientID, Expires: d.Expires})
	if err != nil {
		return err
	}
	if err := s.o.Store.PutTransaction(ctx, kindDeviceState, d.Code, state, d.Expires.Add(deviceMemory)); err != nil {
		return err
	}
	for {
		d.UserCode = usercode.New()
		data, err := json.Marshal(d)
		if err != nil {
			return err
		}
		err = s.o.Store.AddTransaction(ctx, kindDevice, store.HashOf(d.UserCode), data, d.Expires)
		if !errors.Is(err, store.ErrConflict) {
			return err
		}
	}
}

// device finds the request with a user code.
func (s *Server) device(ctx context.Context, userCode string) (*deviceRequest, error) {
	data, err := s.o.Store.Transaction(ctx, kindDevice, store.HashOf(userCode))
	if err != nil {
		return nil, err
	}
	d := &deviceRequest{}
	return d, json.Unmarshal(data, d)
}

// pollDevice answers a device that asks whether the person has decided: RFC 8628
// section 3.4.
func (s *Server) pollDevice(r *http.Request, client *store.Client, form url.Values, key string) (*tokenResponse, *oauthdyn.Error) {
	ctx := r.Context()
	if form.Get("device_code") == "" {
		return nil, fail(http.StatusBadRequest, oauthdyn.CodeInvalidRequest, "device_code is missing")
	}
	hash := store.HashOf(form.Get("device_code"))
	code, err := s.o.Store.Code(ctx, hash)
	switch {
	case errors.Is(err, store.ErrNotFound):
		return nil, s.deviceWaits(r, client, hash)
	case err != nil:
		return nil, s.internal(r, "look up a code", err)
	case code.ClientID != client.ID || code.Challenge != "": // that one is for redirects
		because(ctx, "the code is that of another client, or of another grant type")
		return nil, invalidGrant("device code")
	}
	return s.exchange(r, client, code, key, "device code", func() (target, *oauthdyn.Error) {
		return s.narrow(form, target{resources: code.Resources, scopes: code.Scopes, key: key})
	})
}

// deviceWaits says why there is no token: RFC 8628 section 3.5.
func (s *Server) deviceWaits(r *http.Request, client *store.Client, hash store.Hash) *oauthdyn.Error {
	ctx, now := r.Context(), time.Now()
	data, err := s.o.Store.Transaction(ctx, kindDeviceState, hash)
	if err != nil && !errors.Is(err, store.ErrNotFound) {
		return s.internal(r, "look up a device", err)
	}
	var state deviceState
	if err != nil || json.Unmarshal(data, &state) != nil || state.ClientID != client.ID {
		because(ctx, "no such device code, or one of another client")
		return invalidGrant("device code")
	}
	switch {
	case state.Denied:
		return fail(http.StatusBadRequest, oauthdyn.CodeAccessDenied, "the person did not allow it")
	case !now.Before(state.Expires):
		return fail(http.StatusBadRequest, oauthdyn.CodeExpiredToken, "nobody has entered the code in time; start over")
	}
	err = s.o.Store.AddTransaction(ctx, kindDevicePoll, hash, nil, now.Add(minPollInterval))
	switch {
	case errors.Is(err, store.ErrConflict):
		return fail(http.StatusBadRequest, oauthdyn.CodeSlowDown, "ask less often, by five seconds")
	case err != nil:
		return s.internal(r, "note a poll", err)
	}
	return fail(http.StatusBadRequest, oauthdyn.CodeAuthorizationPending, "the person has not decided yet")
}
