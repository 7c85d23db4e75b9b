# The whole developer loop. PYTHON= and VENV= choose another Python and another environment:
#   make test PYTHON=python3.11 VENV=.venv-3.11
VENV ?= .venv
PYTHON ?=
ARGS ?=
PY = "$(VENV)/bin/python"
SETUP = VENV="$(VENV)" PYTHON="$(PYTHON)" AGAIN="make $@" sh tools/setup_venv.sh
SETUP_DEV = $(SETUP) dev
NBVAL = --nbval --nbval-sanitize-with tests/nbval_sanitize.cfg --nbval-cell-timeout=60 -n 2 --dist loadscope
.DEFAULT_GOAL := help
.PHONY: help lab setup test notebooks bench lint

help:  ## say what each target does
	@echo "make lab is where to begin. All of them first make .venv, once, with packages that constraints.txt pins."
	@sed -n 's/^\([a-z-]*\): *## \(.*\)/  make \1 - \2/p' Makefile | awk -F ' - ' '{ printf "%-19s  %s\n", $$1, $$2 }'

lab:  ## open the course in JupyterLab
	@$(SETUP)
	@VENV="$(VENV)" sh tools/lab.sh

setup:  ## make .venv with what the course needs, and nothing else
	@$(SETUP)

test:  ## run the package's tests, then every notebook, and compare its outputs with the stored ones
	@$(SETUP_DEV)
	@status=0; $(PY) -m pytest -n 2 --dist worksteal tests || status=$$?; \
	if ls notebooks/*.ipynb >/dev/null 2>&1; then XDG_DATA_HOME=$$(mktemp -d) $(PY) -m pytest $(NBVAL) notebooks || status=$$?; \
	else echo "There is no notebook in notebooks/ to run."; fi; exit $$status

notebooks:  ## run the notebooks and store what changed (ARGS="03 07": only these; ARGS=--fresh: every output anew)
	@$(SETUP)
	@$(PY) tools/where_shown.py
	@$(PY) tools/notebooks.py $(ARGS)

bench:  ## measure what recording and drawing cost on this machine
	@$(SETUP_DEV)
	@$(PY) tools/bench.py $(ARGS)

lint:  ## check the style of the package, the tests, the tools and the notebooks
	@$(SETUP_DEV)
	@$(PY) -m ruff check --output-format=concise .
	@$(PY) -m ruff format --check --quiet . || { echo "What to type: $(VENV)/bin/ruff format"; exit 1; }

.PHONY: test-browser proofs binder-links
test-browser:  ## run every notebook in JupyterLab in a headless Chromium
	@$(SETUP_DEV)
	@$(PY) -m pytest -n 2 --dist worksteal tests/browser

proofs:  ## run what takes many minutes, or packages of others (EPOLLKIT_PROOFS=small: a short share)
	@$(SETUP_DEV)
	@$(PY) -m pytest tests/proofs

binder-links:  ## print a Binder badge and link for each notebook (REPO=owner/name, BRANCH=main)
	@$(SETUP)
	@$(PY) tools/binder_links.py --repo "$(REPO)" --branch "$(BRANCH)"
