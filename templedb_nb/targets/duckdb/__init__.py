"""A DuckDB file as a target."""
