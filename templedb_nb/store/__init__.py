"""The project's memory: one DuckDB file, opened for one short session at a time."""
