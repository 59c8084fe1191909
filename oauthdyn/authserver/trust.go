// SPDX-License-Identifier: Apache-2.0

package authserver

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/url"
	"slices"
	"strings"

	"github.com/atrawog/mcp-oauth-gateway/oauthdyn"
	"github.com/atrawog/mcp-oauth-gateway/oauthdyn/authserver/internal/remote"
	"github.com/atrawog/mcp-oauth-gateway/oauthdyn/internal/jose/jwt"
)

// maxIssuerBytes bounds the metadata and the keys of an Issuer.
const maxIssuerBytes = 512 << 10

// An Issuer is trusted to vouch for others by JWTs that it signs.
type Issuer struct {
	// ID is its issuer identifier, letter by letter the iss of its JWTs: https,
	// or http on a loopback address.
	ID string

	// JWKSURI is the address of its keys. Default: what its metadata says (RFC
	// 8414, OpenID Connect Discovery). They are read when they are needed first,
	// from its own host even if that is not public, and again as its
	// Cache-Control says, and when a JWT is signed with an unknown key.
	JWKSURI string
}

// A Workload says how a platform vouches for a program, as Kubernetes and CI
// services do: by a JWT that says where the program runs (RFC 7523 section 2.1).
type Workload struct {
	// Issuer signs the JWTs.
	Issuer Issuer

	// Subject is the sub of the JWTs, or its beginning and an asterisk:
	// "repo:org/name:ref:refs/heads/main" or "repo:org/name:*".
	Subject string

	// Audience is the aud of the JWTs, which must have no other. Default: the
	// issuer of this server.
	Audience string
}

// issuers are all that are trusted.
func (o *Options) issuers() []Issuer {
	all := slices.Clone(o.IdentityProviders)
	for _, c := range o.Clients {
		if c.Workload != nil {
			all = append(all, c.Workload.Issuer)
		}
	}
	return all
}

func (i Issuer) check() error {
	if err := checkTrusted(i.ID); err != nil {
		return fmt.Errorf("issuer %q %w", i.ID, err)
	}
	if i.JWKSURI == "" {
		return nil
	}
	if err := checkTrusted(i.JWKSURI); err != nil {
		return fmt.Errorf("issuer %q: jwks_uri %w", i.ID, err)
	}
	return nil
}

// checkTrusted checks an address that the operator has named, or an issuer that
// the operator trusts.
func checkTrusted(address string) error {
	u, err := url.Parse(address)
	switch {
	case err != nil || u.Hostname() == "" || u.User != nil || u.Fragment != "":
		return errors.New("is not an absolute URL without user and fragment")
	case u.Scheme == "https" || u.Scheme == "http" && isLoopback(u.Hostname()):
		return nil
	}
	return errors.New("must use https (http is accepted on a loopback address only)")
}

func (w *Workload) check(issuer string) error {
	if err := w.Issuer.check(); err != nil {
		return err
	}
	if w.Audience == "" {
		w.Audience = issuer
	}
	if beginning, _, _ := strings.Cut(w.Subject, "*"); beginning == "" || beginning != w.Subject && beginning+"*" != w.Subject {
		return errors.New("its subject must be that of the platform's JWTs, or the beginning of it and an asterisk")
	}
	return nil
}

// isFor reports whether a subject is that of the workload.
func (w *Workload) isFor(subject string) bool {
	if beginning, ok := strings.CutSuffix(w.Subject, "*"); ok {
		return strings.HasPrefix(subject, beginning)
	}
	return subject == w.Subject
}

// issuerKeys are the keys of the issuers that the operator trusts.
type issuerKeys struct {
	metadata *remote.Reader[*oauthdyn.ServerMetadata]
	keys     *remote.Reader[*jwt.Keys]
}

func newIssuerKeys(issuers []Issuer) *issuerKeys {
	var hosts []string
	for _, i := range issuers {
		for _, address := range []string{i.ID, i.JWKSURI} {
			if u, err := url.Parse(address); err == nil && u.Host != "" {
				hosts = append(hosts, strings.TrimSuffix(strings.ToLower(u.Host), ":443"))
			}
		}
	}
	return &issuerKeys{
		metadata: remote.NewReader(remote.Options[*oauthdyn.ServerMetadata]{
			Hosts: hosts, Accept: checkTrusted, About: "the issuer", Address: "the issuer", MaxBytes: maxIssuerBytes, Parse: parseMetadata,
		}),
		keys: remote.NewReader(remote.Options[*jwt.Keys]{
			Hosts: hosts, Accept: checkTrusted, About: "the keys of the issuer", Address: "jwks_uri", MaxBytes: maxIssuerBytes,
			Parse: func(_ string, body []byte) (*jwt.Keys, error) { return jwt.ParseKeys(body) },
		}),
	}
}

func (k *issuerKeys) close() {
	k.metadata.Close()
	k.keys.Close()
}

func parseMetadata(_ string, body []byte) (*oauthdyn.ServerMetadata, error) {
	m := &oauthdyn.ServerMetadata{}
	if json.Unmarshal(body, m) != nil {
		return nil, errors.New("it is not metadata")
	}
	return m, nil
}

// verify checks the signature of an assertion by the keys of its issuer.
func (k *issuerKeys) verify(ctx context.Context, i Issuer, a *jwt.SignedAssertion) error {
	address, err := k.address(ctx, i)
	if err != nil {
		return err
	}
	keys, err := k.keys.Read(ctx, address)
	if err != nil {
		return err
	}
	err = a.Verify(keys)
	if !errors.Is(err, jwt.ErrUnknownKey) {
		return err
	}
	if keys, err = k.keys.Newer(ctx, address); err != nil {
		return err
	}
	return a.Verify(keys)
}

// address finds the keys of an issuer: RFC 8414 section 3, OpenID Connect
// Discovery 1.0 section 4.
func (k *issuerKeys) address(ctx context.Context, i Issuer) (string, error) {
	if i.JWKSURI != "" {
		return i.JWKSURI, nil
	}
	u, err := url.Parse(i.ID)
	if err != nil {
		return "", err
	}
	origin, path := u.Scheme+"://"+u.Host, strings.TrimSuffix(u.EscapedPath(), "/")
	addresses := []string{origin + path + oauthdyn.WellKnownOpenID, origin + oauthdyn.WellKnownServer + path}
	var errs []error
	for _, address := range addresses {
		m, err := k.metadata.Read(ctx, address)
		switch {
		case err != nil:
			errs = append(errs, err)
		case m.Issuer != i.ID:
			errs = append(errs, errors.New("the metadata of the issuer names another one"))
		case m.JWKSURI == "":
			errs = append(errs, errors.New("the metadata of the issuer names no jwks_uri"))
		default:
			return m.JWKSURI, nil
		}
	}
	// One that may pass counts most.
	slices.SortStableFunc(errs, func(a, b error) int { return permanent(a) - permanent(b) })
	return "", errs[0]
}

func permanent(err error) int {
	if e := remote.AsError(err); e != nil && e.Temporary {
		return 0
	}
	return 1
}
