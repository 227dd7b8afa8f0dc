.PHONY: demo test check docs references clean

demo:
	scripts/demo

test:
	scripts/test

check:
	scripts/check

docs:
	scripts/docs

references:
	scripts/references

clean:
	rm -rf .venv .demo build dist .pytest_cache .mypy_cache .ruff_cache .hypothesis
