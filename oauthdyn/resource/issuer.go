// SPDX-License-Identifier: Apache-2.0

package resource

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/netip"
	"net/url"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/atrawog/mcp-oauth-gateway/oauthdyn"
	"github.com/atrawog/mcp-oauth-gateway/oauthdyn/internal/jose"
)

const (
	keysFresh       = 10 * time.Minute // after that the keys are read again
	keysUsable      = time.Hour        // how long old keys serve while reading fails
	unknownKeyPause = time.Minute      // between reads that unknown key ids cause
	fetchTimeout    = 10 * time.Second
	minBackoff      = 250 * time.Millisecond
	maxBackoff      = 30 * time.Second
	maxDocument     = 1 << 20 // bytes of metadata or keys
)

// An issuer finds and keeps the keys of one authorization server.
type issuer struct {
	id          string
	client      *http.Client
	log         *slog.Logger
	keysRemoved func()

	// turn holds one token; who has it may fetch.
	turn chan struct{}

	mu sync.Mutex
	// mu guards the fields below.
	current   *issuerKeys
	retryAt   time.Time // no fetch before
	backoff   time.Duration
	lastError error
	askedMore time.Time // last read because of an unknown key
}

// issuerKeys is one reading of an issuer's keys. It is immutable.
type issuerKeys struct {
	set         *jose.PublicKeys
	freshUntil  time.Time
	usableUntil time.Time
}

func newIssuer(id string, client *http.Client, log *slog.Logger) (*issuer, error) {
	if err := checkURL(id); err != nil {
		return nil, fmt.Errorf("authorization server %q: %w", id, err)
	}
	return &issuer{id: id, client: client, log: log, turn: make(chan struct{}, 1)}, nil
}

// defaultClient follows no redirects: keys come from where the issuer says, and
// from nowhere else.
func defaultClient() *http.Client {
	return &http.Client{
		Timeout:       fetchTimeout,
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}
}

// checkURL allows https, and http on a loopback address.
func checkURL(raw string) error {
	u, err := url.Parse(raw)
	switch {
	case err != nil || u.Hostname() == "" || u.User != nil || u.Fragment != "":
		return errors.New("not an absolute URL without user and fragment")
	case u.Scheme == "https" || u.Scheme == "http" && isLoopback(u.Hostname()):
		return nil
	}
	return errors.New("must use https (http is accepted on a loopback address only)")
}

func isLoopback(host string) bool {
	if host == "localhost" {
		return true
	}
	addr, err := netip.ParseAddr(host)
	return err == nil && addr.IsLoopback()
}

// keys returns the current keys, reading them if they are missing or old.
func (i *issuer) keys(ctx context.Context, now time.Time) (*issuerKeys, error) {
	i.mu.Lock()
	current, lastError := i.current, i.lastError
	i.mu.Unlock()
	if current != nil && now.Before(current.freshUntil) {
		return current, nil
	}
	if lastError != nil && len(i.turn) > 0 {
		// Somebody tries again. An issuer that hangs must not hold up everybody.
		if old, err := usable(current, lastError); err == nil {
			return old, nil
		}
	}
	return i.refresh(ctx, current, true)
}

// newerKeys returns the keys after those that the caller has seen, because a
// token names one that they lack. They are read at most once a minute for that;
// until they are newer, those that the caller has seen are returned.
func (i *issuer) newerKeys(ctx context.Context, seen *issuerKeys, now time.Time) (*issuerKeys, error) {
	i.mu.Lock()
	read := i.current == seen && now.Sub(i.askedMore) >= unknownKeyPause
	if read {
		i.askedMore = now
	}
	i.mu.Unlock()
	return i.refresh(ctx, seen, read)
}

// refresh replaces the keys that the caller has seen. One caller reads; the
// others wait for it and share the result, as do those that may not read.
func (i *issuer) refresh(ctx context.Context, seen *issuerKeys, read bool) (*issuerKeys, error) {
	select {
	case i.turn <- struct{}{}:
		defer func() { <-i.turn }()
	case <-ctx.Done():
		return nil, ctx.Err()
	}
	i.mu.Lock()
	current, retryAt, lastError := i.current, i.retryAt, i.lastError
	i.mu.Unlock()
	if current != nil && (current != seen || !read) {
		return current, nil
	}
	if time.Now().Before(retryAt) {
		return usable(current, lastError)
	}
	// The result is for everybody, so that one impatient caller must not
	// cancel it.
	fetchCtx, cancel := context.WithTimeout(context.WithoutCancel(ctx), fetchTimeout)
	defer cancel()
	set, err := i.fetch(fetchCtx)
	return i.settle(fetchCtx, set, err)
}

