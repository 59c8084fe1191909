// SPDX-License-Identifier: Apache-2.0

package main

import (
	"bytes"
	"io"
	"slices"
	"sync"
)

// A proxyLog keeps of the proxy's stderr what matters: its end, and reports
// of data races and panics.
type proxyLog struct {
	copy io.Writer // nil or a file for all of it

	mu      sync.Mutex
	end     []byte   // guarded by mu
	keep    bool     // guarded by mu; all of it from now on
	alarms  []string // guarded by mu; with what follows each
	detail  int      // guarded by mu; lines that still belong to the last alarm
	partial []byte   // guarded by mu; a line not yet complete
}

const (
	logTail    = 4 << 10
	longestLog = 8 << 20

	maxAlarms   = 5
	alarmDetail = 40 // lines
)

var alarmWords = [][]byte{[]byte("WARNING: DATA RACE"), []byte("panic:"), []byte("fatal error:"), []byte("http: panic serving")}

func (l *proxyLog) Write(b []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.copy != nil {
		_, _ = l.copy.Write(b)
	}
	l.end = append(l.end, b...)
	if limit := logTail; !l.keep && len(l.end) > 2*limit || len(l.end) > longestLog {
		l.end = append(l.end[:0], l.end[len(l.end)-limit:]...)
	}
	l.partial = append(l.partial, b...)
	for {
		i := bytes.IndexByte(l.partial, '\n')
		if i < 0 {
			break
		}
		l.line(bytes.TrimSpace(l.partial[:i]))
		l.partial = l.partial[i+1:]
	}
	return len(b), nil
}

// line looks for an alarm. l.mu is held.
func (l *proxyLog) line(line []byte) {
	if l.detail > 0 && len(line) > 0 {
		l.detail--
		l.alarms[len(l.alarms)-1] += "\n    " + string(line)
		return
	}
	for _, word := range alarmWords {
		if bytes.Contains(line, word) && len(l.alarms) < maxAlarms {
			l.alarms = append(l.alarms, string(line))
			l.detail = alarmDetail
			return
		}
	}
}

func (l *proxyLog) keepAll() {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.keep, l.end = true, nil
}

func (l *proxyLog) all() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return string(l.end)
}

// tail returns the end, on one line.
func (l *proxyLog) tail() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	end := l.end[max(0, len(l.end)-600):]
	return string(bytes.Join(bytes.Fields(end), []byte(" ")))
}

func (l *proxyLog) alarm() []string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return slices.Clone(l.alarms)
}
