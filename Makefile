# The commands of this repository. `make help` lists them.
SHELL := bash
# rustup's place, for the shell that has not read it yet after scripts/setup.
export PATH := $(PATH):$(HOME)/.cargo/bin
.DEFAULT_GOAL := help
.PHONY: help run test soak lint fmt bench bench-ui package clean

help: ## this list
	@awk -F ':.*## ' '/^[a-z-]+:.*## / {printf "make %-9s %s\n", $$1, $$2}' Makefile

run: ## build and start the proxy and the app (without a display: the web UI)
	@scripts/setup build
	@scripts/run

test: ## every check and every test; STEPS="rust interop" runs only those
	@scripts/setup test
	@scripts/test $(STEPS)

soak: ## fuzz, and repeat the tests of faults, for two hours; MINUTES=10 SEED=7 ROUNDS=50
	@scripts/setup test
	@scripts/soak $(if $(MINUTES),--minutes $(MINUTES)) $(if $(SEED),--seed $(SEED)) $(if $(ROUNDS),--rounds $(ROUNDS))

lint: ## formatting, clippy, the UI's checks; cargo-deny where it is installed
	@scripts/setup test
	@scripts/test fmt ui-fmt ui-check ui-build clippy
	@if command -v cargo-deny >/dev/null; then cargo deny check; else echo "cargo-deny is not installed: advisories not checked"; fi

fmt: ## format everything
	@scripts/setup test
	cargo fmt --all
	npm run --silent fmt

bench: ## measure intake, receiver, delivery and tunnels, in release builds (minutes)
	@scripts/setup bench
	@scripts/bench

bench-ui: ## measure the built app: start, event to row, frames, memory; EVENTS=1000000
	@scripts/setup test
	@scripts/bench-ui

package: ## the desktop app, the CLI and the proxy, as .deb and .rpm, in target/release/bundle
	@scripts/setup build
	npm run --silent build
	cargo build --locked --release -p postern -p postern-proxy -p postern-desktop --features postern-desktop/custom-protocol
	npx tauri bundle --bundles deb,rpm

clean: ## remove what was built
	rm -rf target ui/dist gen test-results
