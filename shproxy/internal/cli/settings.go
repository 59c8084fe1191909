// SPDX-License-Identifier: Apache-2.0

package cli

import (
	"fmt"
	"strings"
	"time"

	"github.com/spf13/pflag"

	"github.com/atrawog/mcp-oauth-gateway/oauthdyn/configfile"
)

// settings are what the flags say about all servers and the member "shproxy"
// of the configuration file about one.
type settings struct {
	protocol       configfile.Choice // of the clients
	serverProtocol configfile.Choice

	mode         configfile.Choice
	warm         int
	maxStarts    int
	maxSessions  int
	callerMost   int // sessions of one caller
	callerRate   int // requests of one caller in a second
	idleTimeout  time.Duration
	startTimeout time.Duration
	endOnCrash   bool
	noProbe      bool

	requestTimeout  time.Duration
	inputTimeout    time.Duration
	maxMessageBytes configfile.Size
	keepAlive       time.Duration
	replayBytes     configfile.Size
	replayTime      time.Duration

	headerEnv   pairs // variable: header
	claimEnv    pairs // variable: claim
	limitMemory configfile.Size
	limitFiles  int
	limitCPU    time.Duration
}

const (
	modeSession = "session"
	modeShared  = "shared"
)

const (
	protocolAuto   = "auto"
	protocolLegacy = "legacy"
	protocolModern = "modern"
)

func defaultSettings() settings {
	protocols := []string{protocolAuto, protocolLegacy, protocolModern}
	return settings{
		protocol: configfile.Choice{Value: protocolAuto, Words: protocols}, serverProtocol: configfile.Choice{Value: protocolAuto, Words: protocols},
		mode:      configfile.Choice{Value: modeSession, Words: []string{modeSession, modeShared}},
		maxStarts: 4, maxSessions: 100,
		idleTimeout: 30 * time.Minute, startTimeout: time.Minute,
		inputTimeout:    10 * time.Minute,
		maxMessageBytes: 64 << 20, keepAlive: 15 * time.Second,
		replayBytes: 1 << 20, replayTime: 5 * time.Minute,
	}
}

// setting is one of the settings: a flag, whose name in camel case is that of
// the member of the file.
type setting struct {
	flag  string
	usage string
	field func(*settings) any
	least int // of a number or a duration
}

var processSettings = []setting{
	{"mode", "`MODE` session (a process for each session) or shared (one for all of them)", func(s *settings) any { return &s.mode }, 0},
	{"max-sessions", "at most `N` sessions at one time", func(s *settings) any { return &s.maxSessions }, 1},
	{"max-caller-sessions", "at most `N` sessions of one caller, on all replicas together, which needs tokens or --identity-header; 0 means no such limit", func(s *settings) any { return &s.callerMost }, 0},
	{"max-caller-rate", "at most `N` requests a second of one caller, those of ten seconds at once, on all replicas together, which needs tokens or --identity-header; 0 means no such limit", func(s *settings) any { return &s.callerRate }, 0},
	{"idle-timeout", "end a session without calls and streams after this `TIME`", func(s *settings) any { return &s.idleTimeout }, 1},
	{"warm", "keep `N` processes started and waiting for a session", func(s *settings) any { return &s.warm }, 0},
	{"max-starts", "at most `N` processes are starting at one time", func(s *settings) any { return &s.maxStarts }, 1},
	{"start-timeout", "`TIME` for the command to answer initialize", func(s *settings) any { return &s.startTimeout }, 1},
	{"no-probe", "do not try the command once before serving", func(s *settings) any { return &s.noProbe }, 0},
	{"end-on-crash", "a session ends with its process instead of getting a fresh one", func(s *settings) any { return &s.endOnCrash }, 0},
}

