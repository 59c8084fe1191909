// SPDX-License-Identifier: Apache-2.0

package service

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strings"
	"sync"
	"time"
)

// Peers are the other programs of a gateway, so that a status page shows all of
// it. It is safe for concurrent use.
type Peers struct {
	peers  []peer
	client *http.Client

	mu sync.Mutex
	// mu guards the fields below, and is held while the peers are asked: however
	// many look at the page, each peer has one request.
	known []PeerStatus
	asked time.Time
}

type peer struct{ name, url string }

// PeerStatus is what a peer told.
type PeerStatus struct {
	Name    string  `json:"name"`
	URL     string  `json:"url"`             // its admin address
	State   string  `json:"status"`          // as its /readyz has it, or unreachable
	Error   string  `json:"error,omitempty"` // why it is not ok
	Program string  `json:"program,omitempty"`
	Version string  `json:"version,omitempty"`
	Uptime  float64 `json:"uptime_seconds,omitempty"`
}

const (
	maxPeers = 32
	// peerTime is how long a peer may take, and peerAge for how long its answer
	// is good.
	peerTime = 2 * time.Second
	peerAge  = time.Second
	// maxPeerAnswer is how much of an answer is read, in bytes, and maxPeerText
	// what is shown of a text in it.
	maxPeerAnswer = 1 << 20
	maxPeerText   = 200
)

// ParsePeers reads the values of the flag --peer, NAME=URL, where the URL is that
// of an admin address, such as http://10.0.0.7:9090. There may be 32. No values
// make nil.
func ParsePeers(values []string) (*Peers, error) {
	if len(values) == 0 {
		return nil, nil
	}
	if len(values) > maxPeers {
		return nil, fmt.Errorf("there are %d --peer, and at most %d can be shown", len(values), maxPeers)
	}
	p := &Peers{client: &http.Client{
		Timeout:       peerTime,
		Transport:     &http.Transport{DisableKeepAlives: true},
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}}
	for _, value := range values {
		name, address, _ := strings.Cut(value, "=")
		u, err := url.Parse(address)
		if name == "" || err != nil || u.Host == "" || u.User != nil || u.RawQuery != "" || u.Scheme != "http" && u.Scheme != "https" {
			return nil, fmt.Errorf("--peer must be like auth=http://10.0.0.7:9090, a name and the URL of an admin address")
		}
		p.peers = append(p.peers, peer{name, strings.TrimRight(address, "/")})
	}
	return p, nil
}

// Ask asks all peers at once how they are, for a status page that was asked for
// by r. It takes some seconds at most. Nil has no peers. A page that another
// program asks for shows none, since programs may name each other.
func (p *Peers) Ask(r *http.Request) []PeerStatus {
	if p == nil || r.URL.Query().Has("own") {
		return nil
	}
	ctx := context.WithoutCancel(r.Context()) // the answer is for others too
	p.mu.Lock()
	defer p.mu.Unlock()
	if time.Since(p.asked) < peerAge {
		return p.known
	}
	known := make([]PeerStatus, len(p.peers))
	var all sync.WaitGroup
	for i, peer := range p.peers {
		all.Go(func() { known[i] = p.ask(ctx, peer) })
	}
	all.Wait()
	p.known, p.asked = known, time.Now()
	return known
}

func (p *Peers) ask(ctx context.Context, peer peer) PeerStatus {
	ctx, cancel := context.WithTimeout(ctx, peerTime)
	defer cancel()
	s := PeerStatus{Name: peer.name, URL: peer.url, State: "unreachable"}
	var ready struct {
		Status, Error string
		Servers       []struct{ Name, Error string }
	}
	code, err := p.get(ctx, peer.url+"/readyz", &ready)
	if err != nil {
		s.Error = shortText(err.Error())
		return s
	}
	s.State = "failed"
	switch {
	case code == http.StatusOK && ready.Status == "ok", ready.Status == "stopping":
		s.State = ready.Status
	case ready.Error != "":
		s.Error = shortText(ready.Error)
	case code != http.StatusServiceUnavailable:
		s.Error = fmt.Sprintf("/readyz answers with status %d", code)
	}
	for _, server := range ready.Servers {
		if server.Error != "" && s.Error == "" {
			s.Error = shortText(server.Name + ": " + server.Error)
		}
	}
	var status struct {
		Program, Version string
		Uptime           float64 `json:"uptime_seconds"`
	}
	if _, err := p.get(ctx, peer.url+"/status?own", &status); err == nil {
		s.Program, s.Version, s.Uptime = shortText(status.Program), shortText(status.Version), status.Uptime
	}
	return s
}

func (p *Peers) get(ctx context.Context, address string, answer any) (code int, err error) {
	r, err := http.NewRequestWithContext(ctx, http.MethodGet, address, nil)
	if err != nil {
		return 0, err
	}
	r.Header.Set("Accept", "application/json")
	resp, err := p.client.Do(r)
	if wrapped, ok := errors.AsType[*url.Error](err); ok {
		err = wrapped.Err // the address stands beside it
	}
	if err != nil {
		return 0, err
	}
	defer resp.Body.Close()
	if err := json.NewDecoder(io.LimitReader(resp.Body, maxPeerAnswer)).Decode(answer); err != nil {
		return 0, fmt.Errorf("status %d, and no JSON: is that an admin address?", resp.StatusCode)
	}
	return resp.StatusCode, nil
}

// shortText is a text of a peer's in one line.
func shortText(text string) string {
	text = strings.Join(strings.Fields(strings.ToValidUTF8(text, "\ufffd")), " ")
	if runes := []rune(text); len(runes) > maxPeerText {
		return string(runes[:maxPeerText]) + "…"
	}
	return text
}
