# Two commands matter on a fresh machine: `make demo` and `make test`. Everything is installed under this directory (.venv, node_modules, .toolchain);
# nothing is read from HOME, from an activated environment or from global packages.
SHELL := /bin/bash
.SHELLFLAGS := -eu -o pipefail -c
.DEFAULT_GOAL := help
MAKEFLAGS += --no-print-directory

# The Python and Node that make .venv and node_modules; make PYTHON=/path/to/python3.12 test
export PYTHON ?= python3
export NODE ?= node
export NPM ?= npm

export PATH := $(CURDIR)/node_modules/.bin:$(CURDIR)/.venv/bin:$(PATH)
export SOLCX_BINARY_PATH := $(CURDIR)/toolchain
unexport PYTHONPATH PYTHONHOME VIRTUAL_ENV NODE_PATH

PY := .venv/bin/python
STAGE := @toolchain/stage
UV := .toolchain/uv/bin/uv

.PHONY: help setup demo verify-evidence local test compile lint pytest forge-test parity-deep fuzz invariants slither gas coverage modes bench-kernel bench-latency chaos soak october lock clean

help: ## this list
	@awk 'BEGIN {FS = ":.*## "} /^[a-z-]+:.*## / {printf "  make %-15s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

setup: ## install everything below this directory; seconds when nothing changed
	@toolchain/setup

# Switches, in the environment or after make: CRASH=covid-2020|ftx-2022|fall; the controls KEEPER=off and FUND=0 must fail. ADL=on|off: whether
# the keeper deleverages; on, unless FUND=0, which is about the fund and not about what stands behind it.
demo: setup ## replay 12-13 March 2020 on a local Anvil, report in out/report.html; make demo CRASH=ftx-2022
	@$(PY) -m scripts.demo

local: setup compile ## a seeded venue on a local Anvil that stands still until Ctrl-C: something to try calls and bots on
	@$(PY) -m scripts.local_chain

verify-evidence: setup ## recompute the demo's JSON line from out/evidence, without the keeper's code
	@$(PY) -m scripts.verify_evidence

test: setup compile lint forge-test pytest ## every check: lint, forge, then contracts, keeper and parity on a real Anvil

compile: setup ## compile the contracts for Brownie and forge
	$(STAGE) 'compile: Brownie' $(PY) -m scripts.artifacts
	$(STAGE) 'compile: forge' forge build

lint: setup ## ruff, mypy --strict on keeper, solhint
	$(STAGE) 'lint: ruff' ruff check .
	$(STAGE) 'lint: ruff format' ruff format --check .
	$(STAGE) 'lint: mypy' mypy
	$(STAGE) 'lint: solhint' solhint --disc --noPoster --max-warnings 0 'contracts/**/*.sol'

# One worker per core, each with an Anvil of its own; a file stays with one worker, for its fixtures. WORKERS= runs in one process.
WORKERS ?= --numprocesses auto --maxprocesses 4 --dist loadfile

pytest: setup ## contracts (Brownie), keeper and parity tests; make pytest ARGS='tests/keeper -k margin'
	$(STAGE) 'tests: contracts, keeper, parity' $(PY) -m pytest $(WORKERS) $(ARGS)

forge-test: setup ## forge unit, fuzz and invariant tests
	$(STAGE) 'tests: forge' forge test

parity-deep: setup compile ## keeper against contract on 200,000 random portfolios in all three modes
	$(STAGE) 'parity: 200,000 portfolios' env DPRE_PARITY_PORTFOLIOS=200000 $(PY) -m pytest tests/parity

fuzz: setup ## long fuzz campaign
	$(STAGE) 'fuzz' env FOUNDRY_FUZZ_RUNS=20000 forge test --match-test '^testFuzz'

invariants: setup ## invariant campaign of 5,000,000 calls, goes on where it was stopped; ends with one JSON line; ARGS='--calls 100000'
	$(STAGE) 'invariants' $(PY) -m scripts.invariants $(ARGS)

slither: setup ## static analysis of the contracts; fails on a finding that toolchain/slither-answers.toml does not answer
	@toolchain/environment toolchain/slither-requirements.lock
	$(STAGE) 'slither' $(PY) -m scripts.slither

# Recorded on Anvil (but for the publisher's tests, whose transactions another process sends), then repeated where forge counts branches.
RECORDING := -p tests.coverage.recorder --record out/coverage --ignore tests/contracts/oracle/test_publisher.py
BRANCHES := --root out/coverage/project --no-match-path 'tests/forge/{gas,invariants}/*' --gas-limit 1000000000000000 \
    --report lcov --report-file '$(CURDIR)/out/coverage/lcov.info'

