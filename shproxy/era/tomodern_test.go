// SPDX-License-Identifier: Apache-2.0

package era

func init() {
	translators["tomodern"] = func(settings map[string]string) Translator {
		var cfg ToModernConfig
		if self := settings["self"]; self != "" {
			cfg.Self = []byte(self)
		}
		return NewToModern(cfg)
	}
}
