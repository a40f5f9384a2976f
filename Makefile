# Two commands on a fresh machine with Python 3.11 and pip: `make demo` and `make test`.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin

.PHONY: demo test proof lint sql types layers tests wheel wheel-built bench samples pictures clean

demo: $(VENV)/.runtime
	@$(BIN)/streamaudit demo

# The checks run side by side, and the wheel is built while their tools are fetched: one of them has a core to spare.
test: $(VENV)/.made
	@$(MAKE) --no-print-directory -j4 --output-sync=line tests wheel types lint sql layers

lint: $(VENV)/.dev
	$(BIN)/ruff check .
	$(BIN)/ruff format --check streamaudit/__init__.py

sql: $(VENV)/.dev
	$(BIN)/sqlfluff lint --disable-progress-bar -q streamaudit

types: $(VENV)/.dev
	$(BIN)/mypy

layers: $(VENV)/.dev
	$(BIN)/lint-imports

tests: $(VENV)/.dev
	$(BIN)/pytest -n $$(($$(nproc) + 1)) --maxprocesses 4 --dist worksteal -q

# What is too heavy for every run: many more examples, the large world of real streams, every width of the pages, servers
# of every cloud. A small case of each is among the tests. docs/proof.md has the last result.
proof: $(VENV)/.dev
	$(BIN)/pytest -m proof -n $$(($$(nproc) + 1)) --maxprocesses 4 --dist worksteal -q

# Build the wheel and install it alone into its own environment; then run tests against it from a folder where the
# checkout's package cannot be imported.
wheel-built: $(VENV)/.made
	PYTHON=$(BIN)/python tests/wheel_build.sh $(VENV)/wheel

wheel: wheel-built $(VENV)/.dev
	PYTHON=$(BIN)/python tests/wheel_test.sh $(VENV)/wheel

bench: $(VENV)/.dev
	$(BIN)/pip install -q -e '.[bench]'
	$(BIN)/python benchmarks/run.py

samples: $(VENV)/.dev
	$(BIN)/python sample_traces/make_samples.py

# The picture of the README.
pictures: $(VENV)/.dev
	$(BIN)/streamaudit ttft sample_traces/raw*.gz sample_traces/langfuse*.gz sample_traces/datadog*.gz --by model -q -o docs/ttft.svg

clean:
	rm -rf $(VENV) dist build

$(VENV)/.made:
	$(PYTHON) -c 'import sys; sys.exit("streamaudit needs Python 3.11 or newer" if sys.version_info < (3, 11) else 0)'
	$(PYTHON) -m venv $(VENV)
	touch $@

$(VENV)/.runtime: $(VENV)/.made pyproject.toml
	$(BIN)/pip install -q --disable-pip-version-check --no-compile -e .
	touch $@

# Tests of the HTML page need a browser, those of offered commands jq, those of the audits real proxies; all are fetched
# meanwhile, and the proxies' own services are not started. Without them these tests are skipped, and say so.
$(VENV)/.dev: $(VENV)/.made pyproject.toml
	@{ { command -v chromium && command -v jq && command -v nginx && command -v haproxy; } >/dev/null || \
		{ [ "$$(id -u)" = 0 ] && command -v apt-get >/dev/null && apt-get update -q && \
		RUNLEVEL=1 apt-get install -q -y --no-install-recommends chromium jq nginx-light haproxy; } || true; } \
		>$(VENV)/packages.log 2>&1 & \
	$(BIN)/pip install -q --disable-pip-version-check --no-compile -e '.[dev]' && wait
	touch $(VENV)/.runtime $@
