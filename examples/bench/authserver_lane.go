// SPDX-License-Identifier: Apache-2.0

package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"strconv"
	"strings"
)

// A tokenSession is a client with a refresh token, which moves on from one load
// to the next.
type tokenSession struct {
	address      string
	endpoints    endpoints
	client       string
	refreshToken string
}

func (s *tokenSession) lanes(ctx context.Context, depth int) ([]lane, error) {
	if depth != 1 {
		return nil, errors.New("a refresh token is used once at a time")
	}
	return dialLanes(ctx, depth, s.dial)
}

func (s *tokenSession) dial(ctx context.Context) (*tokenLane, error) {
	c, err := dialHTTP(ctx, s.address)
	if err != nil {
		return nil, err
	}
	return &tokenLane{httpConn: c, tokenSession: s}, nil
}

// A tokenLane is the connection of such a client.
type tokenLane struct {
	httpConn
	*tokenSession
}

// drive does the operation of the load.
func (c *tokenLane) drive(ctx context.Context, p *plan) tally {
	switch p.load {
	case loadRefresh:
		return c.repeat(ctx, p, c.refresh, c.checkRefresh)
	case loadCredentials:
		return c.repeat(ctx, p, c.credentials, c.checkToken)
	case loadRegister:
		return c.repeat(ctx, p, c.register, c.checkRegistration)
	}
	var t tally
	t.fail(fmt.Errorf("there is no load %q", p.load))
	return t
}

func (c *tokenLane) refresh(int64) error {
	return c.form("", url.Values{"grant_type": {"refresh_token"}, "client_id": {c.client}, "refresh_token": {c.refreshToken}})
}

func (c *tokenLane) credentials(int64) error {
	return c.form(basic(), url.Values{"grant_type": {"client_credentials"}, "resource": {benchResource}, "scope": {"mcp"}})
}

func (c *tokenLane) register(id int64) error {
	return c.post(c.endpoints.register, typeJSON, "", string(registration(id)))
}

func (c *tokenLane) form(header string, form url.Values) error {
	return c.post(c.endpoints.token, "application/x-www-form-urlencoded", header, form.Encode())
}

func (c *tokenLane) post(path, contentType, header, body string) error {
	return c.roundTrip([]byte("POST " + path + " HTTP/1.1\r\n" + headerLine("Host", c.address) +
		headerLine("Content-Type", contentType) + headerLine("Accept", typeJSON) + header +
		headerLine("Content-Length", strconv.Itoa(len(body))) + "\r\n" + body))
}

// checkRefresh wants an access token and another refresh token.
func (c *tokenLane) checkRefresh(id int64) error {
	tokens, err := c.tokens()
	if err != nil {
		return err
	}
	if tokens.RefreshToken == "" || tokens.RefreshToken == c.refreshToken {
		return errors.New("the refresh token was not exchanged")
	}
	c.refreshToken = tokens.RefreshToken
	return nil
}

func (c *tokenLane) checkToken(int64) error {
	_, err := c.tokens()
	return err
}

type tokens struct {
	AccessToken  string `json:"access_token"`
	RefreshToken string `json:"refresh_token"`
}

// tokens wants a signed access token.
func (c *tokenLane) tokens() (t tokens, err error) {
	if c.reply.status != http.StatusOK {
		return t, fmt.Errorf("HTTP status %d: %.200s", c.reply.status, c.reply.body)
	}
	if err := json.Unmarshal(c.reply.body, &t); err != nil {
		return t, err
	}
	if strings.Count(t.AccessToken, ".") != 2 {
		return t, errors.New("the access token is not a signed one")
	}
	return t, nil
}

func (c *tokenLane) checkRegistration(int64) error {
	if c.reply.status != http.StatusCreated {
		return fmt.Errorf("HTTP status %d: %.200s", c.reply.status, c.reply.body)
	}
	var client registered
	if err := json.Unmarshal(c.reply.body, &client); err != nil {
		return err
	}
	if client.ClientID == "" {
		return errors.New("the reply has no client_id")
	}
	return nil
}
