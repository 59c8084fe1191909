// SPDX-License-Identifier: Apache-2.0

package cli

import "github.com/spf13/cobra"

// adminPageFlags say who may use the page of administrators.
type adminPageFlags struct{ admins []string }

func (f *adminPageFlags) add(cmd *cobra.Command) {
	cmd.Flags().StringArrayVar(&f.admins, "admin", nil, "`SUBJECT` of a person, like local:alice, who sees and ends clients and grants of everybody at ISSUER/admin; repeatable")
}
