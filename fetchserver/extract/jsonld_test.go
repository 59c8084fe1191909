// SPDX-License-Identifier: Apache-2.0

package extract

import (
	"encoding/json"
	"strings"
	"testing"
)

// FuzzJSONLD checks that any input is read within the caps, and that of a JSON
// object the same strings are read as by encoding/json.
func FuzzJSONLD(f *testing.F) {
	for _, seed := range []string{
		`{"@type":"Article","name":"a\u00e9\ud83d\ude00\"\\\/\n","author":[{"name":"b"},"c"],"x":{"y":[1,2,{"z":null}]}}`,
		`[{"@graph":[{"@id":"#a","name":"x"},{"@type":["A","B"],"description":"y"}]}]`,
		`{"name":"open`, `{"name":"a",,}`, `<!-- {"name":1e5} -->`, `{"name":{"name":{"name":[[[["x"]]]]}}}`, `{"name":"\ud800\u"}`, `{{{{[[[[""`, `}`, `{"name" "x"}`, strings.Repeat(`{"@id":"x","name":`, 40) + "1",
	} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, block string) {
		things, kept := readLD(block, 100)
		if kept > 100 {
			t.Errorf("%d values kept", kept)
		}
		if depth := ldDepth(things); depth > maxLDDepth+1 {
			t.Errorf("depth %d", depth)
		}
		var object map[string]any
		if json.Unmarshal([]byte(block), &object) != nil || len(block) > 300 || block != strings.ToValidUTF8(block, "?") {
			return
		}
		id, _ := object["@id"].(string)
		name, _ := object["name"].(string)
		if id == "" || name == "" || strings.Count(block, `"@id"`)+strings.Count(block, `"name"`) > 2 || strings.Contains(block, `\u`) {
			return
		}
		if len(things) == 0 || things[0].id != id || things[0].text("name") != name {
			t.Errorf("%+v, want @id %q and name %q", things, id, name)
		}
	})
}

func ldDepth(things []*thing) int {
	deepest := 0
	for _, t := range things {
		for _, p := range t.props {
			for _, v := range p.values {
				if v.thing != nil {
					deepest = max(deepest, ldDepth([]*thing{v.thing}))
				}
			}
		}
	}
	return deepest + 1
}
