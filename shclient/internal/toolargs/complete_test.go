// SPDX-License-Identifier: Apache-2.0

package toolargs

import (
	"strings"
	"testing"
)

func TestComplete(t *testing.T) {
	s := parseSchema(t, orderSchema)
	for _, tt := range []struct{ prefix, given, want string }{
		{"", "", "item= address= anything= color= count= either= gift= limit= note= nothing= price= sizes= speed= tags= top="},
		{"s", "", "sizes= speed="},
		{"t", "", "tags= top="},
		{"t", "tags=a top:=3", "tags="},
		{"it", "item=@file", ""},
		{"speed=", "", "speed=slow speed=<fast> speed=3"},
		{"color=b", "", "color=blue"},
		{"gift=t", "", "gift=true"},
		{"note=", "", ""},
		{"unknown=", "", ""},
	} {
		got := strings.Join(s.Complete(tt.prefix, strings.Fields(tt.given)), " ")
		if got != tt.want {
			t.Errorf("Complete(%q, %q) = %q, want %q", tt.prefix, tt.given, got, tt.want)
		}
	}
}
