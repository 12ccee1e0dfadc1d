# `make help` lists the targets. A fresh clone needs Go; a Debian-like system
# and root let `make deps` fetch the rest.
SHELL := /bin/bash
GO    ?= go
BIN   := bin/fivetuple
# How long `make fuzz` runs each target, as go test's -fuzztime has it.
FUZZTIME ?= 60s
# Pinned, and run by version, so that the linter's modules stay out of go.mod.
STATICCHECK := honnef.co/go/tools/cmd/staticcheck@v0.8.2
# Packages in which more than one goroutine runs.
RACE := ./stack ./sim/... ./sockapi ./gateway ./tun ./cmd/... ./internal/pktlinux
# command:package pairs that the tests look for; gcc is what -race links with.
TOOLS := ip:iproute2 iperf3:iperf3 tshark:tshark curl:curl nc:netcat-openbsd \
	ping:iputils-ping jq:jq gcc:gcc gcc:libc6-dev
# Further flags of bench-tun, as -markdown or -only in,out.
BENCHFLAGS ?=
# What bench-tun measures besides, if it is there; no test needs it.
BENCH_TOOLS := slirp4netns:slirp4netns pasta:passt
# What `make pgo` writes, if it has: it guides every build from then on.
PROFILE := $(wildcard bin/default.pgo)
# Without VCS stamping a build works in any checkout, whoever owns it.
BUILD := build -trimpath -buildvcs=false $(PROFILE:%=-pgo=$(CURDIR)/%)
export PATH := $(PATH):/usr/sbin:/sbin

.DEFAULT_GOAL := help
.PHONY: help build pgo demo test race fuzz fuzz-pkt same-pkt lint bench bench-tun soak scale deps deps-bench determinism differential check clean

help: ## list the targets
	@awk -F ':.*## ' '/^[a-z-]+:.*## / {printf "  %-12s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

build: ## build bin/fivetuple
	$(GO) $(BUILD) -o $(BIN) ./cmd/fivetuple

# The names are those of go test's benchmarks.
pgo: ## profile the engine, and build with that: some per cent less processor time (2 minutes)
	mkdir -p bin
	GOMAXPROCS=1 $(GO) test ./sim -run '^$$' -bench '^Benchmark(Echo|Bulk|Connections)$$' -benchtime 8s -cpuprofile bin/default.pgo -o bin/sim.test
	rm bin/sim.test
	@$(MAKE) --no-print-directory build

demo: build ## build, then run the flagship scenario
	$(BIN) run handshake

test: ## run every test (fetches missing tools first)
	@$(MAKE) --no-print-directory deps || echo "tests that need a missing tool are skipped"
	$(GO) test ./...

# The longest live tests, which `make test` runs: under the race detector they take
# minutes, and what runs concurrently in them is in sim, sockapi, gateway and tun.
RACESKIP := ^Test(UpRecordFiles|UpRecord|Gateway|UpHTTP|UpTap|UpAlso|UpDiag|ImportLive|ImportStreams|ImportAgain)$$

race: ## run the packages with concurrency under the race detector
	CGO_ENABLED=1 $(GO) test -race -timeout 25m -skip '$(RACESKIP)' $(RACE)

# Go would spend up to a minute on making one input shorter, and a whole stack never
# takes the same way twice: 20 attempts have to do.
fuzz: ## run every fuzz target of the repository for FUZZTIME (60s) each
	@set -e; grep -r --include='*_test.go' -o '^func Fuzz[A-Za-z0-9_]*' . | sort | while IFS=: read -r file func; do \
	echo "$${func#func } in $$(dirname $$file)"; \
	$(GO) test -run '^$$' -fuzz "^$${func#func }\$$" -fuzztime $(FUZZTIME) -fuzzminimizetime 20x "$$(dirname $$file)" </dev/null; done

