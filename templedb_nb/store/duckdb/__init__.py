"""The state: one DuckDB file."""
