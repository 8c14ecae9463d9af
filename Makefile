# Two commands matter on a fresh machine: `make demo` and `make test`. Everything is installed under this directory (.venv, node_modules, .toolchain);
# nothing is read from HOME, from an activated environment or from global packages.
SHELL := /bin/bash
.SHELLFLAGS := -eu -o pipefail -c
.DEFAULT_GOAL := help
.DELETE_ON_ERROR:
MAKEFLAGS += --no-print-directory

PYTHON ?= python3
NODE   ?= node
NPM    ?= npm

ROOT := $(CURDIR)
PY   := $(ROOT)/.venv/bin/python
TOOL := $(ROOT)/.toolchain
SOLCX := $(TOOL)/solcx/solc-v0.8.30

export PATH := $(ROOT)/node_modules/.bin:$(ROOT)/.venv/bin:$(PATH)
export SOLCX_BINARY_PATH := $(TOOL)/solcx
export PYTHONDONTWRITEBYTECODE :=
unexport PYTHONPATH PYTHONHOME VIRTUAL_ENV NODE_PATH

# stage NAME,COMMAND: a heading, the command, its wall time
define stage
	@printf '\n\033[1m==> %s\033[0m\n' "$(1)"; started=$$(date +%s); { $(2); } && printf '    %s: %ss\n' "$(1)" "$$(( $$(date +%s) - started ))"
endef

.PHONY: help setup test demo lint contracts-test keeper-test parity-test forge-test compile fuzz invariants gas lock clean versions

help: ## this list
	@awk 'BEGIN {FS = ":.*## "} /^[a-z-]+:.*## / {printf "  make %-16s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

# ---------------------------------------------------------------------------------------------------------------- set-up

# A stamp is the lock file as it was installed: set-up is repeated when and only when a lock file changed.
VENV_STAMP := .venv/.lock
NPM_STAMP  := node_modules/.lock

versions:
	@command -v $(PYTHON) >/dev/null || { echo "set-up: '$(PYTHON)' not found; Python 3.11 or newer is needed (make PYTHON=/path/to/python3.11 ...)"; exit 1; }
	@$(PYTHON) -c 'import sys; v = sys.version_info; sys.exit(0 if v >= (3, 11) else f"set-up: Python 3.11 or newer is needed, {sys.executable} is {v.major}.{v.minor} (make PYTHON=/path/to/python3.11 ...)")'
	@$(PYTHON) -c 'import venv, ensurepip' 2>/dev/null || { echo "set-up: this Python has no venv module (Debian: apt-get install python3-venv)"; exit 1; }
	@command -v $(NODE) >/dev/null && command -v $(NPM) >/dev/null || { echo "set-up: node and npm not found; Node 20 or newer is needed"; exit 1; }
	@$(NODE) -e 'const major = +process.versions.node.split(".")[0]; if (major < 20) { console.error("set-up: Node 20 or newer is needed, found " + process.version); process.exit(1); }'

setup: versions ## install everything the project needs into this directory (seconds when nothing changed)
	@cmp -s requirements.lock $(VENV_STAMP) || $(MAKE) .venv-install
	@cmp -s package-lock.json $(NPM_STAMP) || $(MAKE) .npm-install
	@test -x $(SOLCX) || $(MAKE) .solc-install

.PHONY: .venv-install .npm-install .solc-install
.venv-install:
	$(call stage,set-up 1/3: Python packages (.venv),$(PYTHON) -m venv --clear .venv \
	&& $(PY) -m pip install --quiet --disable-pip-version-check --no-deps --require-hashes -r toolchain/build-requirements.lock \
	&& $(PY) -m pip install --disable-pip-version-check --no-deps --no-build-isolation --require-hashes --progress-bar off -r requirements.lock \
	   | awk '/^Collecting/ {n++; printf "\r    %d packages (%s)\033[K", n, $$2; fflush()} /^Successfully installed/ {printf "\r    %d packages installed\033[K\n", NF - 2}' \
	&& $(PY) -m pip install --quiet --disable-pip-version-check --no-deps --no-build-isolation --no-index --editable . \
	&& cp requirements.lock $(VENV_STAMP))

