# Two commands on a fresh machine with Python 3.11 and pip: `make demo` and `make test`.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
PIP := $(BIN)/pip install -q --disable-pip-version-check --no-compile
# The many packages of the checks: by uv, in a tenth of pip's time, or by pip where uv cannot be had or reaches no index.
INSTALL := tests/install.sh $(BIN)/uv
# Planning thousands of statements is allocating: a quarter of the time of the tests is malloc's. Their workers have a
# faster one where it is installed; a process that a test starts from nothing has what a user's has.
PYTEST = LD_PRELOAD=$$(ls /usr/lib/*/libjemalloc.so.2 2>/dev/null | head -n 1) \
	$(BIN)/pytest -n $$(($$(nproc) + 1)) --maxprocesses 4 --dist worksteal -q

# What Python compiles is kept, whatever the machine says: every worker and every process of the tests would do it again.
export PYTHONDONTWRITEBYTECODE :=

.PHONY: demo test test-sail test-spark proof fuzz lint sql types layers tests wheel wheel-built soak bench bench-growth spark-server samples pictures lock release clean

demo: $(VENV)/.runtime
	@$(BIN)/streamaudit demo

# The checks run side by side, and the wheel is built while their tools are fetched: one of them has a core to spare.
test: $(VENV)/.made
	@$(MAKE) --no-print-directory -j4 --output-sync=line tests wheel types lint layers test-sail

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
	$(PYTEST)

# What is too heavy for every run: many more examples, the large world of real streams, every width of the pages, servers
# of every cloud, and the programs that host the recipes, which are fetched from PyPI and npm. A small case of each is
# among the tests. docs/proof.md has the last result. The style of the SQL is checked here too.
proof: sql
	$(PYTEST) -m proof

# Some questions to a server that speaks Spark Connect, and ways not to reach it: Sail, a server in a wheel.
test-sail: $(VENV)/spark/.made
	$(VENV)/spark/bin/python -m pytest -q -p no:cacheprovider tests/engines/test_failures.py tests/engines/test_spark.py

# The same questions to Apache Spark with two workers, workers killed and the server killed. The server's wheel and the
# client's both hold the package pyspark, so each has an environment of its own. It needs Java 17.
SPARK_HOME = $$($(VENV)/spark-server/bin/python -c 'import os, pyspark; print(os.path.dirname(pyspark.__file__))')
test-spark: $(VENV)/spark/.made spark-server
	SPARK_HOME=$(SPARK_HOME) $(VENV)/spark/bin/python -m pytest -q -p no:cacheprovider -m 'spark or not spark' tests/engines

spark-server: $(VENV)/.made
	test -d $(VENV)/spark-server || ($(PYTHON) -m venv $(VENV)/spark-server && $(VENV)/spark-server/bin/pip install -q 'pyspark==4.2.0')

# Follow a folder of logs for an hour, with kills, rotations and readers, and compare the store with one clean reading.
soak: $(VENV)/.dev
	$(BIN)/python -m tests.soak --minutes $${MINUTES:-60}

# Odd files of every format, kills, full disks, planted texts and ways out of SQL for an hour; files that break a promise
# are kept in fuzz-failures.
fuzz: $(VENV)/.dev
	$(BIN)/python -m tests.fuzz --seconds 3600

# Build the wheel and install it alone into its own environment; then run tests against it from a folder where the
# checkout's package cannot be imported.
wheel-built: $(VENV)/.uv
	PYTHON=$(BIN)/python UV=$(BIN)/uv tests/wheel_build.sh $(VENV)/wheel

wheel: wheel-built $(VENV)/.dev
	PYTHON=$(BIN)/python tests/wheel_test.sh $(VENV)/wheel

bench: $(VENV)/.dev
	$(BIN)/pip install -q -e '.[bench]'
	$(BIN)/python benchmarks/run.py

# How answers from an exported folder grow, and the page about it. It needs Java 17, and is best run on an idle machine.
bench-growth: $(VENV)/spark/.made spark-server
	SPARK_HOME=$(SPARK_HOME) $(VENV)/spark/bin/python benchmarks/growth.py --page

samples: $(VENV)/.dev
	$(BIN)/python sample_traces/make_samples.py

# The picture of the README.
pictures: $(VENV)/.dev
	$(BIN)/streamaudit ttft sample_traces/raw*.gz sample_traces/langfuse*.gz sample_traces/datadog*.gz --by model -q -o docs/ttft.svg

# Every package that the checks and a release use is pinned with its hashes; this renews the pins.
LOCK := $(VENV)/release/bin/uv pip compile -q --upgrade --universal --python-version 3.11 --generate-hashes --no-annotate \
	--custom-compile-command "make lock"
lock: $(VENV)/release/.made
	$(LOCK) --extra dev pyproject.toml requirements/build.in -o requirements/dev.txt
	$(LOCK) -c requirements/dev.txt pyproject.toml requirements/build.in -o requirements/run.txt
	$(LOCK) --extra spark -c requirements/run.txt pyproject.toml requirements/spark.in -o requirements/spark.txt
	$(LOCK) requirements/release.in -o requirements/release.txt
	$(LOCK) requirements/uv.in -o requirements/uv.txt

# The files of a release: a wheel and a source archive whose bytes depend on the sources alone (built twice to see it),
# known vulnerabilities of what they bring in, and a bill of materials (CycloneDX) of an environment with the wheel.
release: wheel-built $(VENV)/release/.made
	rm -rf dist $(VENV)/again
	$(VENV)/release/bin/python -m build --no-isolation --outdir dist .
	$(VENV)/release/bin/python -m build --no-isolation --outdir $(VENV)/again .
	diff -r dist $(VENV)/again
	$(VENV)/release/bin/cyclonedx-py environment --pyproject pyproject.toml --output-reproducible \
		-o dist/streamaudit.cdx.json $(VENV)/wheel/venv/bin/python
	$(VENV)/release/bin/pip-audit --strict --require-hashes --disable-pip -r requirements/run.txt

clean:
	rm -rf $(VENV) dist build

$(VENV)/.made:
	$(PYTHON) -c 'import sys; sys.exit("streamaudit needs Python 3.11 or newer" if sys.version_info < (3, 11) else 0)'
	$(PYTHON) -m venv $(VENV)
	touch $@

$(VENV)/.uv: $(VENV)/.made requirements/uv.txt
	-$(PIP) --require-hashes -r requirements/uv.txt
	touch $@

$(VENV)/.runtime: $(VENV)/.made pyproject.toml requirements/run.txt
	$(PIP) --require-hashes -r requirements/run.txt
	$(PIP) --no-deps --no-build-isolation -e .
	touch $@

$(VENV)/release/.made: requirements/release.txt
	$(PYTHON) -m venv $(VENV)/release
	$(VENV)/release/bin/pip install -q --disable-pip-version-check --require-hashes -r requirements/release.txt
	touch $@

# The client of Spark needs pandas 2, the other tests have 3: so it has an environment of its own, which sees the packages
# of the tests after its own.
$(VENV)/spark/.made: $(VENV)/.dev requirements/spark.txt
	$(PYTHON) -m venv --without-pip $(VENV)/spark
	echo "import site; site.addsitedir('$$($(BIN)/python -c 'import sysconfig; print(sysconfig.get_path("purelib"))')')" \
		>$$($(VENV)/spark/bin/python -c 'import sysconfig; print(sysconfig.get_path("purelib"))')/tests.pth
	$(INSTALL) $(VENV)/spark/bin/python --no-build-isolation --require-hashes -r requirements/spark.txt
	touch $@

# Tests of the HTML page need a browser, those of offered commands jq, those of the audits real proxies, those of the
# recipes Node too; all are fetched meanwhile, and the proxies' own services are not started. Without them these tests
# are skipped, and say so. Then everything is imported once, or several processes of the tests would compile it at once.
$(VENV)/.dev: $(VENV)/.uv pyproject.toml requirements/dev.txt
	@{ { command -v chromium && command -v jq && command -v nginx && command -v haproxy && command -v node && \
		ls /usr/lib/*/libjemalloc.so.2; } >/dev/null 2>&1 || \
		{ [ "$$(id -u)" = 0 ] && command -v apt-get >/dev/null && apt-get update -q && \
		RUNLEVEL=1 apt-get install -q -y --no-install-recommends chromium jq nginx-light haproxy nodejs \
			libjemalloc2; } || true; } \
		>$(VENV)/packages.log 2>&1 & \
	$(INSTALL) $(BIN)/python --require-hashes -r requirements/dev.txt && $(PIP) --no-deps --no-build-isolation -e . && \
	{ $(BIN)/python -m tests.cli.forked & $(BIN)/pytest --collect-only -q >/dev/null || true; } && wait
	touch $(VENV)/.runtime $@
