// SPDX-License-Identifier: Apache-2.0

// Package deploycheck holds what examples/deploy says for Docker Compose, systemd
// and Kubernetes. Its tests read the files as strictly as those programs do, or
// more so, ask for the rules that they do not know (hardening, names that must fit,
// who reaches whom), and run every command with its arguments, environment, files
// and probes as a plain process: containers become loopback addresses of their own.
package deploycheck
