// SPDX-License-Identifier: Apache-2.0

package era

import "cmp"

func init() {
	translators["tolegacy"] = func(settings map[string]string) Translator {
		profile := Profile{Capabilities: []byte(cmp.Or(settings["capabilities"], "{}"))}
		if info := settings["clientInfo"]; info != "" {
			profile.Info = []byte(info)
		}
		return NewToLegacy(ToLegacyConfig{Profile: profile, Process: "test"})
	}
}
