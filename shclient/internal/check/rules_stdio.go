// SPDX-License-Identifier: Apache-2.0

package check

import "context"

func stdioRules() []Rule {
	return []Rule{
		{
			ID: "stdio.ends", Level: Should, Transports: Stdio, Section: "basic/lifecycle#stdio",
			Elsewhere: map[string]string{V20260728: "basic/transports/stdio#shutdown"},
			Demand:    "the server ends when its stdin is closed",
			Check: func(ctx context.Context, p *Probe) error {
				s, err := p.NewSession(ctx)
				if err != nil {
					return err
				}
				if !s.Process.CloseStdin(ctx) {
					p.Brokenf("the server still runs %v after its stdin was closed", p.run.o.timeout())
				}
				return nil
			},
		},
	}
}
