// SPDX-License-Identifier: Apache-2.0

package cli

import (
	"fmt"
	"reflect"
)

// checkSupported refuses settings that the library does not know.
func (s *settings) checkSupported(name func(setting) string) error {
	usual := defaultSettings()
	for _, setting := range allSettings() {
		switch setting.flag {
		case "mode", "warm", "max-starts", "request-timeout", "replay-bytes", "replay-time", "end-on-crash",
			"header-env", "claim-env", "limit-memory", "limit-files", "limit-cpu":
		default:
			continue
		}
		if !reflect.DeepEqual(setting.field(s), setting.field(&usual)) {
			return fmt.Errorf("%s is not supported by this version", name(setting))
		}
	}
	return nil
}
