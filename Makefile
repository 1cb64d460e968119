# Everything a newcomer or a maintainer does here, one word each. `make` alone lists the words.
# The environment .venv is created from constraints.txt on first use and reused until a pin changes.

PYTHON  ?= python3
WORKERS ?= 2
VENV    := .venv
BIN     := $(VENV)/bin
STAMP   := $(VENV)/.stamp
BOOK    := .venv-book
export PIP_DISABLE_PIP_VERSION_CHECK := 1

.DEFAULT_GOAL := help
.PHONY: help env demo test lint format lab live notebooks test-notebooks notebooks-check timings book docs-serve bench clean

help:  ## list the targets
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  make %-16s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

env: $(STAMP)  ## create the environment .venv

$(STAMP): pyproject.toml constraints.txt
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "Python 3.11 or newer is needed: make PYTHON=/path/to/python3")'
	test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install -c constraints.txt -e '.[live,published,dev]'
	@touch $@

$(BOOK)/.stamp: book/requirements.txt
	test -x $(BOOK)/bin/python || $(PYTHON) -m venv $(BOOK)
	$(BOOK)/bin/python -m pip install --quiet -r book/requirements.txt
	@touch $@

demo: $(STAMP)  ## the main job on the embedded sample: a user talks, the avatar answers
	@$(BIN)/python -m avatar_lab demo

test: $(STAMP)  ## run the tests; those with a browser want the machine to themselves
	$(BIN)/python -m pytest -n $(WORKERS) --ignore tests/browser
	$(BIN)/python -m pytest -n 0 tests/browser

lint: $(STAMP)  ## style, types and import rules
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/pyright --pythonpath $(BIN)/python
	$(BIN)/lint-imports

format: $(STAMP)  ## mend what can be mended automatically
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

lab: $(STAMP)  ## open the notebooks in JupyterLab
	$(BIN)/jupyter lab notebooks

live: $(STAMP)  ## talk to the avatar: opens the live notebook
	$(BIN)/jupyter lab notebooks/11_talk_to_it.ipynb

notebooks: $(STAMP)  ## generate learner and solution notebooks from notebooks/source
	$(BIN)/python notebooks/build.py

test-notebooks: $(STAMP)  ## run all notebooks, shortened, and check the solutions
	AVATAR_LAB_FAST=1 $(BIN)/python -m pytest -n $(WORKERS) --dist loadscope --nbval-lax -o addopts= -o filterwarnings= -q --durations=20 notebooks/*.ipynb
	AVATAR_LAB_FAST=1 AVATAR_LAB_STRICT=1 $(BIN)/python -m pytest -n $(WORKERS) --dist loadscope --nbval-lax -o addopts= -o filterwarnings= -q --durations=20 notebooks/solutions/*.ipynb

notebooks-check: $(STAMP)  ## fail when the notebooks differ from their sources
	$(BIN)/python notebooks/build.py --check

timings: $(STAMP)  ## measure how long the notebooks take, and write it into their heads
	$(BIN)/python bench/notebooks.py --json book/timings.json
	$(BIN)/python notebooks/build.py

book: $(STAMP) $(BOOK)/.stamp  ## build the book into book/_build/html, offline, warnings are errors
	$(BIN)/python book/build.py
	$(BOOK)/bin/jupyter-book build book/_build/source --path-output book/_build/out --warningiserror --nitpick --keep-going
	$(BIN)/python book/build.py --publish

docs-serve: book  ## build the book and show it at http://localhost:8001
	$(BIN)/python -m http.server 8001 --directory book/_build/html

bench: $(STAMP)  ## measure this machine, write bench/results/first.json; VIDEO=FILM of a person adds the tracker's rows
	$(BIN)/python bench/first.py --json bench/results/first.json $(if $(VIDEO),--video $(VIDEO))

clean:  ## remove environments and everything generated
	rm -rf $(VENV) $(BOOK) out runs dist build book/_build .pytest_cache .ruff_cache .import_linter_cache .hypothesis
