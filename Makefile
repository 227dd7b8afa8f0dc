.PHONY: demo test check clean

demo:
	scripts/demo

test:
	scripts/test

check:
	scripts/check

clean:
	rm -rf .venv .demo build dist .pytest_cache .mypy_cache .ruff_cache .hypothesis
