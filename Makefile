# Everything a developer does, one word each. `make help` lists it.
# Nothing is written outside this folder: the cache, the environment and the running stack all lie in it.
.DEFAULT_GOAL := help
SHELL := /bin/bash
UV := 0.13.9
PYTHON ?= $(shell command -v python3.11 || command -v python3)
BIN := .venv/bin
STAMP := .venv/.complete
CONTAINERS := .cache/containers-checked

export UV_CACHE_DIR := $(CURDIR)/.cache/uv
export UV_PYTHON_DOWNLOADS := never
export TMPDIR := $(CURDIR)/.cache/tmp
export MPLCONFIGDIR := $(CURDIR)/.cache/matplotlib
export XDG_CACHE_HOME := $(CURDIR)/.cache
export PIP_CACHE_DIR := $(CURDIR)/.cache/pip
export PIP_DISABLE_PIP_VERSION_CHECK := 1
export PYTHONNOUSERSITE := 1
unexport VIRTUAL_ENV PYTHONPATH PYTHONHOME

.PHONY: help setup demo test up down status check containers format hang delivery bench chaos poison rules soak archive sdks plugins

help: ## Say what can be done
	@awk -F ':.*## ' '/^[a-z]+:.*## / {printf "  make %-10s %s\n", $$1, $$2}' Makefile

demo: setup ## Watch events become scores, an NRR and an alert in Slack and mail (KEEP=1 leaves the stack up)
	@$(BIN)/python -m deploy.local demo

# Tests mostly wait: two files run at once, each with servers of its own. What is chosen by PYTEST, or has servers that
# others run, goes one after the other.
WORKERS ?= $(if $(PYTEST)$(KAFKA_BOOTSTRAP_SERVERS)$(DATABASE_URL),0,2)

test: setup ## Run all tests against a real PostgreSQL and a real broker (PYTEST='tests/unit -k score', WORKERS=0)
	@$(BIN)/python -m pytest -q --durations=10 --dist=loadfile --no-loadscope-reorder -n $(WORKERS) $(PYTEST)

up: setup ## Start PostgreSQL, broker, services and inbox; return when all are ready
	@$(BIN)/python -m deploy.local up

down: setup ## Finish what is on its way and stop all of it
	@$(BIN)/python -m deploy.local down

status: setup ## Say how each part stands
	@$(BIN)/python -m deploy.local status

check: setup ## Format, lint, types, import contracts, generated files: what can be known without running
	@$(BIN)/ruff format --check --quiet . || { echo 'Not formatted; run: make format'; exit 1; }
	@$(BIN)/ruff check --quiet .
	@$(BIN)/mypy --no-error-summary
	@$(BIN)/lint-imports --no-logo
	@$(BIN)/python -m shared.events.schemas --check
	@$(BIN)/python -m deploy.openapi --check
	@$(BIN)/python -m deploy.monitoring --check
	@$(BIN)/python -m deploy.asyncapi --check
	@$(MAKE) --silent $(CONTAINERS)

containers: setup ## Check image, compose file and cluster manifests, as far as that goes without an engine
	@$(BIN)/python -m tests.containers

# A minute's work, so `make check` does it again only after a change of what it looks at: all that the image is made of, too.
$(CONTAINERS): Makefile $(shell git ls-files -- .dockerignore docker-compose.yml pyproject.toml uv.lock shared services cli deploy tests/containers tests/sdks/install.py 2>/dev/null)
	@$(MAKE) --no-print-directory containers
	@touch $@

format: setup ## Format the code and mend what can be mended by itself
	@$(BIN)/ruff check --quiet --fix-only . && $(BIN)/ruff format --quiet .

hang: setup ## Freeze or silence what the services need while 200 clients post: does anything hang? (SECONDS=60 CLIENTS=200 CASES= KAFKA=)
	@$(BIN)/python -m tests.chaos.hang

delivery: setup ## Fail Slack and the mail server in every way, kill alerts at each step, stop it: how does each delivery end?
	@$(BIN)/python -m tests.chaos.delivery

archive: setup ## Prove the log of record: exactly once over kills and zombies, rebuilt alike; a table of cases
	@$(BIN)/python -m tests.archive

bench: setup ## Measure ingest and consumers beside plain ones, into .run/bench.json (KAFKA=apache, LONG=1, SMOKE=1)
	@$(BIN)/python -m tests.bench

# The shell has a SECONDS of its own, so it is handed on by another name.
chaos: setup ## Strike a cluster at work with seeded faults and judge it, beside sabotaged twins (SECONDS=60 SEED= KAFKA= TWINS=0)
	@CHAOS_SECONDS='$(or $(SECONDS),60)' SEED='$(SEED)' TWINS='$(TWINS)' $(BIN)/python -m tests.chaos

poison: setup ## Place hostile records on the topics of a stack of its own; say what each service made of each
	@$(BIN)/python -m tests.poison

rules: setup ## Have promtool judge alert rules, their tests and a stack that is up (wants Debian's package prometheus)
	@$(BIN)/python -m deploy.monitoring.prove

soak: setup ## Watch memory, descriptors, lag and tables under a steady load (MINUTES=30 RATE=500), into .run/soak.json
	@UV_PROJECT_ENVIRONMENT=.venv $(BIN)/uv sync --frozen --inexact --quiet --group plots --python $(BIN)/python
	@$(BIN)/python -m tests.soak

sdks: setup ## Send events with the unmodified Segment and RudderStack SDKs (wants node and npm)
	@$(BIN)/python -m tests.sdks

plugins: setup ## List the measures, signals and channels that are found
	@$(BIN)/python -m shared.plugins

setup: $(STAMP)
	@mkdir -p $(TMPDIR)

# The stamp is older than the lock after every change of dependencies, and then the environment is brought up to date.
$(STAMP): uv.lock pyproject.toml
	@mkdir -p $(TMPDIR)
	@deploy/local/setup.sh '$(PYTHON)' '$(UV)'
	@touch $@
