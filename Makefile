# Two commands on a fresh machine: `make run` and `make test`. They need Python 3.11 or newer with venv, and make.

PYTHON ?= python3
BIN := .venv/bin
INSTALLED := .venv/.installed

.PHONY: run test lint stale docs bench slow fuzz exports clean

run: $(INSTALLED)
	$(BIN)/vggc build specs/vgg16.yaml
	$(BIN)/vggc export specs/vgg16.yaml --onnx

test: $(INSTALLED) lint stale docs
	OMP_NUM_THREADS=1 $(BIN)/pytest -n 2 --dist worksteal -q

lint: $(INSTALLED)
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy
	$(BIN)/lint-imports

# The text products of the stock specs are committed; this fails if one of them is not what the code would write.
stale: $(INSTALLED)
	$(BIN)/vggc build --check $$(ls specs/*.yaml)
	$(BIN)/vggc schema | cmp - specs/vggc.schema.json

# The site, in build/site; a broken link, or a page that is not in the table of contents, fails.
docs: $(INSTALLED)
	NO_MKDOCS_2_WARNING=1 $(BIN)/mkdocs build --strict

exports: $(INSTALLED)
	$(BIN)/vggc schema > specs/vggc.schema.json
	for spec in specs/*.yaml; do $(BIN)/vggc build $$spec > /dev/null || exit 1; done

bench: $(INSTALLED)
	$(BIN)/python -m benchmarks

# Tests that take minutes and gigabytes: a model of 3 GiB is exported, verified, and damaged.
slow: $(INSTALLED)
	VGGC_SLOW=1 $(BIN)/pytest -q tests/test_faults.py -k gibibytes

fuzz: $(INSTALLED)
	VGGC_FUZZ=$${VGGC_FUZZ:-100000} $(BIN)/pytest -q tests/test_fuzz.py

$(INSTALLED): pyproject.toml constraints.txt
	$(PYTHON) -m venv .venv
	$(BIN)/python -m pip install --quiet --constraint constraints.txt --editable '.[dev]'
	touch $(INSTALLED)

clean:
	rm -rf .venv build dist .mypy_cache .pytest_cache .ruff_cache .import_linter_cache .hypothesis
