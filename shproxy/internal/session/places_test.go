// SPDX-License-Identifier: Apache-2.0

package session

import (
	"strings"
	"testing"
)

// taken is how many places are.
func (p *places) taken() (n int) {
	p.mu.Lock()
	defer p.mu.Unlock()
	for _, held := range p.held {
		n += held
	}
	return n
}

// Nobody gets all places, who has the fewest is next, and among those he who
// did not get the last one.
func TestPlaces(t *testing.T) {
	tests := []struct {
		name  string
		n     int
		steps string // a letter applies for a place, one after a minus gives it back, after an x leaves
		want  string // who got places, in order
	}{
		{"as they come", 4, "a b c d e", "abcd"},
		{"one alone", 4, "a a a a -a", "aaaa"},
		{"one alone keeps none from another", 4, "a a a a a b c", "aaab"},
		{"who has the fewest is next", 4, "a a a b a a c -a", "aaabc"},
		{"just one place", 1, "a a a b b c -a -b -a", "abab"},
		{"just one place, and one who is alone", 1, "a a a -a -a", "aaa"},
		{"two places", 2, "a a b b -b -a", "abba"},
		{"unknown callers", 2, "_ _ _ _ -_ -_", "____"},
		{"who leaves is forgotten", 2, "_ _ a b xa -_", "__b"},
		{"who leaves gives back", 2, "_ _ a x_", "__a"},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			p := newPlaces(test.n)
			all, got := []*applicant{}, ""
			for step := range strings.FieldsSeq(test.steps) {
				who := strings.Trim(step[len(step)-1:], "_")
				switch step[0] {
				case '-':
					p.give(who)
				case 'x':
					for _, a := range all {
						if a.principal == who {
							p.leave(a)
							break
						}
					}
				default:
					all = append(all, p.apply(who))
				}
				for _, a := range all {
					select {
					case <-a.granted:
						a.granted = nil // it is seen once
						got += a.principal
						if a.principal == "" {
							got += "_"
						}
					default:
					}
				}
			}
			if got != test.want {
				t.Errorf("places went to %s, want %s", got, test.want)
			}
		})
	}
}

// One whose words the server hangs in keeps nobody else from starting it.
func TestHangingStartsHoldUpNobodyElse(t *testing.T) {
	t.Parallel()
	m, stage := newStage(t, func(c *Config) { c.MaxStarts = 2 })
	hang := func(env ...string) {
		go func() { _, _ = m.Start(t.Context(), "mallory", env) }()
	}
	hang()
	stage.Next()
	hang("OTHER=credentials")
	hang()
	eventually(t, "he waits", func() bool { return m.Stats().Sessions == 3 })
	s, err := m.Start(t.Context(), "alice", nil)
	if err != nil {
		t.Fatal(err)
	}
	child := stage.Next()
	c := call(t, s, initFrame)
	defer c.leave()
	child.Expect(strings.Replace(initFrame, `"init"`, "1", 1))
	child.Says(initAnswer("1"))
	c.want(initAnswer(`"init"`))
	if n := m.Stats().Children; n != 2 {
		t.Errorf("%d children", n)
	}
}
