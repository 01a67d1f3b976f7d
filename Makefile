# Everything a developer does with Posthorn. `make help` lists the targets.

SHELL := /bin/sh
.DEFAULT_GOAL := help

GOLANGCI_VERSION := v2.15.0
GOLANGCI := bin/golangci-lint-$(GOLANGCI_VERSION)

# TESTFLAGS is handed to go test; CI sets -race. The others go to the program of their name, such as "-duration 60s".
TESTFLAGS ?=
BENCHFLAGS ?=
SCALEFLAGS ?=
TORTUREFLAGS ?=

# VERSION is written into the binary.
VERSION := $(shell git describe --tags --always --dirty 2>/dev/null || echo dev)
LDFLAGS := -X main.version=$(VERSION)

.PHONY: help
help: ## List the targets
	@awk 'BEGIN {FS = ":.*## "} /^[a-z-]+:.*## / {printf "  make %-10s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

.PHONY: run
run: build ## Start Posthorn on http://localhost:8090, with everything it needs
	@POSTHORN_ENV=$${POSTHORN_ENV:-development} \
	 POSTHORN_ALLOW_HTTP_TARGETS=$${POSTHORN_ALLOW_HTTP_TARGETS:-true} \
	 POSTHORN_ALLOW_TARGET_CIDRS=$${POSTHORN_ALLOW_TARGET_CIDRS:-127.0.0.0/8,::1/128} \
	 exec bin/posthorn serve

.PHONY: build
build: ## Build bin/posthorn (needs Go alone)
	@mkdir -p bin
	@go build -ldflags '$(LDFLAGS)' -o bin/posthorn ./cmd/posthorn

.PHONY: generate
generate: static/node_modules/.package-lock.json ## Regenerate templates, style sheet and scripts
	go tool templ generate -path views
	npm --prefix static run --silent build

.PHONY: test
test: ## Run all tests: unit, database, HTTP, browser
	@sh scripts/need chromium npm
	@$(MAKE) --no-print-directory static/node_modules/.package-lock.json
	go test $(TESTFLAGS) -timeout 18m ./...

.PHONY: check
check: $(GOLANGCI) ## Check generated files, formatting, lint, module file
	@sh scripts/generated
	go mod tidy -diff
	$(GOLANGCI) run ./...

.PHONY: bench
bench: ## Measure the ingest, and deliveries from end to end
	go test -run '^$$' -bench . -benchtime 10s ./internal/postgres ./internal/app
	go run ./internal/bench $(BENCHFLAGS)

.PHONY: scale
scale: ## Ask for every list, filter and chart among 5,000,000 deliveries
	go run ./internal/scale $(SCALEFLAGS)

.PHONY: torture
torture: ## Look for lost deliveries while processes and PostgreSQL are killed
	go run ./internal/torture $(TORTUREFLAGS)

.PHONY: fuzz
fuzz: ## Fuzz the parsers for a minute each
	@for package in $$(grep -rl --include='*_test.go' '^func Fuzz' . | xargs -n 1 dirname | sort -u); do \
		for target in $$(go test -list '^Fuzz' $$package | grep '^Fuzz'); do \
			echo "$$package $$target"; \
			go test -run '^$$' -fuzz "^$$target\$$" -fuzztime 1m $$package || exit 1; \
		done; \
	done

.PHONY: clean
clean: ## Remove what was built; the data in var/ stays
	rm -rf bin static/node_modules

$(GOLANGCI):
	@echo "need: golangci-lint $(GOLANGCI_VERSION) is not built yet; building it into bin/"
	@mkdir -p bin && GOBIN=$(CURDIR)/bin go install github.com/golangci/golangci-lint/v2/cmd/golangci-lint@$(GOLANGCI_VERSION)
	@mv bin/golangci-lint $@

static/node_modules/.package-lock.json: static/package.json static/package-lock.json
	@sh scripts/need npm
	@echo "need: installing the front-end packages into static/node_modules"
	@# Not "npm ci": that refuses a lock without the packages of every platform, which some registries do not serve.
	@npm --prefix static install --no-save --no-audit --no-fund --loglevel=error
	@touch $@