# How long `make fuzz-pkt` runs each of its targets, if FUZZTIME does not say.
PKTFUZZTIME = $(if $(filter file,$(origin FUZZTIME)),5m,$(FUZZTIME))

fuzz-pkt: ## fuzz the parser, printer and runner of packetdrill scripts, 5 minutes each, or FUZZTIME
	@set -e; for f in FuzzParse FuzzCode FuzzRun; do echo "$$f, $(PKTFUZZTIME)"; \
	$(GO) test -run '^$$' -fuzz "^$$f\$$" -fuzztime $(PKTFUZZTIME) ./scenarios/packetdrill </dev/null; done

# Scripts of one's own: make same-pkt PKT=FOLDER DEFINES='CODE=host_unreachable'
PKT ?=
DEFINES ?=

same-pkt: ## run each built-in packetdrill script, and those of PKT=FOLDER, 100 times: one trace each
	FIVETUPLE_PKT_RUNS=100 FIVETUPLE_PKT_DIR="$(abspath $(PKT))" FIVETUPLE_PKT_DEFINES="$(DEFINES)" \
	$(GO) test -count=1 -timeout 30m -run TestPktSame -v ./scenarios </dev/null | grep -v '^ *--- PASS\|^=== '

lint: ## gofmt, vet, staticcheck, go.mod of product and peers, and the wasm and macOS builds
	@out=$$(gofmt -l .); test -z "$$out" || { echo "run gofmt -w on:"; echo "$$out"; exit 1; }
	$(GO) vet ./...
	$(GO) run $(STATICCHECK) ./...
	$(GO) mod tidy -diff
	$(GO) -C bench/peers vet ./...
	$(GO) -C bench/peers mod tidy -diff
	GOOS=js GOARCH=wasm $(GO) build ./scenarios/... ./sim/...
	GOOS=darwin $(GO) $(BUILD) -o /dev/null ./cmd/fivetuple

bench: ## Go benchmarks, then the same bulk transfer in ns-3 if it is installed
	$(GO) test -run '^$$' -bench . -benchmem ./...
	@$(MAKE) --no-print-directory -C bench/ns3 run

bench-tun: build ## fivetuple on a TUN device beside the kernel and other stacks (root, 6 minutes; builds the peers first)
	$(GO) run ./internal/tunbench -fivetuple $(BIN) $(PROFILE:%=-pgo=$(CURDIR)/%) $(BENCHFLAGS)

# Flags for `make soak`, as SOAK="-for 1m -only load".
SOAK ?=

soak: build ## load a live session for 10 minutes and mistreat it, 1,000,000 connections (root, 20 minutes)
	$(GO) run ./internal/soak -fivetuple $(BIN) $(SOAK)

scale: ## 10,000 connections on one epoll, 100,000 idle ones: time, memory, growth
	$(GO) run ./internal/scale

deps: ## install the tools that the tests use (apt, as root)
	@missing=$$(for t in $(TOOLS); do command -v $${t%%:*} >/dev/null || echo $${t##*:}; done | xargs); \
	test -n "$$missing" || exit 0; echo "missing: $$missing"; \
	cmd="apt-get install -y --no-install-recommends $$missing"; \
	if [ "$$(id -u)" = 0 ] && command -v apt-get >/dev/null; then export DEBIAN_FRONTEND=noninteractive; \
	apt-get update -q && $$cmd </dev/null; \
	else echo "remedy: run as root: $$cmd (or your system's equivalent)"; exit 1; fi

deps-bench: ## install the optional peers of bench-tun (apt, as root)
	@$(MAKE) --no-print-directory deps TOOLS="$(BENCH_TOOLS)"

determinism: build ## run every scenario twice, on 1 and 8 cores, and compare every byte
	$(GO) run ./internal/determinism

differential: ## make 470 socket programs on Linux and on sockapi, and compare every result
	$(GO) run ./internal/differential

check: lint test race determinism ## all of the above that must pass before a commit

clean: ## remove what was built
	rm -rf bin
