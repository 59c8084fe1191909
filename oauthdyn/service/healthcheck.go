// SPDX-License-Identifier: Apache-2.0

package service

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strings"
	"time"
)

// askTime is how long an answer may take: longer than programs take to find out.
const askTime = 15 * time.Second

// Healthcheck asks a probe, such as http://127.0.0.1:9090/readyz, and returns nil
// if the answer is 200, else why not. It is for health checks in containers that
// have no other program to ask with. It waits for 15 seconds at most, goes through
// no proxy and follows no redirect.
func Healthcheck(ctx context.Context, address string) error {
	u, err := url.Parse(address)
	if err != nil || u.Host == "" || u.Scheme != "http" && u.Scheme != "https" {
		return fmt.Errorf("%q is no address of a probe: it looks like http://127.0.0.1:9090/readyz", address)
	}
	ctx, cancel := context.WithTimeout(ctx, askTime)
	defer cancel()
	r, err := http.NewRequestWithContext(ctx, http.MethodGet, address, nil)
	if err != nil {
		return err
	}
	client := &http.Client{
		Transport:     &http.Transport{DisableKeepAlives: true},
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}
	answer, err := client.Do(r)
	if errors.Is(err, context.DeadlineExceeded) {
		return fmt.Errorf("no answer within %s", askTime)
	}
	if err != nil {
		return err
	}
	defer answer.Body.Close()
	reason, _ := io.ReadAll(io.LimitReader(answer.Body, 4096)) // what there is of it
	if answer.StatusCode != http.StatusOK {
		return errors.New(strings.TrimSpace(answer.Status + " " + strings.Join(strings.Fields(string(reason)), " ")))
	}
	return nil
}
