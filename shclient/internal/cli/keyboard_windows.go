// SPDX-License-Identifier: Apache-2.0

package cli

const keyboardName = "CONIN$"
