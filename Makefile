.PHONY: demo test chaos check docs references clean

demo:
	scripts/demo

test:
	scripts/test

chaos:
	scripts/setup test
	$${VENV:-.venv}/bin/python -m tests.chaos --jobs $(or $(JOBS),500)

check:
	scripts/check

docs:
	scripts/docs

references:
	scripts/references

clean:
	rm -rf .venv .demo build dist .pytest_cache .mypy_cache .ruff_cache .hypothesis
