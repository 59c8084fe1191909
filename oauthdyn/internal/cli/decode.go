// SPDX-License-Identifier: Apache-2.0

package cli

import (
	"context"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/atrawog/mcp-oauth-gateway/oauthdyn/internal/jose"
	"github.com/atrawog/mcp-oauth-gateway/oauthdyn/internal/strictjson"
	"github.com/atrawog/mcp-oauth-gateway/oauthdyn/internal/terminal"
	"github.com/atrawog/mcp-oauth-gateway/oauthdyn/resource"
	"github.com/atrawog/mcp-oauth-gateway/oauthdyn/signin"
)

const (
	keysTimeout  = 10 * time.Second
	maxKeysBytes = 1 << 20
)

// decodeFlags say how a token is judged.
type decodeFlags struct {
	output
	issuer   string
	keys     string
	audience string
}

// decoded is a token in the open.
type decoded struct {
	Header    map[string]any `json:"header"`
	Claims    map[string]any `json:"claims"`
	Signature string         `json:"signature"` // not checked, valid, or refused
	Problem   string         `json:"problem,omitempty"`
}

func (a *app) decodeCommand() *cobra.Command {
	f := &decodeFlags{}
	cmd := &cobra.Command{
		Use:   "decode [FILE]",
		Short: "Show what is in a JWT",
		Long: `Shows the header and the claims of a JWT from a file or from standard input. Nothing
in it can be believed unless the signature is checked: with --issuer against the
keys of that issuer, with --jwks against given ones. Then the expiry counts, too, and
the audience if --audience names one; the exit status is 1 if the token is refused.`,
		Example: `  oauthdyn token https://mcp.example.com/mcp | oauthdyn decode
  oauthdyn decode token.jwt --issuer https://auth.example.com --audience https://mcp.example.com/mcp`,
		Args: cobra.MaximumNArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			a.running = true
			from := "-"
			if len(args) == 1 {
				from = args[0]
			}
			return a.decode(cmd.Context(), f, from)
		},
	}
	flags := cmd.Flags()
	flags.SortFlags = false
	f.output.add(flags)
	flags.StringVar(&f.issuer, "issuer", "", "`url` of the issuer, which must have issued the token and whose keys check it")
	flags.StringVar(&f.keys, "jwks", "", "`file or url` of the keys that check it (JWK set)")
	flags.StringVar(&f.audience, "audience", "", "`uri` that the token must be for, checked with the signature")
	cmd.MarkFlagsMutuallyExclusive("issuer", "jwks")
	return cmd
}

func (a *app) decode(ctx context.Context, f *decodeFlags, from string) error {
	if f.audience != "" && f.issuer == "" && f.keys == "" {
		return &usageError{text: "--audience counts with --issuer or --jwks only, since claims prove nothing by themselves"}
	}
	if looksLikeToken(from) {
		return &usageError{text: "want a file, not the token itself, which all users of this machine could read", hint: "oauthdyn decode reads standard input"}
	}
	raw, err := readToken(from, a.stdin)
	if err != nil {
		return err
	}
	d, err := decodeJWT(raw)
	if err != nil {
		return err
	}
	var refused error
	if f.issuer != "" || f.keys != "" {
		if refused, err = f.verify(ctx, raw, d); err != nil {
			return err
		}
		d.Signature = "valid"
		if refused != nil {
			d.Signature, d.Problem = "refused", oneLine(refused.Error())
		}
	}
	if err := a.showDecoded(f, d); err != nil {
		return err
	}
	if refused != nil {
		return fmt.Errorf("the token is refused: %s", d.Problem)
	}
	return nil
}

// looksLikeToken recognizes a JWT by the start of its JSON header.
func looksLikeToken(s string) bool { return strings.HasPrefix(s, "eyJ") && strings.Count(s, ".") >= 2 }

// readToken reads a token, which may stand in an Authorization header.
func readToken(from string, stdin io.Reader) (string, error) {
	raw, err := signin.ReadSecret(from, stdin)
	if err != nil {
		return "", err
	}
	if name, value, ok := strings.Cut(raw, ":"); ok && strings.EqualFold(name, "Authorization") {
		raw = strings.TrimSpace(value)
	}
	if i := strings.LastIndexByte(raw, ' '); i >= 0 {
		raw = raw[i+1:]
	}
	return raw, nil
}