# No package's install script runs: foundry's would only look for a download it already has.
.npm-install:
	$(call stage,set-up 2/3: npm packages (anvil forge cast solc OpenZeppelin Solady),$(NPM) ci --ignore-scripts --no-audit --no-fund && cp package-lock.json $(NPM_STAMP))

.solc-install:
	$(call stage,set-up 3/3: solc 0.8.30 made known to py-solc-x,mkdir -p $(TOOL)/solcx && ln -sfn ../../toolchain/solc $(SOLCX) && $(SOLCX) --version)

# ---------------------------------------------------------------------------------------------------------------- run

demo: setup ## the whole story on a local Anvil: deposits, a scripted fall, liquidations, the terminal report
	@$(PY) -m scripts.demo

compile: setup ## compile the contracts with Brownie and forge
	$(call stage,compile: Brownie,$(PY) -m scripts.artifacts)
	$(call stage,compile: forge,forge build)

# ---------------------------------------------------------------------------------------------------------------- checks

test: setup ## every check: lint, contracts, keeper, parity, forge; set-up included
	$(call stage,compile: Brownie,$(PY) -m scripts.artifacts)
	@$(MAKE) lint forge-test
	$(call stage,tests: contracts + keeper + parity,$(PY) -m pytest)

lint: setup ## ruff, mypy --strict on keeper, solhint
	$(call stage,lint: ruff,ruff check . && ruff format --check .)
	$(call stage,lint: mypy,mypy)
	$(call stage,lint: solhint,solhint --max-warnings 0 'contracts/**/*.sol')

contracts-test: setup ## pytest on deployed contracts (Brownie, Anvil)
	$(call stage,tests: contracts,$(PY) -m pytest tests/contracts)

keeper-test: setup ## pytest of the keeper, no node needed
	$(call stage,tests: keeper,$(PY) -m pytest tests/keeper)

parity-test: setup ## contract against keeper
	$(call stage,tests: parity,$(PY) -m pytest tests/parity)

forge-test: setup ## forge unit, fuzz and invariant tests
	$(call stage,tests: forge,forge test)

fuzz: setup ## long fuzz campaign
	$(call stage,fuzz,FOUNDRY_FUZZ_RUNS=20000 forge test --match-test '^testFuzz')

invariants: setup ## long invariant campaign
	$(call stage,invariants,FOUNDRY_INVARIANT_RUNS=1000 FOUNDRY_INVARIANT_DEPTH=128 forge test --match-test '^invariant')

gas: setup ## gas of every contract function as the forge tests use them, and code sizes
	$(call stage,gas,forge test --gas-report)
	$(call stage,sizes,forge build --sizes)

# ---------------------------------------------------------------------------------------------------------------- upkeep

# uv writes hashes of every platform's files and no index address into the lock files; its own version is fixed here.
UV := $(TOOL)/uv/bin/uv
UV_COMPILE := $(UV) pip compile --quiet --upgrade --python-version 3.11 --generate-hashes --no-emit-index-url --no-emit-find-links --custom-compile-command 'make lock'
lock: versions ## resolve the dependencies anew and rewrite the lock files
	@test -x $(UV) || { $(PYTHON) -m venv $(TOOL)/uv && $(TOOL)/uv/bin/python -m pip install --quiet uv==0.13.8; }
	$(UV_COMPILE) pyproject.toml --extra dev --override toolchain/overrides.txt --output-file requirements.lock
	$(UV_COMPILE) toolchain/build-requirements.in --constraint requirements.lock --output-file toolchain/build-requirements.lock
	$(NPM) install --package-lock-only --ignore-scripts --no-audit --no-fund --omit-lockfile-registry-resolved

clean: ## remove everything make created
	rm -rf .venv node_modules .toolchain build out cache reports .pytest_cache .mypy_cache .ruff_cache .hypothesis *.egg-info
