# Two commands do everything: `make run` opens the app, `make test` checks all of it.
SHELL := /bin/sh
.DEFAULT_GOAL := help

export CARGO_TARGET_DIR ?= $(CURDIR)/target
HOST := $(shell rustc -vV 2>/dev/null | sed -n 's/^host: //p')
# sandboxd runs inside sandboxes on any system's libc, so it is linked statically, by a cargo call and in a folder of
# its own: the flag must not reach the app.
STATIC_DIR := $(CARGO_TARGET_DIR)-static
# What sandboxes run, wherever Berth is started from here: a later build may put a dynamic one beside the other programs.
export BERTH_SANDBOXD ?= $(STATIC_DIR)/$(HOST)/sandboxd/sandboxd
STAMPS := $(CARGO_TARGET_DIR)/stamps
NPM := ui/node_modules/.package-lock.json

.PHONY: help run test bench dev fmt types lint build release packages tools ui sandboxd clean

help: ## Says what there is
	@sed -n 's/^\([a-z]*\):.*## /\1\t/p' Makefile | expand -t 12

run: packages build ## Opens the app; with no display, on a virtual one, and leaves screenshots
	@.ci/open

test: packages tools lint build $(STAMPS)/python ## Installs what is missing, lints, and runs every test
	cargo nextest run --workspace --no-fail-fast
	cd ui && npm run --silent test

lint: ui
	cargo fmt --all --check
	cargo clippy --workspace --all-targets --quiet -- -D warnings
	cargo deny --log-level error check bans licenses sources
	cargo machete --skip-target-dir
	cd ui && npm run --silent check && npm run --silent lint

bench: packages release ## Measures Berth side by side with OpenSSH; writes target/bench.json (LONG=1: ten minutes more)
	$(CARGO_TARGET_DIR)/release/berth-bench $(if $(LONG),--long)

dev: packages $(NPM) sandboxd ## Opens the app on the UI's development server, with hot reload
	cargo build --workspace --bins
	(cd ui && exec node_modules/.bin/vite) & vite=$$!; trap 'kill $$vite' EXIT INT TERM; \
	  cargo run --no-default-features --bin berth

fmt: $(NPM) ## Formats everything
	cargo fmt --all
	cd ui && npm run --silent format

types: ## Generates the UI's types from the model
	BERTH_WRITE_TYPES=1 cargo test --quiet -p berth-model --test generated_types

build: ui
	cargo build --workspace --bins
	@$(MAKE) --no-print-directory sandboxd PROFILE=debug

release: ui
	cargo build --release --workspace --bins
	@$(MAKE) --no-print-directory sandboxd PROFILE=release

PROFILE ?= debug
sandboxd:
	RUSTFLAGS="-C target-feature=+crt-static" cargo build --quiet -p berth-sandboxd --profile sandboxd \
	  --target $(HOST) --target-dir $(STATIC_DIR)
	@mkdir -p $(CARGO_TARGET_DIR)/$(PROFILE)
	@cp -f $(STATIC_DIR)/$(HOST)/sandboxd/sandboxd $(CARGO_TARGET_DIR)/$(PROFILE)/sandboxd.new
	@mv -f $(CARGO_TARGET_DIR)/$(PROFILE)/sandboxd.new $(CARGO_TARGET_DIR)/$(PROFILE)/sandboxd

ui: $(NPM)
	cd ui && npm run --silent build

# Written by npm itself, so that it is there exactly where the packages are.
$(NPM): ui/package-lock.json
	cd ui && npm ci --silent --no-audit --no-fund
	@touch $@

# The MCP project's own client, which plays the agent in a test.
$(STAMPS)/python: tests/agent/requirements.txt
	python3 -m venv $(CARGO_TARGET_DIR)/python
	$(CARGO_TARGET_DIR)/python/bin/pip install --quiet --disable-pip-version-check -r $<
	@mkdir -p $(STAMPS) && touch $@

packages: ## Installs the system packages that are missing (Debian and Ubuntu), or says which are needed
	@.ci/packages

tools:
	@.ci/tools

clean: ## Removes what was built here
	rm -rf target ui/dist ui/node_modules
