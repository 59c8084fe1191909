// SPDX-License-Identifier: Apache-2.0

package shclient

import "testing"

func TestToolFilter(t *testing.T) {
	tests := []struct {
		allow, deny []string
		tool        string
		want        bool
	}{
		{nil, nil, "any", true},
		{[]string{"echo"}, nil, "echo", true},
		{[]string{"echo"}, nil, "echo2", false},
		{[]string{"echo"}, nil, "Echo", false},
		{[]string{"read_*", "list?"}, nil, "read_file", true},
		{[]string{"read_*", "list?"}, nil, "read_", true},
		{[]string{"read_*", "list?"}, nil, "lists", true},
		{[]string{"read_*", "list?"}, nil, "list", false},
		{[]string{"*"}, nil, "", true},
		{[]string{"*.get*/b"}, nil, "a/x.get.get/b", true}, // * stands for dots and slashes, too
		{[]string{"*ab*ab"}, nil, "abab", true},
		{[]string{"*ab*ab"}, nil, "aab", false},
		{[]string{"größe?"}, nil, "größeß", true},
		{nil, []string{"delete*"}, "delete_all", false},
		{nil, []string{"delete*"}, "undelete", true},
		{[]string{"a*"}, []string{"ab"}, "ab", false},
		{[]string{"a*"}, []string{"ab"}, "ac", true},
		{nil, []string{""}, "", false},
	}
	for _, tt := range tests {
		if got := (toolFilter{tt.allow, tt.deny}).allows(tt.tool); got != tt.want {
			t.Errorf("allow %q, deny %q: %q passes: %t", tt.allow, tt.deny, tt.tool, got)
		}
	}
}