coverage: setup compile ## functions, errors and branches of the contracts that tests reach; writes docs/coverage.md
	@rm -rf out/coverage
	$(STAGE) 'coverage: tests on Anvil, recorded' $(PY) -m pytest $(WORKERS) $(RECORDING) tests/contracts tests/scenarios/history
	$(STAGE) 'coverage: steps to repeat' $(PY) -m tests.coverage.steps out/coverage
	$(STAGE) 'coverage: contracts with markers' $(PY) -m tests.coverage.branches out/coverage
	$(STAGE) 'coverage: branches' forge coverage $(BRANCHES) | tee out/coverage/forge.log
	@! grep '^\[FAIL' out/coverage/forge.log  # forge coverage itself does not mind
	@$(PY) -m scripts.coverage --write docs/coverage.md

modes: setup compile ## docs/modes.md: what ten typical books need in each margin mode, by contract and keeper
	@$(PY) -m scripts.modes_table

gas: setup ## gas of the margin checks on cold storage; writes snapshots/gas.json, ends with it as one JSON line
	@$(PY) -m benchmarks.gas

# The peers' versions contradict the project's, and Ray is an optional extra: each has an environment of its own, installed when
# first measured. Ray's sees the project's packages too.
bench-kernel: setup ## the risk kernels, and what people would use instead, side by side; draws docs/kernels.svg
	@toolchain/environment benchmarks/peers-requirements.lock
	@toolchain/environment benchmarks/ray-requirements.lock "$(CURDIR)/.venv"
	$(STAGE) 'kernel benchmark' $(PY) -m benchmarks.kernel --chart docs/kernels.svg $(ARGS)

# The venue is built once through real transactions and kept in cache/; ARGS='--accounts 600 --ticks 40 --burst 60' is a short form.
bench-latency: setup compile ## price on chain to liquidation on chain on 100,000 positions; ends with one JSON line
	@$(PY) -m benchmarks.latency $(ARGS)

soak: setup compile ## two hours of a simulated market, accelerated: memory, drift, exceptions; one JSON line
	@$(PY) -m scripts.soak $(ARGS)

chaos: setup compile ## break what can break, one row of evidence per fault in out/chaos.json; ends with one JSON line
	@$(PY) -m scripts.chaos $(ARGS)

october: setup compile ## 10 October 2025: 10,000 accounts, auto-deleveraging against other venues' rules; out/october.md, one JSON line
	@$(PY) -m scripts.october $(ARGS)

# uv writes the hashes of every platform's files and no index address; its own version is fixed here.
lock: ## resolve the dependencies anew and rewrite the lock files
	@test -x $(UV) || { $(PYTHON) -m venv .toolchain/uv && .toolchain/uv/bin/python -m pip install --quiet uv==0.13.8; }
	$(UV) pip compile --quiet --upgrade --python-version 3.11 --generate-hashes --no-emit-index-url --no-emit-find-links \
	    --custom-compile-command 'make lock' --extra dev --override toolchain/overrides.txt --output-file requirements.lock pyproject.toml
	$(UV) pip compile --quiet --upgrade --python-version 3.11 --generate-hashes --no-emit-index-url --no-emit-find-links \
	    --custom-compile-command 'make lock' --constraint requirements.lock --output-file toolchain/build-requirements.lock toolchain/build-requirements.in
	$(UV) pip compile --quiet --upgrade --python-version 3.11 --generate-hashes --no-emit-index-url --no-emit-find-links \
	    --custom-compile-command 'make lock' --output-file benchmarks/peers-requirements.lock benchmarks/peers-requirements.in
	$(UV) pip compile --quiet --upgrade --python-version 3.11 --generate-hashes --no-emit-index-url --no-emit-find-links \
	    --custom-compile-command 'make lock' --constraint requirements.lock --output-file benchmarks/ray-requirements.lock benchmarks/ray-requirements.in
	$(UV) pip compile --quiet --upgrade --python-version 3.11 --generate-hashes --no-emit-index-url --no-emit-find-links \
	    --custom-compile-command 'make lock' --output-file toolchain/slither-requirements.lock toolchain/slither-requirements.in
	$(NPM) install --package-lock-only --ignore-scripts --no-audit --no-fund --omit-lockfile-registry-resolved

clean: ## remove everything make created
	rm -rf .venv node_modules .toolchain build out cache reports .pytest_cache .mypy_cache .ruff_cache .hypothesis *.egg-info
