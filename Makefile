# What a newcomer needs:  make demo   make test
# What a change needs:    make check

PYTHON ?= $(shell command -v python3.11 || echo python3)
JOBS ?= 2
ARGS ?=
BIN := .venv/bin
PACKAGES := dynamo_core plugins/dynamo_circus/dynamo_circus
HELLO := examples/hello_world

.PHONY: demo test bench check format lint types test-core test-bentoml test-together test-wheels faults conformance reference environment constraints clean

demo: environment ## Serve examples/hello_world under supervision; Ctrl-C ends it
	$(BIN)/dynamo serve $(HELLO)/hello_world.py:Frontend -f $(HELLO)/config.yaml --provider circus $(ARGS)

test: environment ## Run the tests
	$(BIN)/python -m pytest -n $(JOBS) --dist loadgroup $(ARGS)

bench: ## Measure beside the floor and other frameworks, in one run: ARGS="--quick", ARGS="--only calls"
	@$(PYTHON) tools/environments.py make bench
	@.venvs/bench/bin/python -m compileall -q $(PACKAGES)
	.venvs/bench/bin/python -m benchmarks $(ARGS)

check: format lint types test-core test-bentoml test-together test-wheels test ## Run everything that CI runs

format: environment
	$(BIN)/ruff format --check .

lint: environment
	$(BIN)/ruff check .

types: environment
	$(BIN)/mypy $(PACKAGES) examples tools

test-core: ## Run the tests of dynamo-core where nothing else of ours is installed
	@$(PYTHON) tools/environments.py make core
	.venvs/core/bin/python -m pytest -n $(JOBS) tests/core $(ARGS)

faults: environment ## Break a running graph in every known way: SEEDS=n, CASES=O01,O07, BUSY=1 with every core busy, FORK=1 on kantoku
	@$(if $(FORK),$(PYTHON) tools/environments.py make circus-first)
	$(if $(FORK),.venvs/circus-first/bin,$(BIN))/python tests/faults/run.py --seeds $(or $(SEEDS),3) $(if $(BUSY),--busy) $(CASES)

test-bentoml: ## Check types and run the tests of dynamo-bentoml, in an environment without circus
	@$(PYTHON) tools/environments.py make bentoml
	.venvs/bentoml/bin/mypy plugins/dynamo_bentoml/dynamo_bentoml
	.venvs/bentoml/bin/python -m pytest -n $(JOBS) tests/bentoml_plugin tests/examples $(ARGS)

TOGETHER := tests/examples tests/packaging/test_together.py

test-together: ## Run the tests of both providers in one environment, whichever was installed first
	@$(PYTHON) tools/environments.py make circus-first
	@$(PYTHON) tools/environments.py make bentoml-first
	.venvs/circus-first/bin/python -m pytest -n $(JOBS) --dist loadgroup tests/circus_plugin $(TOGETHER) $(ARGS) # on kantoku
	.venvs/bentoml-first/bin/python -m pytest -n $(JOBS) tests/circus_plugin/test_run.py $(TOGETHER) $(ARGS)

test-wheels: environment ## Build the distributions, install them into a clean environment, and use them
	$(BIN)/python -m pytest -m wheels tests/packaging $(ARGS)

conformance: environment ## Run the conformance kit on every provider, print the grades, and keep the reports
	@$(PYTHON) tools/environments.py make bentoml
	$(BIN)/python tools/conformance.py $(ARGS)
	$(BIN)/python tools/reference.py

reference: environment ## Write the pages of the reference that are made from code
	$(BIN)/python tools/reference.py

environment: ## Bring .venv up to date
	@$(PYTHON) tools/environments.py make dev
	@$(BIN)/python -m compileall -q $(PACKAGES) $(HELLO)

constraints: ## Pin the newest releases that go together
	$(PYTHON) tools/environments.py refresh

clean: ## Remove the environments, caches and built distributions
	rm -rf .venv .venvs dist build .mypy_cache .ruff_cache .pytest_cache .hypothesis