// settle records the outcome of a fetch.
func (i *issuer) settle(ctx context.Context, set *jose.PublicKeys, err error) (*issuerKeys, error) {
	now := time.Now()
	i.mu.Lock()
	previous := i.current
	if err != nil {
		i.backoff = min(max(2*i.backoff, minBackoff), maxBackoff)
		i.retryAt = now.Add(i.backoff)
		i.lastError = fmt.Errorf("keys of authorization server %s: %w", i.id, err)
		err = i.lastError
	} else {
		i.current = &issuerKeys{set: set, freshUntil: now.Add(keysFresh), usableUntil: now.Add(keysUsable)}
		i.backoff, i.retryAt, i.lastError = 0, time.Time{}, nil
	}
	current := i.current
	i.mu.Unlock()

	if err != nil {
		i.log.LogAttrs(ctx, slog.LevelWarn, "keys could not be read", slog.String("issuer", i.id), slog.String("error", err.Error()))
		return usable(current, err)
	}
	if previous != nil && lacks(set.IDs(), previous.set.IDs()) {
		i.keysRemoved()
	}
	i.log.LogAttrs(ctx, slog.LevelDebug, "keys read", slog.String("issuer", i.id), slog.Int("keys", set.Len()))
	return current, nil
}

// usable returns old keys while they may still serve.
func usable(keys *issuerKeys, err error) (*issuerKeys, error) {
	if keys != nil && time.Now().Before(keys.usableUntil) {
		return keys, nil
	}
	return nil, err
}

// lacks reports whether an element of want is missing in have.
func lacks(have, want []string) bool {
	return slices.ContainsFunc(want, func(id string) bool { return !slices.Contains(have, id) })
}

// fetch reads the metadata, then the keys.
func (i *issuer) fetch(ctx context.Context) (*jose.PublicKeys, error) {
	jwksURI, err := i.discover(ctx)
	if err != nil {
		return nil, err
	}
	data, err := i.get(ctx, jwksURI)
	if err != nil {
		return nil, err
	}
	keys, err := jose.ParseJWKS(data)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", jwksURI, err)
	}
	if keys.Len() == 0 {
		return nil, fmt.Errorf("%s holds no ES256 or RS256 key", jwksURI)
	}
	return keys, nil
}

// discover returns the jwks_uri of the first metadata document that names
// exactly this issuer: RFC 8414 section 3.3.
func (i *issuer) discover(ctx context.Context) (string, error) {
	var errs []error
	for _, address := range metadataURLs(i.id) {
		data, err := i.get(ctx, address)
		if err != nil {
			errs = append(errs, err)
			continue
		}
		var md oauthdyn.ServerMetadata
		switch err := json.Unmarshal(data, &md); {
		case err != nil:
			errs = append(errs, fmt.Errorf("%s: not metadata", address))
		case md.Issuer != i.id:
			errs = append(errs, fmt.Errorf("%s: names issuer %q", address, md.Issuer))
		case checkURL(md.JWKSURI) != nil:
			errs = append(errs, fmt.Errorf("%s: jwks_uri %w", address, checkURL(md.JWKSURI)))
		default:
			return md.JWKSURI, nil
		}
	}
	return "", errors.Join(errs...)
}

// metadataURLs lists where the metadata of an issuer may be, in the order of
// the MCP specification.
func metadataURLs(issuer string) []string {
	u, err := url.Parse(issuer)
	if err != nil {
		return nil
	}
	origin := u.Scheme + "://" + u.Host
	path := strings.TrimSuffix(u.EscapedPath(), "/")
	urls := []string{origin + oauthdyn.WellKnownServer + path, origin + oauthdyn.WellKnownOpenID + path}
	if path != "" {
		urls = append(urls, origin+path+oauthdyn.WellKnownOpenID)
	}
	return urls
}

// get reads a JSON document of limited size.
func (i *issuer) get(ctx context.Context, address string) ([]byte, error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, address, nil)
	if err != nil {
		return nil, err
	}
	req.Header.Set("Accept", "application/json")
	res, err := i.client.Do(req)
	if err != nil {
		return nil, err
	}
	defer res.Body.Close()
	if res.StatusCode != http.StatusOK {
		return nil, fmt.Errorf("%s: %s", address, res.Status)
	}
	data, err := io.ReadAll(io.LimitReader(res.Body, maxDocument+1))
	if err != nil {
		return nil, err
	}
	if len(data) > maxDocument {
		return nil, fmt.Errorf("%s: longer than %d bytes", address, maxDocument)
	}
	return data, nil
}
