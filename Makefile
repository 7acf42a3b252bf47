# One word per task; each installs what it needs by package and asks nothing. Start with `make run`.

.DEFAULT_GOAL := help
.PHONY: help run demo test fuzz soak bench fmt clippy doc

# The versions that were tested are the ones that are built.
locked := $(if $(wildcard Cargo.lock),--locked)
target := $(or $(CARGO_TARGET_DIR),target)

help:
	@echo 'make run      build the bridge and start it'
	@echo 'make demo     play a contact centre with simulated phones, and show who hears whom'
	@echo 'make test     run every test: unit, scenarios in virtual time, live with real clients'
	@echo 'make fuzz     feed a billion spoilt inputs to whatever reads the network (PARTYLINE_FUZZ_INPUTS: another number)'
	@echo 'make soak     live through a day of 50,000 calls and 500 agents of TaskRouter in virtual time'
	@echo 'make bench    measure'
	@echo 'make fmt      format the code'
	@echo 'make clippy   lint the code'
	@echo 'make doc      write the documentation of the code to $(target)/doc'

run:
	@.ci/install build run
	. .ci/rust && cargo build --release $(locked) --package server
	exec $(target)/release/partyline serve

demo:
	@.ci/install build demo
	@. .ci/rust && cargo build --release $(locked) --package server && \
		PATH=$$PWD/target/python/bin:$$PATH NODE_PATH=$$PWD/target/node/node_modules \
		PARTYLINE_BIN=$$(realpath $(target)/release/partyline) \
		cargo test --quiet $(locked) --package partyline-tests --test live demo:: -- --nocapture

test:
	@.ci/install build test
	@.ci/test

# The same inputs as in `make test`, and more of them.
fuzz: export PARTYLINE_FUZZ_INPUTS ?= 1000000000
fuzz:
	@.ci/install build
	. .ci/rust && cargo test --package media --test fuzz $(locked)

soak:
	@.ci/install build
	. .ci/rust && cargo run --release $(locked) --package taskrouter --example soak

bench:
	@.ci/install build
	. .ci/rust && cargo build --release $(locked) --package server && cargo bench --package partyline-tests --benches $(locked)

fmt:
	@.ci/install lint
	. .ci/rust && cargo fmt --all $(if $(check),-- --check)

clippy:
	@.ci/install build lint
	. .ci/rust && cargo clippy --workspace --all-targets $(locked) -- -D warnings

doc:
	@.ci/install build
	. .ci/rust && RUSTDOCFLAGS='-D warnings' cargo doc --workspace --no-deps $(locked)
