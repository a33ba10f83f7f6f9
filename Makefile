# Two commands do everything on a fresh machine: `make demo` and `make test`. `make help` lists the rest.

CARGO ?= cargo
# One folder, whatever the environment says, since the scripts and the tests look for things in it.
export CARGO_TARGET_DIR := $(CURDIR)/target
DIST := target/dist
# This machine, as images call it.
ARCH := $(patsubst aarch64,arm64,$(patsubst x86_64,amd64,$(shell uname -m)))
.DEFAULT_GOAL := help

.PHONY: help setup build arm64 riscv64 s390x images pod-test manifests-test cluster cluster-test frameworks-test sidecars-test bench scale debug demo test compare-init sandbox-table sidecars-table languages-table soak fuzz check clean

help: ## Say what there is
	@sed -n 's/^\([a-z0-9-]*\):.*## /\1\t/p' $(MAKEFILE_LIST) | while IFS="$$(printf '\t')" read -r name what; do \
		printf '  make %-15s %s\n' "$$name" "$$what"; done

setup: ## Install what a build lacks: a Rust compiler for WebAssembly
	@scripts/setup wasm

build: setup ## Leave the binaries and the plugins in target/dist
	@scripts/build $(ARCH) $(DIST) slim wrapper tool plugins
	@ls -l $(DIST)/wrapper $(DIST)/wrapper-slim $(DIST)/wrapper-plugin $(DIST)/plugins/*.wasm | awk '{ printf "%10d bytes  %s\n", $$5, $$NF }'

bench: build ## Measure what the wrapper costs beside what others cost; writes docs/benchmark.md
	@scripts/setup inits bench interpreters
	@scripts/bench

debug: setup ## Leave plugins with DWARF and names in target/dist/plugins-debug, for backtraces one can read
	@scripts/guest-build --debug $(DIST)/plugins-debug

scale: build ## A thousand wrapped jobs, and what a cluster of them pays; writes docs/sizing.md
	@scripts/setup scale
	@scripts/bench --scale

demo: setup ## End a real Envoy sidecar when `ls -l` is done; from a fresh clone in about three minutes
	@scripts/setup envoy demo
	@scripts/demo-build
	@scripts/demo

test: build ## Install what is missing and run every test
	@scripts/setup envoy collector sidecars test languages inits bench manifests
	@scripts/test
	@scripts/bench --quick
	@scripts/bench --scale --jobs 100 --at-once 10

arm64: build ## Cross-compile into target/dist/arm64, and test that in emulators
	@scripts/setup cross-arm64 qemu machine-arm64 test
	@scripts/build arm64 $(DIST)/arm64 wrapper
	@scripts/emulated arm64

riscv64: build ## The same for riscv64, without a whole machine
s390x: build ## The same for s390x, without a whole machine
riscv64 s390x:
	@scripts/setup cross-$@ qemu test
	@scripts/build $@ $(DIST)/$@ wrapper
	@scripts/emulated $@

# With no test skipped, as here everything is there for them.
images pod-test manifests-test: export CI := true

images: build ## As root: build the images of the Dockerfile without a daemon, for arm64 too, and run them
	@scripts/setup containers dockerfiles envoy cross-arm64
	@scripts/build arm64 $(DIST)/arm64 wrapper
	@scripts/images $(ARCH) arm64
	@scripts/test --test images --test dockerfiles

pod-test: images ## As root: run wrapped jobs in pods beside a real Envoy
	@scripts/setup manifests
	@scripts/test --test pod

manifests-test: build ## Hold examples/kubernetes against what a cluster would say to them
	@scripts/setup manifests
	@scripts/test --test manifests

cluster: build ## As root: start a real Kubernetes of one node, and leave it running; `scripts/cluster down` ends it
	@scripts/setup cluster envoy
	@scripts/cluster up
	@echo "a cluster runs: export KUBECONFIG=$(CURDIR)/target/cluster/kubeconfig, or scripts/cluster kubectl get nodes"
	@echo "to end it: scripts/cluster down"

cluster-test: build ## As root: run every example, and fifty Jobs at once, in such a cluster; writes docs/cluster.md
	@scripts/setup cluster envoy
	@CLUSTER_PAGE=$(CURDIR)/docs/cluster.md scripts/cluster test

frameworks-test: build ## As root: have Airflow, Spark and others make pods from examples/kubernetes/frameworks
	@scripts/setup frameworks
	@scripts/frameworks

sidecars-test: build ## Hold the built-in plugins against real sidecars: Istio's agent, OpenBao, Caddy and others
	@scripts/setup envoy collector sidecars dapr test
	@scripts/test --test real_sidecars --test real_dapr --test envoy --test drain

compare-init: build ## Put the same cases to tini, dumb-init and catatonit; writes docs/init-comparison.md
	@scripts/setup test inits
	@COMPARE_INIT=$(CURDIR)/docs/init-comparison.md scripts/test --test compare_init no_other -- --nocapture

sandbox-table: build ## Try hostile guests and servers and a failing world; writes docs/sandbox-table.md
	@scripts/setup test
	@SANDBOX_TABLE=$(CURDIR)/docs/sandbox-table.md scripts/test --test sandbox_table nothing -- --nocapture

sidecars-table: ## Write the table of docs/sidecars.md anew, from what the plugins do
	@SIDECARS_PAGE=$(CURDIR)/docs/sidecars.md $(CARGO) test --profile fast --quiet --locked --package sidecars-common --test page

languages-table: build ## Build the same plugin in each language and measure it; writes docs/languages.md
	@scripts/setup languages
	@scripts/languages-table

soak: export SOAK_SECONDS ?= 600
soak: build ## Random signals at random times, for SOAK_SECONDS (600)
	@scripts/test --test soak -- --nocapture

fuzz: export FUZZ_SECONDS ?= 60
fuzz: setup ## Fuzz what reads what others write, each target for FUZZ_SECONDS (60); the compiler of the day will do
	@scripts/setup fuzz
	@scripts/fuzz

check: setup ## Formatting, lints, documentation, licences
	@scripts/setup deny
	@scripts/check

clean: ## Remove everything that was built
	$(CARGO) clean
