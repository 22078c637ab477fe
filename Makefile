# Every target makes the virtual environment first, once. `make help` lists them.
SHELL := bash
.SHELLFLAGS := -euo pipefail -c
.DELETE_ON_ERROR:
.DEFAULT_GOAL := help
# where the environment says so, program, plugins' stand-ins and some forty steps of each run would compile their modules anew
unexport PYTHONDONTWRITEBYTECODE

PYTHON ?= python3
SITE ?= baremetal
BIN := .venv/bin
VENV := .venv/.installed
SOURCES := mlops components tests __main__.py

.PHONY: help venv tools env check lint types unit test test-long test-faults rehearse bench lock clean

help: ## list the targets
	@sed -nE 's/^([a-z-]+):[^#]*## (.*)/  make \1@\2/p' $(MAKEFILE_LIST) | column -t -s @

venv: $(VENV) ## make .venv with the pinned packages and this project

# All output on standard error: standard output belongs to the target that needs the environment (`eval "$$(make -s env)"`).
$(VENV): requirements-dev.txt pyproject.toml
	@{ \
		$(PYTHON) -c 'import sys; sys.exit(not (3, 11) <= sys.version_info < (3, 14))' \
			|| { echo "Python 3.11, 3.12 or 3.13 is needed, $(PYTHON) is $$($(PYTHON) --version); name one: make PYTHON=python3.12"; exit 1; }; \
		$(PYTHON) -m venv .venv; \
		$(BIN)/python -m pip install --quiet --disable-pip-version-check --require-hashes -r requirements-dev.txt; \
		$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps --no-build-isolation --editable .; \
		touch $@; \
	} >&2

tools: $(VENV) ## find, fetch or build the external programs; say which way each took
	@$(BIN)/mlops tools

env: $(VENV) ## print shell exports: eval "$(make -s env)" puts the external programs and `mlops` on PATH and sets the engine
	@$(BIN)/mlops env

check: $(VENV) ## lint, types and unit tests, two minutes on two cores
	@$(MAKE) --no-print-directory --keep-going --jobs=2 --output-sync=target lint types unit

lint: $(VENV) ## style, import contracts, shell scripts, YAML
	@$(BIN)/ruff check --quiet
	@$(BIN)/ruff format --quiet --diff
	@$(BIN)/lint-imports --no-logo
	@command -v shellcheck > /dev/null || { echo 'shellcheck is missing; it is in the Debian package shellcheck' >&2; exit 1; }
	@find mlops tests manifests -name '*.sh' -exec shellcheck --shell=bash {} + && shellcheck .ci/run tests/host/*.bats tests/host/helper.bash
	@$(BIN)/yamllint --strict .

types: $(VENV) ## mypy, strict
	@$(BIN)/mypy --explicit-package-bases $(SOURCES)

unit: $(VENV) ## unit tests
	@$(BIN)/python -m pytest --quiet -n auto -m 'not engine and not site and not long'

test: check ## check, then the tests that run the real engine and throw-away sites; some take turns by the day
	@$(BIN)/mlops tools
	@eval "$$($(BIN)/mlops env pulumi)"; $(BIN)/python -m pytest --quiet -m 'alone and not long'; \
		$(BIN)/python -m pytest -n 2 --dist loadfile --no-loadscope-reorder -m '(engine or site) and not long and not alone'

test-long: $(VENV) ## tests that `make test` has no time for, and all that take turns there
	@$(BIN)/mlops tools
	@eval "$$($(BIN)/mlops env pulumi)"; TURN=all $(BIN)/python -m pytest -m 'long or turn'

test-faults: $(VENV) ## the whole fault table of the hosts, with its results; FAULTS=NAME takes a third or cases
	@$(BIN)/mlops tools
	@eval "$$($(BIN)/mlops env)"; FAULTS="$${FAULTS:-all}" $(BIN)/python -m pytest -m faults

rehearse: $(VENV) ## up, up again and destroy of SITE on a throw-away site
	@$(BIN)/mlops rehearse $(SITE)

bench: $(VENV) ## measure under an hour: this program and kubectl in a loop, on throw-away clusters; writes docs/benchmarks.md
	@$(BIN)/mlops bench $(SITE) --write docs/benchmarks.md

lock: $(VENV) ## write requirements*.txt for pyproject.toml; UPGRADE=--upgrade takes the newest allowed
	@command -v uv > /dev/null || { echo 'uv is missing; it is on PyPI: pip install uv' >&2; exit 1; }
	UV_CUSTOM_COMPILE_COMMAND='make lock' uv pip compile --quiet --universal --generate-hashes $(UPGRADE) pyproject.toml --output-file requirements.txt
	UV_CUSTOM_COMPILE_COMMAND='make lock' uv pip compile --quiet --universal --generate-hashes $(UPGRADE) pyproject.toml --group dev --constraints requirements.txt --output-file requirements-dev.txt

clean: ## remove what make made in this folder; the external programs stay in their cache
	rm -rf .venv .mypy_cache .ruff_cache .pytest_cache .import_linter_cache *.egg-info
