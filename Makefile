# Everything a developer needs. `make demo` and `make test` set themselves up on a bare machine with
# Python 3.11 or newer: a virtual environment in .venv, packages as locked in constraints.txt.

PYTHON ?=
VENV := .venv
BIN := $(VENV)/bin
READY := $(VENV)/.ready
TRAINER ?=
DIR ?= examples/support_desk
SERVED := fairlead/retrieval/weaviate/*

.PHONY: demo test check servers test-real tiny-model qa bench build lock clean help
.DEFAULT_GOAL := help

help: ## Show these lines
	@grep -E '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed 's/:.*## /\t/' | expand -t 11

demo: $(READY) ## Ingest an example corpus, ask it six questions, show a trace
	@$(BIN)/python examples/support_desk/demo.py

test: $(READY) ## Run the tests that need only Python
	@$(BIN)/pytest -q

check: $(READY) ## Run what CI runs: format, lint, types, import contracts, tests with coverage
	@$(BIN)/ruff format --check .
	@$(BIN)/ruff check .
	@$(BIN)/mypy
	@$(BIN)/lint-imports --no-cache
	@$(BIN)/coverage erase
	@$(BIN)/coverage run $(BIN)/pytest -q
	@$(BIN)/coverage combine --quiet
	@$(BIN)/coverage report --omit='$(SERVED)'
	@$(BIN)/coverage report --include='guardrails/*,graphs/*' --fail-under=100

servers: $(READY) ## Install the real servers for test-real, once, into a cache outside the checkout
	@$(BIN)/python scripts/servers.py

test-real: $(READY) ## Run the tests that need a real server: make servers first
	@$(BIN)/coverage erase
	@$(BIN)/coverage run $(BIN)/pytest -q -m "weaviate or vllm or postgres" --require-servers
	@$(BIN)/coverage combine --quiet
	@$(BIN)/coverage report --include='$(SERVED)' --fail-under=90

tiny-model: $(READY) ## Train the tests' tiny model anew: half an hour
	@nice $(BIN)/python -m scripts.tiny_model --python "$(TRAINER)"

qa: $(READY) ## Score answers on a folder with documents/ and questions.jsonl: make qa DIR=…
	@$(BIN)/python benchmarks/qa.py $(DIR)

bench: $(READY) ## Measure start-up and overhead
	@$(BIN)/python benchmarks/startup.py
	@$(BIN)/python benchmarks/overhead_graph.py

build: $(READY) ## Build sdist and wheel into dist/
	@rm -rf dist
	@$(BIN)/python -m build --outdir dist . >/dev/null
	@ls dist

lock: $(READY) ## Lock anew the newest versions that go together (constraints.txt)
	@$(BIN)/uv pip compile --quiet --upgrade --python-version 3.11 --all-extras --no-annotate \
	  --custom-compile-command 'make lock' --output-file constraints.txt \
	  pyproject.toml requirements-dev.txt

clean: ## Remove the environment and everything built
	rm -rf $(VENV) build dist *.egg-info .coverage* .mypy_cache .ruff_cache .pytest_cache .hypothesis

$(READY): pyproject.toml constraints.txt requirements-dev.txt scripts/setup.sh
	@PYTHON="$(PYTHON)" bash scripts/setup.sh $(VENV)
	@touch $(READY)
