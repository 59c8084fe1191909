// SPDX-License-Identifier: Apache-2.0

package era

import (
	"flag"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"time"
)

var (
	modelSeed = flag.Uint64("model.seed", 1, "seed of the first game against a model; 0 means any")
	modelTime = flag.Duration("model.time", 500*time.Millisecond, "how long each model is played against")
)

// playModels plays games with seeds one behind the other until the time is
// over. A game that is lost tells its seed.
func playModels(t *testing.T, game func(t *testing.T, r *rand.Rand)) {
	seed := *modelSeed
	if seed == 0 {
		seed = rand.Uint64()
	}
	first := seed
	for end := time.Now().Add(*modelTime); time.Now().Before(end) && !t.Failed(); seed++ {
		t.Run(fmt.Sprintf("model.seed=%d", seed), func(t *testing.T) { game(t, rand.New(rand.NewPCG(seed, 0))) })
	}
	t.Logf("%d games from -model.seed=%d", seed-first, first)
}

// script is what a model says that comes of a move, each a line, or what the
// translator has made of it.
type script struct{ server, client []string }

func (s *script) toServer(format string, args ...any) {
	s.server = append(s.server, fmt.Sprintf(format, args...))
}

func (s *script) toClient(format string, args ...any) {
	s.client = append(s.client, fmt.Sprintf(format, args...))
}

// compare ends the game if a move came out in another way than the model says.
// The log has all moves, if they are to be shown.
func compare(t *testing.T, log []string, want, got script) {
	t.Helper()
	if slices.Equal(want.server, got.server) && slices.Equal(want.client, got.client) {
		return
	}
	t.Fatalf("%s\nto server %q\nwant      %q\nto client %q\nwant      %q", strings.Join(log, "\n"), got.server, want.server, got.client, want.client)
}

// oneOf is one of them, if there is one.
func oneOf[T any](r *rand.Rand, all []T) (one T, ok bool) {
	if len(all) == 0 {
		return one, false
	}
	return all[r.IntN(len(all))], true
}
