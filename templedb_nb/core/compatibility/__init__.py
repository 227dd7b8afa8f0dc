"""Whether older code goes on working after a migration: expand, data, unknown or contract."""
