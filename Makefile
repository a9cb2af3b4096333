.PHONY: up test build
# Build everything and start Tollgate on the embedded default.
up: build
	target/release/tollgate up
build:
	cargo build --workspace --release
test:
	cargo fmt --all --check
	cargo test --workspace
