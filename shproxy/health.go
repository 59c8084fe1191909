// SPDX-License-Identifier: Apache-2.0

package shproxy

import (
	"encoding/json"
	"net/http"
)

// health is what the health endpoint tells.
type health struct {
	Status   string `json:"status"` // "ok" or "stopping"
	Server   string `json:"server"`
	Sessions int    `json:"sessions"`
	Children int    `json:"children"`
	Calls    int    `json:"calls"`
	Started  int64  `json:"children_started"`
	Failed   int64  `json:"children_failed"`
	Dropped  int64  `json:"messages_dropped"`
}

// Health tells, as JSON, that the proxy is up and how much it has to do. It
// starts no process, so that it may be asked often. The status is 200, and
// 503 once [Proxy.Retire], [Proxy.Drain] or Shutdown was called. See [Proxy.Status] for more.
func (p *Proxy) Health() http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Method != http.MethodGet && r.Method != http.MethodHead {
			w.Header().Set("Allow", "GET, HEAD")
			w.WriteHeader(http.StatusMethodNotAllowed)
			return
		}
		s := p.Status()
		h := health{
			Status: "ok", Server: s.Name,
			Sessions: s.Sessions, Children: s.Children, Calls: s.Calls,
			Started: s.Started, Failed: s.FailedStarts, Dropped: s.Dropped,
		}
		status := http.StatusOK
		if s.State == StateStopping {
			h.Status, status = "stopping", http.StatusServiceUnavailable
		}
		body, err := json.Marshal(h)
		if err != nil {
			status = http.StatusInternalServerError
		}
		w.Header().Set("Cache-Control", "no-store")
		writeJSON(w, status, append(body, '\n'))
	})
}
