// SPDX-License-Identifier: Apache-2.0

package check

import (
	"context"
)

func lifecycleRules() []Rule {
	return []Rule{
		{
			ID: "lifecycle.ping", Level: Must, Until: V20251125, Transports: Both,
			Section: "basic/utilities/ping#behavior-requirements",
			Demand:  "a ping is answered promptly with an empty result",
			Check: func(ctx context.Context, p *Probe) error {
				s, err := p.Session(ctx)
				if err != nil {
					return err
				}
				answer, err := s.Request(ctx, p, "ping", nil)
				switch {
				case IsSilence(err):
					p.Brokenf("ping is not answered: %v", err)
					return nil
				case err != nil:
					return err
				}
				if e := answer.Error(); e != nil {
					p.Brokenf("ping is answered with %v", e)
				} else if m := members(answer.Result()); m == nil || len(m) > 0 && !(len(m) == 1 && m["_meta"] != nil) {
					p.Brokenf("the result of ping is not empty but %s", bound(string(answer.Result()), 200))
				}
				return nil
			},
		},
	}
}
