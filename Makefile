# The few verbs a developer needs. `make` lists them.

DEV := go tool -modfile=tools/dev/go.mod

.PHONY: help
help: ## list the verbs
	@grep -hE '^[a-z]+:.*##' $(MAKEFILE_LIST) | sed 's/:.*## /\t/' | expand -t 12

.PHONY: build
build: ## build bin/hamnest
	go build -o bin/hamnest ./tools/hamnest

.PHONY: test
test: ## the tests that every change runs
	go test ./...

.PHONY: race
race: ## the same under the race detector
	go test -race -short ./...

.PHONY: lint
lint: ## golangci-lint and buf
	$(DEV) golangci-lint run ./...
	$(DEV) buf lint
	$(DEV) buf format --diff --exit-code

.PHONY: generate
generate: ## make the generated files again
	$(DEV) buf generate --template .buf.gen.yaml
	go generate ./...

.PHONY: bench
bench: ## the benchmarks; compare two runs with $(DEV) benchstat
	go test -run '^$$' -bench . -count 10 ./...

.PHONY: check
check: ## everything that a change must pass
	.ci/run
