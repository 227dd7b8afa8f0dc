.PHONY: demo test test-fast matrix kernels chaos bench effects check docs references clean

demo:
	scripts/demo

test:
	scripts/test

test-fast:
	scripts/test -m "not slow"

matrix:
	scripts/matrix

kernels:
	scripts/setup test
	scripts/kernels

chaos:
	scripts/setup test
	$${VENV:-.venv}/bin/python -m tests.chaos --jobs $(or $(JOBS),500)

bench:
	scripts/setup test
	$${VENV:-.venv}/bin/python -m benchmarks $(NAMES)

effects:
	scripts/setup test
	$${VENV:-.venv}/bin/python -m tests.effects $(if $(MEASURE),--measure)

check:
	scripts/check

docs:
	scripts/docs

references:
	scripts/references

clean:
	rm -rf .venv .demo build dist .pytest_cache .mypy_cache .ruff_cache .hypothesis
