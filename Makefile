# make demo   the whole job against a sandbox, no account needed
# make test   the tests
# Each brings what it needs: uv (into .uv/, if the machine has none) and the project's own environment (.venv/).

export UV_PYTHON_DOWNLOADS ?= never
export PIP_DISABLE_PIP_VERSION_CHECK ?= 1
# Whoever starts dbt or ticketing is not to wait for Python to compile them, each time where it may not keep the result.
export UV_COMPILE_BYTECODE ?= 1
# The machine's own certificates, where it has them: behind a company's proxy uv's bundled ones are not enough.
ifneq ($(wildcard /etc/ssl/certs/ca-certificates.crt),)
export UV_SYSTEM_CERTS ?= true
endif

UV := $(shell command -v uv 2>/dev/null || echo .uv/bin/uv)
PYTHON := $(shell command -v python3 || command -v python3.13 || command -v python3.12 || command -v python3.11)

.PHONY: demo test test-slow test-long test-airflow soak benchmarks lint setup clean

demo: setup
	@$(UV) run --frozen ticketing demo

# Four processes keep two cores busy: each waits often, for a database, a server or a clock. Tests that share what takes
# long to make (xdist_group) are run by one of them.
test: setup
	$(UV) run --frozen pytest -n 4 --dist loadgroup

# What that leaves out, on Postgres as on DuckDB, but for what is long.
test-slow: setup
	TICKETING_TEST_KILLS=10 $(UV) run --frozen pytest -n 4 --dist loadgroup -m "slow and not long" --durations=30

# What is long; and once more, with more examples and worlds, what draws them by chance.
test-long: setup
	HYPOTHESIS_PROFILE=thorough TICKETING_TEST_WORLDS=15 \
	$(UV) run --frozen pytest -n 4 --dist loadgroup -m "long or hypothesis"

# The DAG, run by Airflow itself. It and dbt do not live in one environment: this one is Airflow's own.
test-airflow: setup .venv-airflow/made-from.txt
	$(UV) run --frozen pytest -n 2 -m airflow tests/flow/test_airflow.py --durations=10

.venv-airflow/made-from.txt: pipelines/dags/requirements.txt
	$(UV) venv --quiet --clear --python $$($(UV) run --frozen python -c 'import sys; print("%d.%d" % sys.version_info[:2])') .venv-airflow
	$(UV) pip install --quiet --python .venv-airflow/bin/python --requirements $<
	cp $< $@

# Hours of bad days on both warehouses, other ones each time, where the tests have the same ones each time; a failure
# is replayed first by the next run.
SOAK_WORLDS ?= 1000
SOAK_ROUNDS ?= 100
SOAK_SEED ?= $(shell date +%s)
soak: setup
	HYPOTHESIS_PROFILE=soak TICKETING_TEST_WORLDS=$(SOAK_WORLDS) TICKETING_TEST_ROUNDS=$(SOAK_ROUNDS) \
	TICKETING_TEST_SEED=$(SOAK_SEED) $(UV) run --frozen pytest -n 4 -m "" tests/flow/test_nothing_is_lost.py tests/unit \
	tests/sandbox/test_lists.py tests/warehouse/test_incremental.py tests/flow/test_backfill.py tests/flow/test_verify.py

# How quick, lean and fair it is, beside its peers; hours in all. One of them: make benchmarks SCENARIOS=latency
SCENARIOS ?= all
benchmarks: setup
	$(UV) run --frozen python -m tests.benchmarks $(SCENARIOS) --keep

lint: setup
	$(UV) run --frozen ruff check .
	$(UV) run --frozen ruff format --check .
	$(UV) run --frozen mypy
	$(UV) run --frozen lint-imports
	TICKETING_DUCKDB_PATH=dbt_project/target/lint.duckdb $(UV) run --frozen sqlfluff lint --processes 0 --config dbt_project/.sqlfluff dbt_project/models

setup: $(filter .uv/bin/uv,$(UV))
	@$(UV) sync --frozen --quiet

.uv/bin/uv:
	@echo "Bringing in uv (into .uv/) ..."
	@$(PYTHON) -m venv .uv 2>/dev/null && .uv/bin/python -m pip install --quiet uv \
	|| $(PYTHON) -m pip install --quiet --target .uv uv \
	|| { echo "Expected Python 3.11 to 3.13 with venv or pip, found neither. On Debian: apt-get install python3-venv." \
	     "Or install uv yourself: https://docs.astral.sh/uv/"; exit 1; }

clean:
	rm -rf .venv .venv-airflow .uv data/demo.* dbt_project/target dbt_project/logs