// decodeJWT takes a token apart. The error does not quote it.
func decodeJWT(raw string) (*decoded, error) {
	if len(raw) > jose.MaxTokenBytes {
		return nil, fmt.Errorf("the token is longer than %d bytes", jose.MaxTokenBytes)
	}
	parts := strings.Split(raw, ".")
	switch len(parts) {
	case 3:
	case 5:
		return nil, errors.New("the token is encrypted (JWE); only its recipient can read it")
	default:
		return nil, &hintedError{errors.New("the token is no JWT; what is in it is known to its issuer only"), "oauthdyn introspect asks the issuer about the token of a login"}
	}
	d := &decoded{Signature: "not checked"}
	for i, to := range []*map[string]any{&d.Header, &d.Claims} {
		text, err := base64.RawURLEncoding.DecodeString(strings.TrimRight(parts[i], "="))
		if err != nil {
			return nil, errors.New("the token is no JWT: a part is not base64url")
		}
		if _, err := strictjson.Parse(text); err != nil {
			return nil, fmt.Errorf("the token is no JWT that can be trusted to mean one thing: %w", err)
		}
		numbers := json.NewDecoder(strings.NewReader(string(text)))
		numbers.UseNumber()
		if err := numbers.Decode(to); err != nil {
			return nil, errors.New("the token is no JWT: a part is not a JSON object")
		}
	}
	return d, nil
}

// verify returns why the token is refused, nil if it is not; err is why that
// could not be found out.
func (f *decodeFlags) verify(ctx context.Context, raw string, d *decoded) (refused, err error) {
	audience := f.audience
	if audience == "" {
		audience = firstAudience(d.Claims["aud"])
	}
	if f.keys != "" {
		return f.verifyWithKeys(ctx, raw, audience)
	}
	if audience == "" {
		return errors.New("without an audience"), nil
	}
	v, err := resource.NewJWTVerifier(resource.JWTOptions{Issuers: []string{f.issuer}, Audience: audience, AcceptTypeJWT: true})
	if err != nil {
		return nil, &usageError{text: err.Error()}
	}
	_, err = v.Verify(ctx, raw)
	if errors.Is(err, resource.ErrInvalidToken) {
		return err, nil
	}
	return nil, err
}

func (f *decodeFlags) verifyWithKeys(ctx context.Context, raw, audience string) (refused, err error) {
	data, err := readKeys(ctx, f.keys)
	if err != nil {
		return nil, fmt.Errorf("--jwks: %w", err)
	}
	keys, err := jose.ParseJWKS(data)
	if err != nil {
		return nil, fmt.Errorf("--jwks: %s: %w", f.keys, err)
	}
	token, err := jose.Profile{PlainType: true}.Parse(raw)
	if err != nil {
		return err, nil
	}
	claims, err := token.Verify(keys)
	if err != nil {
		return err, nil
	}
	return claims.Check(jose.Expect{Issuer: claims.Issuer, Audience: []string{audience}, Now: time.Now(), Skew: resource.ClockSkew}), nil
}

// readKeys reads a JWK set from a file or a URL.
func readKeys(ctx context.Context, from string) ([]byte, error) {
	if !strings.HasPrefix(from, "https://") && !strings.HasPrefix(from, "http://") {
		return signin.ReadSecretFile(from, nil)
	}
	ctx, cancel := context.WithTimeout(ctx, keysTimeout)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, from, nil)
	if err != nil {
		return nil, err
	}
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		return nil, err
	}
	defer resp.Body.Close()
	if resp.StatusCode != http.StatusOK {
		return nil, fmt.Errorf("%s is answered %s", from, resp.Status)
	}
	return io.ReadAll(io.LimitReader(resp.Body, maxKeysBytes))
}

func firstAudience(aud any) string {
	if list, ok := aud.([]any); ok && len(list) > 0 {
		aud = list[0]
	}
	text, _ := aud.(string)
	return text
}

func (a *app) showDecoded(f *decodeFlags, d *decoded) error {
	if f.json {
		return a.writeJSON(d)
	}
	now := time.Now()
	for _, part := range []struct {
		title   string
		members map[string]any
	}{{"header", d.Header}, {"claims", d.Claims}} {
		t := &terminal.Table{}
		for _, name := range slices.Sorted(maps.Keys(part.members)) {
			t.Add(terminal.Printable(name), claimText(name, part.members[name], now))
		}
		if err := t.Write(a.stdout, part.title); err != nil {
			return err
		}
	}
	text := "The signature is not checked: anybody can have written this. --issuer or --jwks checks it."
	switch {
	case d.Signature == "valid" && f.audience == "":
		text = "The signature is valid, and the token has not expired. Whom it is for is not checked: --audience does."
	case d.Signature == "valid":
		text = "The signature is valid, the token has not expired, and it is for " + f.audience + "."
	case d.Problem != "":
		text = "The token is refused."
	}
	_, err := fmt.Fprintln(a.stdout, terminal.Printable(text))
	return err
}

// claimText prints a value as it is, and dates also as dates.
func claimText(name string, value any, now time.Time) string {
	if text, ok := value.(string); ok {
		return text
	}
	data, err := json.Marshal(value)
	if err != nil {
		return fmt.Sprint(value)
	}
	text := string(data)
	number, ok := value.(json.Number)
	if !ok || !slices.Contains([]string{"exp", "iat", "nbf", "auth_time"}, name) {
		return text
	}
	if date, err := number.Float64(); err == nil && date > 0 && date < 1<<40 {
		return text + "  " + terminal.Moment(time.Unix(int64(date), 0), now)
	}
	return text
}