var messageSettings = []setting{
	{"protocol", "`ERA` of the clients that are served: auto (all), legacy (2024-11-05 to 2025-11-25) or modern (since 2026-07-28)", func(s *settings) any { return &s.protocol }, 0},
	{"server-protocol", "`ERA` that the command speaks: auto (it is asked), legacy or modern", func(s *settings) any { return &s.serverProtocol }, 0},
	{"request-timeout", "answer a call that takes longer than this `TIME` with an error; 0 means never", func(s *settings) any { return &s.requestTimeout }, 0},
	{"input-timeout", "`TIME` for a client of 2026-07-28 to come back with what a command of the older versions asked for", func(s *settings) any { return &s.inputTimeout }, 1},
	{"max-message-bytes", "largest message in either direction", func(s *settings) any { return &s.maxMessageBytes }, 1},
	{"keep-alive", "`TIME` between comments on a quiet event stream", func(s *settings) any { return &s.keepAlive }, 1},
	{"replay-bytes", "kept of each session for streams that are resumed; 0 means nothing", func(s *settings) any { return &s.replayBytes }, 0},
	{"replay-time", "`TIME` for which it is kept", func(s *settings) any { return &s.replayTime }, 1},
}

var environmentSettings = []setting{
	{"header-env", "set a variable of the command for each caller: `VARIABLE=HEADER` of the request; repeatable", func(s *settings) any { return &s.headerEnv }, 0},
	{"claim-env", "the same: `VARIABLE=CLAIM` of the token, which is one of " + strings.Join(claimNames, ", ") + "; repeatable", func(s *settings) any { return &s.claimEnv }, 0},
	{"limit-memory", "at most this `SIZE` of memory for a process (Linux)", func(s *settings) any { return &s.limitMemory }, 0},
	{"limit-files", "at most `N` open files of a process (Linux)", func(s *settings) any { return &s.limitFiles }, 0},
	{"limit-cpu", "at most this `TIME` of a processor for a process (Linux)", func(s *settings) any { return &s.limitCPU }, 0},
}

// allSettings lists every setting once.
func allSettings() []setting {
	return append(append(append([]setting(nil), processSettings...), messageSettings...), environmentSettings...)
}

// register adds the settings as flags; their present values are the defaults.
func (s *settings) register(f *pflag.FlagSet, table []setting) {
	for _, setting := range table {
		switch field := setting.field(s).(type) {
		case *int:
			f.IntVar(field, setting.flag, *field, setting.usage)
		case *bool:
			f.BoolVar(field, setting.flag, *field, setting.usage)
		case *time.Duration:
			f.DurationVar(field, setting.flag, *field, setting.usage)
		case pflag.Value:
			f.Var(field, setting.flag, setting.usage)
		}
	}
}

// check finds values that are out of range. name tells what the user calls a
// setting.
func (s *settings) check(name func(setting) string) error {
	for _, setting := range allSettings() {
		var value int64
		switch field := setting.field(s).(type) {
		case *int:
			value = int64(*field)
		case *time.Duration:
			value = int64(*field)
		case *configfile.Size:
			value = int64(*field)
		default:
			continue
		}
		if value >= int64(setting.least) {
			continue
		}
		if setting.least == 1 {
			return fmt.Errorf("%s must be positive", name(setting))
		}
		return fmt.Errorf("%s must not be negative", name(setting))
	}
	if s.warm > s.maxSessions {
		return fmt.Errorf("%s (%d) must not be more than %s (%d)", name(setting{flag: "warm"}), s.warm, name(setting{flag: "max-sessions"}), s.maxSessions)
	}
	if err := checkClaims(s.claimEnv); err != nil {
		return err
	}
	return checkHeaders(s.headerEnv)
}

func flagName(s setting) string   { return "--" + s.flag }
func memberName(s setting) string { return camelCase(s.flag) }

func camelCase(kebab string) string {
	words := strings.Split(kebab, "-")
	for i, word := range words[1:] {
		words[i+1] = strings.ToUpper(word[:1]) + word[1:]
	}
	return strings.Join(words, "")
}
