// SPDX-License-Identifier: Apache-2.0

//go:build !unix

package exposition

func usage(*Writer) {}
