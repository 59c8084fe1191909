// SPDX-License-Identifier: Apache-2.0

// Package compat finds out which protocol versions a server speaks, and what
// clients of each version can do with it: natively, or through the bridges of
// this project, which translate between the eras.
//
//	Ask     puts the first message of every version to the server
//	Judge   says what follows for clients
package compat

import (
	"cmp"
	"encoding/json"
	"slices"

	"github.com/atrawog/mcp-oauth-gateway/shproxy/era"
)

// Report is what clients of each protocol version find at a server.
type Report struct {
	Server    Server    `json:"server"`
	Versions  []Version `json:"versions"`  // oldest first
	Features  []Feature `json:"features"`  // that the server has, or may use
	Remarks   []string  `json:"remarks"`   // why something is lost or limited
	Transport string    `json:"transport"` // to the server
}

// Server is what it says of itself.
type Server struct {
	Name    string `json:"name"`
	Version string `json:"version"`
}

// State says how something works for a client.
type State string

// The states.
const (
	Native     State = "native"     // client and server speak the same
	Translated State = "translated" // through a bridge
	Limited    State = "limited"    // through a bridge, but not all of it; see Remarks
	Lost       State = "lost"       // not at all; see Remarks
	Absent     State = "-"          // the client's version does not have it
)

// Version is what a client of a version meets.
type Version struct {
	Version string `json:"version"`
	State   State  `json:"state"`
	Agreed  string `json:"agreed,omitempty"` // the version that is used with the server
	Error   string `json:"error,omitempty"`  // why there is none
}

// Feature is a part of the protocol, for clients of each version.
type Feature struct {
	Name   string  `json:"name"`
	States []State `json:"states"` // in the order of Report.Versions
}

// Answer is what a server said to the first message of a version.
type Answer struct {
	Version      string // that it agreed to; empty if it refused
	Server       Server
	Capabilities map[string]json.RawMessage
	Error        string // if it refused
}

// Connects reports whether any client can do something with the server. If not,
// why says what it answered.
func (r Report) Connects() (ok bool, why string) {
	for _, v := range r.Versions {
		if v.State != Lost {
			return true, ""
		}
		why = cmp.Or(v.Error, why)
	}
	return false, why
}

// versions are those that clients may speak, oldest first.
func versions() []string {
	list := append([]string{era.Modern}, era.LegacyVersions()...)
	slices.Reverse(list)
	return list
}

// Judge says what follows from the answers, by offered version.
func Judge(answers map[string]Answer) Report {
	var r Report
	legacy, modern := best(answers), answers[era.Modern]
	for _, version := range versions() {
		r.Versions = append(r.Versions, judgeVersion(version, answers[version], legacy, modern))
	}
	known := modern
	if known.Version == "" {
		known = legacy
	}
	r.Server = known.Server
	r.features(legacy, modern)
	return r
}

// best is the answer to the newest legacy version that the server took.
func best(answers map[string]Answer) Answer {
	for _, version := range era.LegacyVersions() {
		if a := answers[version]; a.Version != "" {
			return a
		}
	}
	return answers[era.Latest]
}

func judgeVersion(version string, own, legacy, modern Answer) Version {
	v := Version{Version: version, State: Native, Agreed: own.Version}
	switch {
	case own.Version == version:
	case version == era.Modern && legacy.Version != "":
		v.State, v.Agreed = Translated, legacy.Version
	case own.Version != "" && era.Agree(version, own.Version) == version:
		v.State = Translated // the client is told its own version
	case own.Version != "": // an older one, which it may speak as well
	case version != era.Modern && modern.Version != "":
		v.State, v.Agreed = Translated, modern.Version
	default:
		v.State, v.Error = Lost, own.Error
	}
	return v
}
