# SPDX-License-Identifier: Apache-2.0
# Short names for commands; what needs logic is in tools/relcheck and .ci/run.

BIN := $(CURDIR)/.bin
RELCHECK := GOWORK=off go -C tools run ./relcheck
FUZZTIME ?= 30s

.PHONY: help
help: ## show this list
	@grep -E '^[a-z]+:.*## ' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | expand -t 14

.PHONY: fmt
fmt: ## format the sources
	gofmt -w $$(git ls-files --cached --others --exclude-standard '*.go')

.PHONY: vet
vet: ## go vet, and go fix without a diff
	go vet work && go fix -diff work

.PHONY: lint
lint: $(BIN)/staticcheck ## staticcheck
	$(BIN)/staticcheck work

.PHONY: test
test: ## all tests that need nothing but Go
	go test work

.PHONY: race
race: ## all tests with the race detector
	go test -race work

.PHONY: cover
cover: ## test coverage of all modules together
	go test -coverpkg=github.com/atrawog/mcp-oauth-gateway/... -coverprofile=cover.out work
	go tool cover -func=cover.out | tail -1

.PHONY: fuzz
fuzz: ## fuzz tests for FUZZTIME (30s): all, or those that match FUZZ
	$(RELCHECK) fuzz $(FUZZTIME) $(if $(FUZZ),'$(FUZZ)')

.PHONY: bench
bench: ## measure shproxy beside a bare handler
	go run ./examples/bench

.PHONY: torture
torture: ## misbehaving servers and vanishing clients against shproxy, for 5 minutes
	go run ./examples/torture -time 5m

.PHONY: tidy
tidy: ## go mod tidy in every module
	$(RELCHECK) tidy

.PHONY: rehearse
rehearse: ## release HEAD in a scratch clone and use it as a stranger would
	$(RELCHECK) check && $(RELCHECK) rehearse

.PHONY: conformance
conformance: $(BIN)/everything-server ## the MCP conformance suite against our commands
	npm ci --ignore-scripts --no-audit --no-fund --prefix test/conformance
	REQUIRE_ALL=1 go test -count=1 -v ./examples/conformance

.PHONY: ci
ci: ## everything that must hold before a change is merged
	bash .ci/run

$(BIN)/staticcheck: tools/go.mod
	GOWORK=off GOBIN=$(BIN) go -C tools install tool && touch $@

$(BIN)/everything-server:
	GOWORK=off GOBIN=$(BIN) go install github.com/modelcontextprotocol/go-sdk/conformance/everything-server@v1.8.0
